"""The short way in: one function for each thing people want."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from imf_plugin.engine.options import RenderOptions
from imf_plugin.engine.planning import Retime, make_plan
from imf_plugin.engine.progress import CancelToken, ProgressCallback
from imf_plugin.engine.render import RenderResult, check_request, render
from imf_plugin.engine.session import open_session
from imf_plugin.models.base import Interpolator
from imf_plugin.models.registry import load_interpolator
from imf_plugin.timeline.curve import Curve, read_curve
from imf_plugin.timeline.plan import RenderPlan
from imf_plugin.timeline.rational import RationalLike, parse_factor, parse_rate

type PathLike = str | Path

_RETIME_NAMES = ("cuts", "find_cuts", "cut_threshold", "on_cut", "dedup", "context")


def load_model(
    name: str = "auto", *, device: str = "auto", precision: str = "auto"
) -> Interpolator:
    """Load an interpolation model.

    Args:
        name: A model's name, see ``imf models``; ``auto`` picks the default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        ModelError: If there is no such model.
        DeviceError: If the device is absent.
    """
    session = open_session(device, precision)
    return load_interpolator(name, device=session.device, precision=session.precision)


def slow_motion(
    source: PathLike,
    output: PathLike,
    *,
    factor: RationalLike,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RenderResult:
    """Make a clip last ``factor`` times longer at its own frame rate.

    Args:
        source: A video, a folder of images or a printf pattern.
        output: A video file, or a folder for images.
        factor: How many times longer: ``4``, ``2.5`` or ``"5/2"``.
        progress: Called with `Progress` events.
        cancel: Stops the render from another thread.
        options: Members of `RenderOptions` and of `Retime`.

    Raises:
        ImfError: If anything of the world is in the way.
    """
    return _retime({"factor": parse_factor(factor)}, source, output, progress, cancel, options)


def change_fps(
    source: PathLike,
    output: PathLike,
    *,
    rate: RationalLike,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RenderResult:
    """Convert a clip to ``rate`` frames per second, lasting as long as before.

    See `slow_motion` for the other arguments and errors.
    """
    return _retime({"rate": parse_rate(rate)}, source, output, progress, cancel, options)


def retime(
    source: PathLike,
    output: PathLike,
    *,
    curve: Curve | PathLike,
    rate: RationalLike | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RenderResult:
    """Bend a clip's speed along a curve, given as a `Curve` or as the path of a curve file.

    See `slow_motion` for the other arguments and errors.
    """
    if not isinstance(curve, Curve):
        curve = read_curve(Path(curve))
    asked = {"curve": curve, "curve_rate": None if rate is None else parse_rate(rate)}
    return _retime(asked, source, output, progress, cancel, options)


def plan(source: PathLike, retime: Retime, *, input_rate: Fraction | None = None) -> RenderPlan:
    """Make the render plan of a clip without rendering it."""
    return make_plan(source, retime, input_rate=input_rate)


def _retime(
    asked: dict[str, Any],
    source: PathLike,
    output: PathLike,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
    options: dict[str, Any],
) -> RenderResult:
    timing = {name: options.pop(name) for name in _RETIME_NAMES if name in options}
    settings = RenderOptions(**options)
    wanted = Retime(**asked, **timing)
    check_request(source, Path(output), settings)
    made = make_plan(
        source, wanted, input_rate=settings.input_rate, progress=progress, cancel=cancel
    )
    return render(made, output, options=settings, progress=progress, cancel=cancel)
