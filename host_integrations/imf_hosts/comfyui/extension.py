"""The list of nodes, as ComfyUI asks for it."""

from typing import Any


def make_extension() -> Any:
    """Return the extension object.

    Raises:
        RuntimeError: If this ComfyUI is too old.
    """
    try:
        from comfy_api.latest import ComfyExtension, io

        has_dynamic_inputs = hasattr(io, "DynamicCombo")
    except ImportError:
        has_dynamic_inputs = False
    if not has_dynamic_inputs:
        raise RuntimeError("IMF needs ComfyUI 0.3.76 or newer; update ComfyUI and start it again")

    class ImfExtension(ComfyExtension):
        async def get_node_list(self) -> list[Any]:
            return node_classes()

    return ImfExtension()


def node_classes() -> list[Any]:
    """Return the node classes in the order of the menu."""
    from imf_hosts.comfyui import (
        node_cuts,
        node_flow,
        node_load,
        node_ramps,
        node_retarget,
        node_slow_motion,
        node_token_files,
        node_tokens,
    )

    return [
        node_load.LoadModel,
        node_slow_motion.SlowMotion,
        node_slow_motion.VideoSlowMotion,
        node_ramps.SpeedRamp,
        node_ramps.VideoSpeedRamp,
        node_cuts.SceneCuts,
        node_flow.FlowPreview,
        node_retarget.Retarget,
        node_tokens.EncodeTokens,
        node_tokens.InterpolateTokens,
        node_tokens.EditTokens,
        node_tokens.DecodeTokens,
        node_token_files.SaveTokens,
        node_token_files.LoadTokens,
    ]
