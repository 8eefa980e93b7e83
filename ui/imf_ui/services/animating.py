"""Single frames of a retargeting in the worker, with the code that renders make them with."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imf_ui.services.pictures import bgra_of


class Animator:
    """Makes frames of one retargeting.

    Args:
        setup: The members of `imf_ui.model.queue.RetargetSpec` as JSON data, and ``device``.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        from imf_plugin.engine.progress import ProgressMeter
        from imf_plugin.engine.retarget_functions import load_retargeter
        from imf_plugin.engine.retarget_sources import (
            choose_anchor,
            frame_tensor,
            read_mask,
            read_reference,
        )
        from imf_plugin.engine.retargeting import Retargeting
        from imf_plugin.media.read import open_media
        from imf_ui.model.queue import RetargetSpec
        from imf_ui.model.values import from_json

        self.setup = setup
        members = {key: value for key, value in setup.items() if key != "device"}
        spec = from_json(RetargetSpec, members)
        model = load_retargeter(spec.model, device=setup.get("device", "auto"))
        picture = read_reference(Path(spec.reference), spec.reference_frame)
        self._reader = open_media(Path(spec.driving))
        anchor = frame_tensor(self._reader, 0)
        if spec.mode != "absolute":
            meter = ProgressMeter("anchor", self._reader.info.frame_count, None)
            wanted = "best" if spec.anchor is None else spec.anchor
            _, anchor = choose_anchor(self._reader, picture, wanted, meter)  # type: ignore[arg-type]
        self._retargeting = Retargeting(
            model,
            picture,
            anchor,
            mode=spec.mode,  # type: ignore[arg-type]
            strength=float(spec.strength),
            mask=read_mask(Path(spec.mask), picture) if spec.mask else None,
            keep_background=spec.keep_background,
        )
        self._smooth = spec.smooth
        self.count = self._reader.info.frame_count

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return the picture of a driving frame, ``[H, W, 4]``."""
        from imf_plugin.engine.pixels import to_pixels
        from imf_plugin.engine.retarget_render import smoothed_tokens
        from imf_plugin.engine.retarget_sources import DrivingTokens

        source = DrivingTokens(self._reader, self._retargeting, "")
        token = next(iter(smoothed_tokens(source, number, number + 1, self._smooth)))
        return bgra_of(to_pixels(self._retargeting.render(token[None])[0], deep=False))
