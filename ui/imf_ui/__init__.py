"""The PyQt6 editor on top of the engine (optional extra, brings PyQt6's GPL-3.0)."""
