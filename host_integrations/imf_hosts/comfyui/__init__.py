"""Nodes for ComfyUI: slow motion, speed ramps, scene cuts, flow pictures and retargeting.

The `node_*` modules and those named in `extension` know ComfyUI; `requests`, `curves`, `batches`,
`modules` and `sound` do not, and are tested without it.
"""
