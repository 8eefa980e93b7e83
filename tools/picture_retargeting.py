"""Paints what driving clips make of pictures that anyone may show; of the clips nothing is shown.

    python tools/picture_retargeting.py CLIP... [--output docs/images/retarget-faces.jpg]

The references are the astronaut Eileen Collins (NASA, public domain) and the cat Chelsea (CC0),
both as scikit-image carries them. For each clip there is a row for every model; in it each
reference, then three frames of the clip played on it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.models.retargeting import AdaptingRetargeter
from imf_plugin.training.retarget_models import ADAPTED, named_retargeter
from imf_plugin.training.retarget_reports.reenactment import spread, squares

SIDE_PX = 256
LEARNED_FRAMES = 40


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--models", default=f"transport,imf,imf{ADAPTED}")
    parser.add_argument("--output", type=Path, default=Path("docs/images/retarget-faces.jpg"))
    args = parser.parse_args()
    references = _references()
    rows = []
    for path in args.clips:
        clip = squares(path, LEARNED_FRAMES, SIDE_PX)
        shown = clip[spread(len(clip), 4)[1:]]
        for name in args.models.split(","):
            model = named_retargeter(name)
            if name.endswith(ADAPTED) and isinstance(model, AdaptingRetargeter):
                model = model.adapted(clip, clip[0])
            cells = []
            for reference in references:
                worker = Retargeting(model, reference, clip[0])
                cells += [reference, *worker.render(worker.tokens(shown))]
            rows.append(torch.cat(cells, 2))
    sheet = (torch.cat(rows, 1).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(args.output), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(f"wrote {args.output}: {len(args.clips)} clips, rows {args.models} for each")


def _references() -> list[Tensor]:
    astronaut, cat = data.astronaut()[0:256, 96:352], data.chelsea()[:, 75:375]
    return [_tensor(picture) for picture in (astronaut, cat)]


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main()
