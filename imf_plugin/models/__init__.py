"""What moves: the Interpolator protocol, the registry, one folder per model family."""
