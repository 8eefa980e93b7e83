"""Elastic time for video: slow motion, frame-rate conversion, speed curves, retargeting.

    import imf_plugin as imf
    model = imf.load_model("auto")
    frames = model.interpolate(frame0, frame1, timesteps=[0.25, 0.5, 0.75])
    imf.slow_motion("in.mp4", "out.mp4", factor=4, model=model, progress=print)

Importing this package is quick: PyTorch, OpenCV and ffmpeg are loaded when first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imf_plugin.errors import (
    Cancelled,
    DeviceError,
    EncoderFailed,
    ImfError,
    MediaError,
    ModelError,
    OutputRefused,
    PlanError,
    UnreadableMedia,
)

if TYPE_CHECKING:
    from imf_plugin.engine.functions import change_fps, load_model, plan, retime, slow_motion
    from imf_plugin.engine.options import RenderOptions
    from imf_plugin.engine.planning import Retime
    from imf_plugin.engine.progress import CancelToken, Progress
    from imf_plugin.engine.render import RenderResult, render
    from imf_plugin.engine.retarget_functions import (
        encode_track,
        encode_track_file,
        load_retargeter,
        render_track,
        retarget,
    )
    from imf_plugin.engine.retargeting import Retargeting
    from imf_plugin.motion.tracks import TokenTrack, load_track, save_track

__version__ = "0.1.0"

__all__ = [
    "CancelToken",
    "Cancelled",
    "DeviceError",
    "EncoderFailed",
    "ImfError",
    "MediaError",
    "ModelError",
    "OutputRefused",
    "PlanError",
    "Progress",
    "RenderOptions",
    "RenderResult",
    "Retargeting",
    "Retime",
    "TokenTrack",
    "UnreadableMedia",
    "change_fps",
    "encode_track",
    "encode_track_file",
    "load_model",
    "load_retargeter",
    "load_track",
    "plan",
    "render",
    "render_track",
    "retarget",
    "retime",
    "save_track",
    "slow_motion",
]

_LAZY = {
    "CancelToken": "imf_plugin.engine.progress",
    "Progress": "imf_plugin.engine.progress",
    "RenderOptions": "imf_plugin.engine.options",
    "RenderResult": "imf_plugin.engine.render",
    "Retargeting": "imf_plugin.engine.retargeting",
    "Retime": "imf_plugin.engine.planning",
    "TokenTrack": "imf_plugin.motion.tracks",
    "change_fps": "imf_plugin.engine.functions",
    "encode_track": "imf_plugin.engine.retarget_functions",
    "encode_track_file": "imf_plugin.engine.retarget_functions",
    "load_model": "imf_plugin.engine.functions",
    "load_retargeter": "imf_plugin.engine.retarget_functions",
    "load_track": "imf_plugin.motion.tracks",
    "plan": "imf_plugin.engine.functions",
    "render": "imf_plugin.engine.render",
    "render_track": "imf_plugin.engine.retarget_functions",
    "retarget": "imf_plugin.engine.retarget_functions",
    "retime": "imf_plugin.engine.functions",
    "save_track": "imf_plugin.motion.tracks",
    "slow_motion": "imf_plugin.engine.functions",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
