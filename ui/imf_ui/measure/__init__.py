"""Measures what the editor promises: ``python -m imf_ui.measure`` prints and writes the figures."""
