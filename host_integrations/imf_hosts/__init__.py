"""Host integrations on top of the engine: ComfyUI nodes and VapourSynth functions."""
