"""Quality and speed against peers, measured."""
