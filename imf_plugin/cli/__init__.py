"""The `imf` command."""
