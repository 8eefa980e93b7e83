"""From plan to frames: device session, tiling, streaming pipeline, resumable parts, render."""
