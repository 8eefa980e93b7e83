"""The node that shows motion."""

from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from imf_hosts.comfyui import flows, inputs
from imf_hosts.comfyui.batches import check_images
from imf_hosts.comfyui.modules import InterpolationModule
from imf_hosts.comfyui.running import Watch, clear_errors


class FlowPreview(io.ComfyNode):
    """Paints the motion between images."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_FlowPreview",
            display_name="Flow Preview (IMF)",
            description="Shows how things move from each image to the next: by colours, by "
            "arrows, or where something gets hidden. N images give N-1 pictures.",
            search_aliases=["optical flow", "motion vectors", "occlusion", "imf"],
            inputs=[
                inputs.model_input(),
                inputs.images_input(),
                io.Combo.Input(
                    "direction",
                    options=[flows.FORWARD, flows.BACKWARD],
                    default=flows.FORWARD,
                    tooltip="forward: from each image to the next. backward: from the next back.",
                ),
                io.Combo.Input(
                    "style",
                    options=[flows.COLOURS, flows.ARROWS, flows.HIDDEN],
                    default=flows.COLOURS,
                    tooltip="colour wheel: hue is direction, strength is speed. arrows: drawn "
                    "over the image. occlusion: red where something is not seen in the other one.",
                ),
                io.Float.Input(
                    "scale",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=1.0,
                    tooltip="Motion in pixels that is shown in full colour; 0 takes the fastest of "
                    "this batch. Give a number to compare batches.",
                ),
            ],
            outputs=[
                io.Image.Output("preview", tooltip="One picture for each pair."),
                io.Mask.Output(
                    "occlusion", tooltip="1 where a pixel is hidden in the other image."
                ),
                inputs.Flow.Output("flow", tooltip="Pixels right and down, [N-1, H, W, 2]."),
            ],
        )

    @classmethod
    def execute(cls, model: Any, images: Tensor, direction: str, style: str, scale: float) -> Any:
        """Estimate and paint."""
        check_images(images)
        if len(images) < 2:
            raise ValueError("images: motion needs at least two images, this is a single one")
        module = getattr(model, "model", model)
        if not isinstance(module, InterpolationModule):
            raise ValueError(
                f"{type(module).__name__} does not show its motion: connect Load IMF Model with a "
                "builtin model"
            )
        watch = Watch(2 * (len(images) - 1))
        with clear_errors():
            motions = []
            for number in range(len(images) - 1):
                pair = images[number], images[number + 1]
                first, second = pair if direction == flows.FORWARD else pair[::-1]
                motions.append(flows.motion_between(first, second))
                watch.step(number + 1)
            longest = scale or flows.longest_motion(motions)
            pictures = []
            for number, motion in enumerate(motions):
                under = images[number + (direction == flows.BACKWARD)]
                painted = flows.picture_of_motion(under, motion, style, longest)
                pictures.append(torch.from_numpy(painted))
                watch.step(len(motions) + number + 1, pictures[-1])
        hidden = torch.from_numpy(np.stack([motion.hidden for motion in motions]))
        return io.NodeOutput(torch.stack(pictures), hidden, flows.stack_flows(motions))
