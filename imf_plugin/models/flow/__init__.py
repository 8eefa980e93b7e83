"""The interpolator without weights: dense classical flow."""
