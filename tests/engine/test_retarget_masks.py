from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import imf_plugin as imf
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.errors import PlanError
from imf_plugin.models.imf.retargeter import ImfRetargeter
from imf_plugin.models.imf.retargeter import load as load_imf
from imf_plugin.models.retargeting import Retargeter

type Maker = Any

HEIGHT, WIDTH = 64, 96


def picture(shift_px: int = 0) -> Tensor:
    """Return a textured picture with a disc on it, which stands ``shift_px`` further right."""
    random = np.random.default_rng(5)
    coarse = random.random((8, 12, 3), np.float32)
    pixels = np.ascontiguousarray(cv2.resize(coarse, (WIDTH, HEIGHT)))
    cv2.circle(pixels, (48 + shift_px, 32), 12, (0.9, 0.2, 0.1), -1)
    cv2.circle(pixels, (45 + shift_px, 30), 4, (0.1, 0.1, 0.1), -1)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def middle() -> Tensor:
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[16:48, 32:64] = 1
    return mask


def retargeter(name: str) -> Retargeter:
    if name == "imf":
        return ImfRetargeter(load_imf().network, fit=None)  # the fit takes seconds
    if name == "imf adapted":
        frames = torch.stack([picture(shift) for shift in (0, 2, 4, 6)])
        return load_imf().adapted(frames, frames[0])
    return imf.load_retargeter(name)


@pytest.mark.parametrize("name", ["transport", "imf", "imf adapted", "latent-motion"])
def test_every_model_moves_what_is_white_and_leaves_what_is_black(name: str) -> None:
    model = retargeter(name)
    still = Retargeting(model, picture(), picture(), mask=torch.zeros(HEIGHT, WIDTH), strength=2)
    worker = Retargeting(model, picture(), picture(), mask=middle(), strength=2)
    tokens = worker.tokens(picture(6)[None])
    made = worker.render(tokens)[0]
    far = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    far[6:58, 20:86] = False
    assert torch.equal(made[:, far], picture()[:, far])
    assert (made - picture()).abs().max() > 0.05
    assert torch.allclose(still.render(tokens)[0], picture(), atol=1e-5)


@pytest.mark.parametrize("model", ["transport", "imf", "latent-motion"])
@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.full((40, 40), 255, np.uint8), "is 40x40 and the reference is 96x64"),
        (np.zeros((HEIGHT, WIDTH), np.uint8), "is black everywhere"),
    ],
)
def test_a_useless_mask_is_refused_in_one_sentence_before_any_work(
    make_clip: Maker, tmp_path: Path, model: str, mask: NDArray[np.uint8], words: str
) -> None:
    driving = make_clip(count=3, width=96, height=64)
    path, out = tmp_path / "mask.png", tmp_path / "out.mp4"
    assert cv2.imwrite(str(path), mask)
    with pytest.raises(PlanError, match=words) as refusal:
        imf.retarget(driving, driving, out, model=model, mask=path)
    assert "\n" not in str(refusal.value)
    assert not out.exists()
