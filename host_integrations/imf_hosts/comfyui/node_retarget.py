"""The node that carries the motion of one clip onto a picture."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import inputs, requests
from imf_hosts.comfyui.batches import check_images, rgb_of
from imf_hosts.comfyui.driving import Driving, opened_driving
from imf_hosts.comfyui.node_tokens import ALIASES, play, retargeter_of
from imf_hosts.comfyui.running import Watch, clear_errors
from imf_hosts.comfyui.tokens import encode_images
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.motion.tracks import TokenTrack

_BEST = -1


class Retarget(io.ComfyNode):
    """Moves a picture as driving frames move."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_Retarget",
            display_name="Retarget (IMF)",
            description="Carries the motion of driving frames onto a picture. No face detector, "
            "no landmarks; the anchor frame says which frame stands as your picture stands.",
            search_aliases=[*ALIASES, "live portrait", "animate picture"],
            inputs=[
                inputs.model_input(),
                io.Image.Input("reference", tooltip="The picture to move; its first image counts."),
                io.MultiType.Input(
                    "driving",
                    types=[io.Image, io.Video],
                    tooltip="The clip whose motion it gets: images, or a video, which is read "
                    "frame by frame.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["relative", "absolute"],
                    default="relative",
                    tooltip="relative: adds the motion since the anchor frame to the picture's own "
                    "pose. absolute: takes the driving pose itself.",
                ),
                io.Int.Input(
                    "anchor_frame",
                    default=_BEST,
                    min=_BEST,
                    max=1000000,
                    tooltip="The driving frame that stands as the picture stands; -1 looks for the "
                    "most alike.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Multiplies the motion; 0 holds the picture still.",
                ),
                io.Int.Input(
                    "smoothing",
                    default=0,
                    min=0,
                    max=100,
                    tooltip="Frames to either side over which jitter is averaged.",
                ),
                io.Boolean.Input(
                    "keep_background",
                    default=False,
                    tooltip="Hold the picture's border as it is.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the picture may change, of its size; everywhere without one.",
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The picture, moved: one for each frame."),
                inputs.Tokens.Output("tokens", tooltip="The motion, to edit or store."),
                io.String.Output("info", tooltip="The anchor frame and how the two were matched."),
                io.Float.Output("fps", tooltip="Of a driving video; 24 for images."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        reference: Tensor,
        driving: Any,
        mode: str,
        anchor_frame: int,
        strength: float,
        smoothing: int,
        keep_background: bool,
        mask: Tensor | None = None,
    ) -> Any:
        """Move the picture frame by frame."""
        from imf_plugin.motion.token_curves import smooth_tokens

        check_images(reference, "reference")
        with clear_errors(), opened_driving(driving) as clip:
            moving, track = _read_motion(
                retargeter_of(model),
                rgb_of(reference, 0),
                clip,
                anchor_frame,
                mode="absolute" if mode == "absolute" else "relative",
                strength=strength,
                mask=None if mask is None else mask[0].cpu().float(),
                keep_background=keep_background,
            )
            result = play(moving, smooth_tokens(track.tokens, smoothing), reference)
        about = f"anchor: frame {track.notes['anchor']}\n{moving.note}"
        return io.NodeOutput(result, track, about, requests.shown_rate(track.rate))


def _read_motion(
    retargeter: Retargeter, picture: Tensor, clip: Driving, anchor: int, **options: Any
) -> tuple[Any, TokenTrack]:
    """Return what moves the picture, and the motion of the clip."""
    from imf_plugin.engine.retarget_sources import adapted_to
    from imf_plugin.engine.retargeting import Retargeting

    if anchor >= clip.count:
        raise ValueError(f"anchor_frame: there is no frame {anchor}, the last is {clip.count - 1}")
    if anchor == _BEST:
        anchor = _most_alike(picture, clip)
    pose = clip.picture(anchor)
    adapted = adapted_to(retargeter, clip.count, clip.picture, pose)
    moving = Retargeting(adapted, picture, pose, **options)
    track = encode_images(
        adapted,
        clip.picture,
        clip.count,
        anchor=anchor,
        rate=clip.rate,
        on_frame=Watch(clip.count).step,
        encoder=moving,
    )
    return moving, track


def _most_alike(picture: Tensor, clip: Driving) -> int:
    from imf_plugin.engine.retarget_sources import anchor_candidates
    from imf_plugin.engine.retargeting import likeness

    watch = Watch(clip.count)

    def alike(number: int) -> float:
        watch.step(number + 1)
        return likeness(picture, clip.picture(number))

    return max(anchor_candidates(clip.count), key=alike)
