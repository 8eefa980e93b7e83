"""What enters and leaves: probing, reading, writing, audio, colour, image sequences."""
