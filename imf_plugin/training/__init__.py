"""Scenes with known motion, data, losses, trainer, recipes."""
