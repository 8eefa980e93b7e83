"""Speed ramps for batches of images and for videos."""

from fractions import Fraction
from typing import Any

import psutil
from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import curves, inputs, requests
from imf_hosts.comfyui.batches import check_images, check_memory
from imf_hosts.comfyui.node_slow_motion import batch_cuts, cut_search, run_plan
from imf_hosts.comfyui.running import clear_errors
from imf_plugin.errors import PlanError
from imf_plugin.timeline.plan import OnCut, make_frames
from imf_plugin.timeline.timemap import SourceTiming, TimeMap, along_curve

_POINTS = [(0.0, 1.0), (0.4, 0.2), (0.6, 0.2), (1.0, 1.0)]


def _ramp_inputs() -> list[Any]:
    return [
        io.Combo.Input(
            "preset",
            options=list(curves.PRESETS),
            default=curves.BULLET_TIME,
            tooltip="bullet time: down to a tenth in the middle. ease in: a quarter, then full "
            "speed. ease out: the other way. keyframes: as typed below. curve: as drawn below.",
        ),
        io.String.Input(
            "keyframes",
            default="0s:1, 1.5s:0.2, 3s:1",
            tooltip="For the preset keyframes: places in the clip, in seconds or percent, and the "
            "speed there: 0s:1, 50%:0.2, 100%:1. For positions: output second and source second.",
        ),
        io.Combo.Input(
            "curve_is",
            options=[curves.SPEED, curves.POSITION],
            default=curves.SPEED,
            tooltip="speed: the height is the speed, the top 1x, over the source clip. position: "
            "which moment of the source is shown, over the result; it may run backwards.",
        ),
        io.Float.Input(
            "speed",
            default=1.0,
            min=0.01,
            max=100.0,
            step=0.01,
            tooltip="Multiplies all speeds: 0.5 makes the whole result twice as long.",
        ),
        io.Float.Input(
            "output_fps",
            default=0.0,
            min=0.0,
            max=1000.0,
            step=0.001,
            round=0.001,
            tooltip="Frames per second of the result; 0 takes that of the source.",
        ),
    ]


def _curve_input() -> Any:
    tooltip = (
        "For the preset curve. Draw it here (Nodes 2.0) or connect a Curve Editor. In classic mode "
        "use the presets or keyframes."
    )
    if hasattr(io, "Curve"):
        return io.Curve.Input(
            "curve", optional=True, socketless=False, default=_POINTS, tooltip=tooltip
        )
    return io.Custom("CURVE").Input("curve", optional=True, tooltip=tooltip)


def _map_output() -> Any:
    return io.Float.Output(
        "time_map",
        is_output_list=True,
        tooltip="For each frame of the result, which source frame it shows (2.5: halfway).",
    )


def _ramped(
    timing: SourceTiming, rate: Fraction, asked: dict[str, Any], output_fps: float
) -> tuple[TimeMap, Fraction]:
    curve = curves.make_curve(
        asked["preset"],
        duration=timing.duration,
        speed=asked["speed"],
        keyframes=asked["keyframes"],
        points=asked["curve"],
        curve_is=asked["curve_is"],
    )
    written = requests.read_rate(output_fps, "the output fps") if output_fps else rate
    return along_curve(timing, curve, written), written


def _positions(timing: SourceTiming, moments: TimeMap) -> list[float]:
    """Return source frame numbers, between frames in proportion to time."""
    found = []
    for moment in moments.moments:
        index = timing.frame_at(moment.source_time)
        start = timing.frame_times[index]
        share = (moment.source_time - start) / (timing.end_of(index) - start)
        last = len(timing.frame_times) - 1
        found.append(min(float(index + share), float(last)))
    return found


class _Ramp(io.ComfyNode):
    """What both nodes check before anything runs."""

    @classmethod
    def validate_inputs(
        cls,
        preset: str,
        keyframes: str | None = None,
        curve: Any = None,
        curve_is: str | None = None,
        cuts: str | None = None,
    ) -> bool | str:
        """Check keyframes, curve and cuts before anything runs."""
        try:
            if preset not in curves.PRESETS:
                raise PlanError(
                    f"there is no preset {preset!r}; choose one of {', '.join(curves.PRESETS)}"
                )
            if preset == curves.KEYFRAMES and keyframes is not None:
                typed = curves.read_keyframes(keyframes)
                if curve_is == curves.POSITION and len(typed) < 2:
                    raise PlanError("positions need at least two keyframes")
                if curve_is == curves.SPEED and any(speed == 0 for _, speed in typed):
                    raise PlanError("keyframes: a speed must be above 0")
            if preset == curves.CURVE and curve is not None:
                curves.check_points(curve)
            requests.read_cuts(cuts)
        except PlanError as error:
            return str(error)
        return True


class SpeedRamp(_Ramp):
    """Bends the speed of a batch of images."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_SpeedRamp",
            display_name="Speed Ramp (IMF)",
            description="Bends the speed of a clip along a preset, keyframes or a drawn curve: "
            "slow for the jump, fast for the rest. Frames in between are made, cuts respected.",
            search_aliases=[*inputs.ALIASES, "speed ramp", "time remap", "bullet time", "curve"],
            inputs=[
                inputs.model_input(),
                inputs.images_input(),
                inputs.source_fps_input(),
                *_ramp_inputs(),
                *inputs.cut_inputs(),
                _curve_input(),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The frames of the result."),
                *inputs.count_outputs(),
                _map_output(),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        images: Tensor,
        source_fps: float,
        output_fps: float,
        scene_cuts: str,
        cuts: str = "",
        cut_threshold: float = 3.0,
        on_cut: str = "hold",
        curve: Any = None,
        **asked: Any,
    ) -> Any:
        """Make the frames."""
        check_images(images)
        with clear_errors():
            rate = requests.read_rate(source_fps, "the source fps")
            count = len(images)
            timing = SourceTiming(
                frame_times=tuple(n / rate for n in range(count)), duration=count / rate
            )
            moments, written = _ramped(timing, rate, {**asked, "curve": curve}, output_fps)
            check_memory(
                (len(moments.moments), *images.shape[1:]),
                images.element_size(),
                psutil.virtual_memory().available,
            )
            found = batch_cuts(images, scene_cuts, cuts, cut_threshold)
            frames = make_frames(timing, moments, cuts=found, on_cut=OnCut(on_cut))
            result = run_plan(model, images, frames)
        places = _positions(timing, moments)
        return io.NodeOutput(result, requests.shown_rate(written), len(result), places)


class VideoSpeedRamp(_Ramp):
    """Bends the speed of a video, while it is saved."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_VideoSpeedRamp",
            display_name="Video Speed Ramp (IMF)",
            description="Bends the speed of a whole video along a preset, keyframes or a drawn "
            "curve. Frames are made while Save Video writes them; the sound follows.",
            search_aliases=[*inputs.ALIASES, "speed ramp", "time remap", "bullet time", "video"],
            inputs=[
                inputs.model_input(),
                inputs.video_input(),
                *_ramp_inputs(),
                io.Combo.Input(
                    "audio",
                    options=["stretch", "drop"],
                    default="stretch",
                    tooltip="stretch: the sound follows the speed at the same pitch, silent where "
                    "time stands still or runs backwards. drop: none.",
                ),
                *inputs.cut_inputs(),
                _curve_input(),
            ],
            outputs=[
                io.Video.Output("video", tooltip="For Save Video; made while it is saved."),
                *inputs.count_outputs(),
                _map_output(),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        video: Any,
        output_fps: float,
        audio: str,
        scene_cuts: str,
        cuts: str = "",
        cut_threshold: float = 3.0,
        on_cut: str = "hold",
        curve: Any = None,
        **asked: Any,
    ) -> Any:
        """Prepare the video; its frames are made when it is saved."""
        with clear_errors():
            from imf_hosts.comfyui.sources import VideoSource
            from imf_hosts.comfyui.videos import RetimedVideo, Retiming

            source = VideoSource(video)
            timing = source.info.timing
            moments, written = _ramped(
                timing, source.info.rate, {**asked, "curve": curve}, output_fps
            )
            count = len(timing.frame_times)
            made = RetimedVideo(
                source,
                model,
                Retiming(
                    moments=moments,
                    rate=written,
                    cuts=cut_search(count, scene_cuts, cuts, cut_threshold, on_cut),
                    audio="drop" if audio == "drop" else "stretch",
                ),
            )
        places = _positions(timing, moments)
        return io.NodeOutput(made, requests.shown_rate(written), made.get_frame_count(), places)
