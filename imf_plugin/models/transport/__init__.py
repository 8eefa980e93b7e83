"""The retargeter without weights: dense motion, carried over through an alignment."""
