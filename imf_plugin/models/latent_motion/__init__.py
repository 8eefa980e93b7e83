"""The latent motion matrix: one small vector for each frame's motion from the first."""
