"""Slow motion for batches of images and for videos."""

from typing import Any

import comfy.model_management as mm
import psutil
from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import inputs, requests
from imf_hosts.comfyui.batches import check_images, check_memory, find_batch_cuts, render_batch
from imf_hosts.comfyui.running import Watch, clear_errors, make_ready
from imf_plugin.timeline.batches import Ending, batch_length, plan_batch
from imf_plugin.timeline.plan import OnCut, PlannedFrame


class SlowMotion(io.ComfyNode):
    """Makes frames between the images of a batch."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_SlowMotion",
            display_name="Slow Motion (IMF)",
            description="Makes frames between images: a factor such as 2.5, a frame rate such as "
            "24 to 60, or an exact number of frames. Your own images come back bit for bit, and "
            "nothing is made across shot cuts. For long clips use Video Slow Motion (IMF).",
            search_aliases=[*inputs.ALIASES, "interpolate frames", "fps", "smooth"],
            inputs=[
                inputs.model_input(),
                inputs.images_input(),
                inputs.retime_input(
                    example="81 images times 2: 161 between, 162 with the duration kept."
                ),
                inputs.source_fps_input(),
                inputs.timing_input(requests.SMOOTHER),
                io.Combo.Input(
                    "end_mode",
                    options=[requests.BETWEEN, requests.KEEP_DURATION],
                    default=requests.BETWEEN,
                    tooltip="between: N images times m give (N-1)*m+1 and end with your last one. "
                    "keep duration: they give N*m, the last one held, so that sound stays in step.",
                ),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="Also make frames from the last image back to the first, for clips "
                    "that play in a loop: N*m frames.",
                ),
                *inputs.cut_inputs(),
            ],
            outputs=[
                io.Image.Output("images", tooltip="All frames, yours among them unchanged."),
                *inputs.count_outputs(),
            ],
        )

    @classmethod
    def validate_inputs(cls, retime: Any = None, cuts: str | None = None) -> bool | str:
        """Check the list of cuts before anything runs; ComfyUI passes dynamic inputs anyway."""
        return inputs.cuts_error(cuts)

    @classmethod
    def execute(
        cls,
        model: Any,
        images: Tensor,
        retime: dict[str, Any],
        source_fps: float,
        timing: str,
        end_mode: str,
        loop: bool,
        scene_cuts: str,
        cuts: str = "",
        cut_threshold: float = 3.0,
        on_cut: str = "hold",
    ) -> Any:
        """Make the frames."""
        check_images(images)
        with clear_errors():
            ending = requests.read_ending(end_mode, loop)
            timed = requests.read_retime(
                retime,
                count=len(images),
                source_rate=requests.read_rate(source_fps, "the source fps"),
                ending=ending,
                timing=timing,
            )
            if len(images) == 1 or timed.factor == 1:
                return io.NodeOutput(images, requests.shown_rate(timed.rate), len(images))
            length = batch_length(len(images), timed.factor, ending)
            check_memory(
                (length, *images.shape[1:]),
                images.element_size(),
                psutil.virtual_memory().available,
            )
            found = batch_cuts(images, scene_cuts, cuts, cut_threshold)
            frames = plan_batch(
                len(images), timed.factor, ending=ending, cuts=found, on_cut=OnCut(on_cut)
            )
            result = run_plan(model, images, frames)
        return io.NodeOutput(result, requests.shown_rate(timed.rate), len(result))


def batch_cuts(images: Tensor, scene_cuts: str, cuts: str, threshold: float) -> tuple[int, ...]:
    """Return the cuts that the user named or that are found."""
    named = requests.read_cuts(cuts, len(images))
    if named or scene_cuts == "off":
        return named
    return find_batch_cuts(images, threshold, mm.throw_exception_if_processing_interrupted)


def run_plan(model: Any, images: Tensor, frames: tuple[PlannedFrame, ...]) -> Tensor:
    """Make the frames of a plan, with progress."""
    ready = make_ready(model, images.shape[1], images.shape[2])
    watch = Watch(len(frames))
    return render_batch(
        images,
        frames,
        ready.model,
        device=ready.device,
        out_device=mm.intermediate_device(),
        longest=ready.longest,
        on_frame=watch.step,
    )


class VideoSlowMotion(io.ComfyNode):
    """Makes frames between the frames of a video, while it is saved."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_VideoSlowMotion",
            display_name="Video Slow Motion (IMF)",
            description="Slow motion and frame rate conversion for whole videos: frames are made "
            "while Save Video writes them, so a long video needs no more memory than a short one. "
            "The sound comes along.",
            search_aliases=[*inputs.ALIASES, "video", "long video", "fps", "audio"],
            inputs=[
                inputs.model_input(),
                inputs.video_input(),
                inputs.retime_input(example="A video of N frames gets N*m, the last one held."),
                inputs.timing_input(requests.SLOWER),
                io.Combo.Input(
                    "audio",
                    options=["auto", "keep", "stretch", "drop"],
                    default="auto",
                    tooltip="auto: stretch (at the same pitch) when the clip gets longer, else "
                    "keep. keep: as it is. drop: none.",
                ),
                *inputs.cut_inputs(),
            ],
            outputs=[
                io.Video.Output("video", tooltip="For Save Video; made while it is saved."),
                *inputs.count_outputs(),
            ],
        )

    @classmethod
    def validate_inputs(cls, retime: Any = None, cuts: str | None = None) -> bool | str:
        """Check the list of cuts before anything runs; ComfyUI passes dynamic inputs anyway."""
        return inputs.cuts_error(cuts)

    @classmethod
    def execute(
        cls,
        model: Any,
        video: Any,
        retime: dict[str, Any],
        timing: str,
        audio: str,
        scene_cuts: str,
        cuts: str = "",
        cut_threshold: float = 3.0,
        on_cut: str = "hold",
    ) -> Any:
        """Prepare the video; its frames are made when it is saved."""
        with clear_errors():
            from imf_hosts.comfyui.sources import VideoSource
            from imf_hosts.comfyui.videos import RetimedVideo, Retiming
            from imf_plugin.timeline.timemap import constant_rate

            source = VideoSource(video)
            timing_of = source.info.timing
            count = len(timing_of.frame_times)
            timed = requests.read_retime(
                retime,
                count=count,
                source_rate=source.info.rate,
                ending=Ending.KEEP_DURATION,
                timing=timing,
            )
            search = cut_search(count, scene_cuts, cuts, cut_threshold, on_cut)
            if timed.factor == 1 or count == 1:
                return io.NodeOutput(video, requests.shown_rate(source.info.rate), count)
            dense = source.info.rate * timed.factor
            slowdown = dense / timed.rate
            made = RetimedVideo(
                source,
                model,
                Retiming(
                    moments=constant_rate(timing_of, dense),
                    rate=timed.rate,
                    cuts=search,
                    audio=sound_mode(audio, lasts_as_long=slowdown == 1),
                    slowdown=slowdown,
                ),
            )
        return io.NodeOutput(made, requests.shown_rate(timed.rate), made.get_frame_count())


def sound_mode(audio: str, *, lasts_as_long: bool) -> Any:
    """Return what becomes of the sound when the user leaves it to us."""
    if audio != "auto":
        return audio
    return "keep" if lasts_as_long else "stretch"


def cut_search(count: int, scene_cuts: str, cuts: str, threshold: float, on_cut: str) -> Any:
    """Return how the cuts of a video are found, once it is rendered."""
    from imf_hosts.comfyui.videos import CutSearch

    named = requests.read_cuts(cuts, count)
    return CutSearch(
        known=named, threshold=threshold if scene_cuts == "auto" else None, on_cut=OnCut(on_cut)
    )
