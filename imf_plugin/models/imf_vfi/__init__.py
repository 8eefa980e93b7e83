"""The project's own trained interpolator: motion tokens between keyframes."""
