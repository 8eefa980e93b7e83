import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from imf_plugin.models.flow.interpolator import FlowInterpolator

DATA = Path(os.environ.get("IMF_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
TRIPLETS = sorted((DATA / "dev" / "middlebury").glob("*/frame10i11.png"))


def read(path: Path) -> Tensor:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    rgb = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float() / 255


@pytest.mark.data
@pytest.mark.skipif(not TRIPLETS, reason=f"no Middlebury triplets in {DATA} (set IMF_TEST_DATA)")
def test_the_mean_interpolation_error_on_middlebury_is_at_most_2_point_60() -> None:
    model = FlowInterpolator()
    errors = []
    for truth_path in TRIPLETS:
        before, after = (read(truth_path.with_name(f"frame{n}.png")) for n in (10, 11))
        made = model.interpolate(before, after, [0.5])[0].mul(255).round()
        errors.append((made - read(truth_path) * 255).abs().mean().item())
    assert np.mean(errors) <= 2.60
