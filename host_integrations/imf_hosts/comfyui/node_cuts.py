"""The node that finds shot cuts."""

from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import inputs, requests
from imf_hosts.comfyui.batches import check_images, find_batch_cuts
from imf_hosts.comfyui.running import clear_errors

_MOST_SHOWN = 64


class SceneCuts(io.ComfyNode):
    """Finds shot cuts in images or a video."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_SceneCuts",
            display_name="Scene Cuts (IMF)",
            description="Finds the frames that begin a new shot, in images or in a video. Feed "
            "the list to the cuts input of other nodes, after editing it if you like.",
            search_aliases=["scene detection", "shot boundary", "cut detection", "imf"],
            inputs=[
                io.Image.Input("images", optional=True, tooltip="The frames, or connect a video."),
                io.Video.Input("video", optional=True, tooltip="The video, or connect images."),
                io.Float.Input(
                    "threshold",
                    default=3.0,
                    min=0.1,
                    max=100.0,
                    step=0.1,
                    tooltip="How far a cut must stand out from the motion around it; higher finds "
                    "fewer.",
                ),
            ],
            outputs=[
                io.String.Output("cuts", tooltip="Frame numbers from 0, such as 24, 61."),
                io.Int.Output("count", tooltip="How many cuts there are."),
                io.Image.Output(
                    "preview",
                    tooltip=f"The first frame of each shot, the first {_MOST_SHOWN} of them.",
                ),
            ],
        )

    @classmethod
    def execute(cls, threshold: float, images: Tensor | None = None, video: Any = None) -> Any:
        """Look at every frame once."""
        if (images is None) == (video is None):
            raise ValueError("connect either images or a video, and not both")
        with clear_errors():
            if images is not None:
                check_images(images)
                cuts = find_batch_cuts(
                    images, threshold, mm.throw_exception_if_processing_interrupted
                )
                preview = images[[0, *cuts][:_MOST_SHOWN]]
            else:
                cuts, preview = _in_video(video, threshold)
        return io.NodeOutput(requests.write_cuts(cuts), len(cuts), preview)


def _in_video(video: Any, threshold: float) -> tuple[tuple[int, ...], Tensor]:
    from imf_hosts.comfyui.sources import VideoSource
    from imf_hosts.comfyui.videos import find_video_cuts

    source = VideoSource(video)
    cuts = find_video_cuts(source, threshold)
    with source.opened() as clip:
        shown = [clip.picture(index)[:3].movedim(0, -1) for index in [0, *cuts][:_MOST_SHOWN]]
    return cuts, torch.stack(shown)
