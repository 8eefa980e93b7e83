"""The Implicit Motion Function: motion tokens of pictures, and pictures from motion tokens."""
