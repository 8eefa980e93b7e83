"""Nodes that make, change and play motion tokens."""

from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import inputs, requests, tokens
from imf_hosts.comfyui.batches import check_images, rgb_of
from imf_hosts.comfyui.modules import InterpolationModule
from imf_hosts.comfyui.running import Watch, clear_errors
from imf_plugin.models.retargeting import Retargeter

ALIASES = ["imf", "motion tokens", "retarget", "face animation", "motion transfer"]


def retargeter_of(model: Any) -> Retargeter:
    """Return the retargeting model behind a model input, loaded.

    Raises:
        ValueError: If it has none.
    """
    module = getattr(model, "model", model)
    found = module.retargeter if isinstance(module, InterpolationModule) else None
    if found is None:
        raise ValueError(
            f"{type(module).__name__} only makes frames between frames: connect Load IMF Model "
            "with builtin/transport, which carries motion onto pictures"
        )
    mm.load_models_gpu([model])
    return found


class EncodeTokens(io.ComfyNode):
    """Reduces images to motion tokens."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_EncodeTokens",
            display_name="Encode Tokens (IMF)",
            description="Reduces the motion of a clip to a few numbers per frame, which can be "
            "edited, stored and played on another picture.",
            search_aliases=ALIASES,
            inputs=[
                inputs.model_input(),
                inputs.images_input("The driving frames, whose motion is wanted."),
                io.Int.Input(
                    "anchor_frame",
                    default=0,
                    min=0,
                    max=1000000,
                    tooltip="The frame that stands as the picture to be moved stands; motion is "
                    "counted from it.",
                ),
                inputs.source_fps_input(),
            ],
            outputs=[
                inputs.Tokens.Output("tokens", tooltip="One token for each frame."),
                io.String.Output("info", tooltip="How many, of which model."),
            ],
        )

    @classmethod
    def execute(cls, model: Any, images: Tensor, anchor_frame: int, source_fps: float) -> Any:
        """Encode frame by frame."""
        check_images(images)
        if anchor_frame >= len(images):
            raise ValueError(
                f"anchor_frame: there is no frame {anchor_frame}, the last is {len(images) - 1}"
            )
        with clear_errors():
            watch = Watch(len(images))
            track = tokens.encode_images(
                retargeter_of(model),
                lambda index: rgb_of(images, index),
                len(images),
                anchor=anchor_frame,
                rate=requests.read_rate(source_fps, "the source fps"),
                on_frame=watch.step,
            )
        return io.NodeOutput(track, tokens.describe(track))


class InterpolateTokens(io.ComfyNode):
    """Makes tokens between tokens."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_InterpolateTokens",
            display_name="Interpolate Tokens (IMF)",
            description="Makes motion slower or follows a time map by interpolating its tokens, "
            "and mixes two motions.",
            search_aliases=[*ALIASES, "slerp"],
            is_input_list=True,
            inputs=[
                inputs.Tokens.Input("tokens_a", tooltip="The motion."),
                io.Float.Input(
                    "factor",
                    default=2.0,
                    min=0.05,
                    max=64.0,
                    step=0.05,
                    tooltip="N tokens become (N-1)*factor+1. Not used with a time map.",
                ),
                io.Float.Input(
                    "mix",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="With tokens_b: 0 is tokens_a, 1 is tokens_b, 0.5 halfway.",
                ),
                io.Combo.Input(
                    "method",
                    options=[tokens.LINEAR, tokens.CUBIC, tokens.SLERP],
                    default=tokens.LINEAR,
                    tooltip="linear: straight. cubic: smooth through all tokens. slerp: along the "
                    "sphere, keeps the strength of the motion.",
                ),
                inputs.Tokens.Input("tokens_b", optional=True, tooltip="Another motion to mix in."),
                io.Float.Input(
                    "time_map",
                    default=0.0,
                    optional=True,
                    force_input=True,
                    tooltip="Frame numbers from Speed Ramp; the motion then follows its ramp.",
                ),
            ],
            outputs=[inputs.Tokens.Output("tokens", tooltip="The new motion.")],
        )

    @classmethod
    def execute(
        cls,
        tokens_a: list[Any],
        factor: list[float],
        mix: list[float],
        method: list[str],
        tokens_b: list[Any] | None = None,
        time_map: list[float] | None = None,
    ) -> Any:
        """Interpolate; every input is a list because the time map is one."""
        with clear_errors():
            track = tokens_a[0]
            if tokens_b:
                track = tokens.mix_tracks(track, tokens_b[0], mix[0], method[0])
            places = time_map or tokens.even_positions(len(track.tokens), factor[0])
            return io.NodeOutput(tokens.retime_track(track, list(places), method[0]))


class EditTokens(io.ComfyNode):
    """Changes the motion that tokens hold."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_EditTokens",
            display_name="Edit Tokens (IMF)",
            description="More or less motion, calmer motion, motion that loops, or the motion of "
            "another clip on top.",
            search_aliases=[*ALIASES, "smooth", "exaggerate"],
            inputs=[
                inputs.Tokens.Input("tokens", tooltip="The motion."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Multiplies the motion away from the anchor; 0 stands still.",
                ),
                io.Int.Input(
                    "smoothing",
                    default=0,
                    min=0,
                    max=100,
                    tooltip="Frames to either side over which jitter is averaged; 0 for none.",
                ),
                io.Boolean.Input(
                    "loop", default=False, tooltip="Lead the end back to the beginning."
                ),
                io.Boolean.Input(
                    "mirror", default=False, tooltip="Play it there and back: 2*N-1 frames."
                ),
                inputs.Tokens.Input(
                    "offset", optional=True, tooltip="Another motion, added to this one."
                ),
            ],
            outputs=[inputs.Tokens.Output("tokens", tooltip="The new motion.")],
        )

    @classmethod
    def execute(
        cls,
        tokens: Any,
        strength: float,
        smoothing: int,
        loop: bool,
        mirror: bool,
        offset: Any = None,
    ) -> Any:
        """Change the motion."""
        from imf_hosts.comfyui.tokens import edit_track

        with clear_errors():
            edited = edit_track(
                tokens,
                strength=strength,
                smoothing=smoothing,
                loop=loop,
                mirror=mirror,
                offset=offset,
            )
        return io.NodeOutput(edited)


class DecodeTokens(io.ComfyNode):
    """Plays tokens on a picture."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_DecodeTokens",
            display_name="Decode Tokens (IMF)",
            description="Moves a picture by motion tokens.",
            search_aliases=ALIASES,
            inputs=[
                inputs.model_input(),
                inputs.Tokens.Input("tokens", tooltip="The motion, made by the same model."),
                io.Image.Input("reference", tooltip="The picture to move; its first image counts."),
            ],
            outputs=[io.Image.Output("images", tooltip="One image for each token.")],
        )

    @classmethod
    def execute(cls, model: Any, tokens: Any, reference: Tensor) -> Any:
        """Render token by token."""
        check_images(reference, "reference")
        with clear_errors():
            from imf_plugin.engine.retarget_functions import model_of_track
            from imf_plugin.engine.retarget_sources import picture_of
            from imf_plugin.engine.retargeting import Retargeting

            moving = Retargeting.for_track(
                model_of_track(tokens, retargeter_of(model)),
                rgb_of(reference, 0),
                tokens.anchor_token,
                picture_of(tokens.anchor_jpeg),
                driving_size=tokens.driving_size,
            )
            return io.NodeOutput(play(moving, tokens.tokens, reference))


def play(moving: Any, track: Tensor, reference: Tensor) -> Tensor:
    """Return the reference moved by each token, ``[T, H, W, 3]``."""
    watch = Watch(len(track))
    result = torch.empty((len(track), *reference.shape[1:3], 3), device=mm.intermediate_device())
    for number, token in enumerate(track):
        result[number] = moving.render(token[None])[0].clamp(0, 1).movedim(0, -1)
        watch.step(number + 1, result[number])
    return result
