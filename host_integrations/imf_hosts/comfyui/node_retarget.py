"""The node that carries the motion of one clip onto a picture."""

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import inputs, requests
from imf_hosts.comfyui.batches import check_images
from imf_hosts.comfyui.node_tokens import ALIASES, play, retargeter_of, rgb_of
from imf_hosts.comfyui.running import Watch, clear_errors
from imf_hosts.comfyui.tokens import encode_images

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
                io.Image.Input("driving", tooltip="The frames whose motion it gets."),
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
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        reference: Tensor,
        driving: Tensor,
        mode: str,
        anchor_frame: int,
        strength: float,
        smoothing: int,
        keep_background: bool,
        mask: Tensor | None = None,
    ) -> Any:
        """Move the picture frame by frame."""
        check_images(reference, "reference")
        check_images(driving, "driving")
        if anchor_frame >= len(driving):
            raise ValueError(
                f"anchor_frame: there is no frame {anchor_frame}, the last is {len(driving) - 1}"
            )
        with clear_errors():
            from imf_plugin.engine.retargeting import Retargeting, likeness
            from imf_plugin.motion.token_curves import smooth_tokens

            retargeter = retargeter_of(model)
            picture = rgb_of(reference, 0)
            if anchor_frame == _BEST:
                alike = [likeness(picture, rgb_of(driving, n)) for n in range(len(driving))]
                anchor_frame = max(range(len(alike)), key=alike.__getitem__)
            moving: Any = Retargeting(
                retargeter,
                picture,
                rgb_of(driving, anchor_frame),
                mode="absolute" if mode == "absolute" else "relative",
                strength=strength,
                mask=None if mask is None else mask[0].cpu().float(),
                keep_background=keep_background,
            )
            watch = Watch(len(driving))
            track = encode_images(
                retargeter,
                lambda index: rgb_of(driving, index),
                len(driving),
                anchor=anchor_frame,
                rate=requests.read_rate(24.0, "the rate"),
                on_frame=watch.step,
                encoder=moving,
            )
            result = play(moving, smooth_tokens(track.tokens, smoothing), reference)
        about = f"anchor: frame {anchor_frame}"
        return io.NodeOutput(result, track, f"{about}\n{moving.note}".strip())
