"""VapourSynth functions: slow motion, frame rates, speed curves and repairs, as native filters do.

    from imf_hosts.vs import interpolate
    clip = interpolate(clip, 2)

Clips keep their format; source frames come back bit-exact; every output frame depends on its
number and the source alone. docs/vapoursynth.md is the manual.
"""

try:
    import vapoursynth  # noqa: F401
except ImportError as error:
    raise ImportError(
        "imf_hosts.vs needs VapourSynth R74 or newer in this Python (3.12 or newer): "
        "pip install 'imf-plugin[vapoursynth]'"
    ) from error

from imf_hosts.vs.damage import replace_frames
from imf_hosts.vs.duplicates import detect_duplicates
from imf_hosts.vs.functions import interpolate, slow_motion
from imf_hosts.vs.merging import merge
from imf_hosts.vs.output import feature_stats
from imf_hosts.vs.repairs import repair_duplicates
from imf_hosts.vs.retargeting import retarget
from imf_hosts.vs.retiming import retime, retime_map
from imf_hosts.vs.scenes import detect_scenes

__all__ = [
    "detect_duplicates",
    "detect_scenes",
    "feature_stats",
    "interpolate",
    "merge",
    "repair_duplicates",
    "replace_frames",
    "retarget",
    "retime",
    "retime_map",
    "slow_motion",
]
