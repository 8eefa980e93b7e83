"""The pages that show input, truth, result and error side by side."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from imf_plugin.bench.items import Interval
from imf_plugin.bench.metrics import Score
from imf_plugin.bench.pictures import (
    ERROR_SCALE,
    GAP_PX,
    LABEL_HEIGHT_PX,
    comparison,
    error_map,
    save_picture,
)
from imf_plugin.bench.showcase import Showcase
from imf_plugin.errors import OutputRefused

H, W = 20, 30


def _panel(page: np.ndarray, place: int) -> np.ndarray:
    left = place * (W + GAP_PX)
    return page[LABEL_HEIGHT_PX:, left : left + W]


def test_a_page_holds_input_truth_result_and_error_in_this_order() -> None:
    generator = np.random.default_rng(0)
    before, truth, made = generator.integers(0, 256, (3, H, W, 3)).astype(np.uint8)
    page = comparison(before, truth, made, caption="flow 30.00 dB")
    assert page.shape == (LABEL_HEIGHT_PX + H, 4 * W + 3 * GAP_PX, 3)
    for place, picture in enumerate((before, truth, made, error_map(made, truth))):
        np.testing.assert_array_equal(_panel(page, place), picture)
    for place in range(1, 4):
        left = place * (W + GAP_PX) - GAP_PX
        assert (page[:, left : left + GAP_PX] == 255).all()


def test_every_panel_has_a_caption_that_stays_over_it() -> None:
    picture = np.zeros((H, 300, 3), np.uint8)
    page = comparison(picture, picture, picture, caption="a caption much too long " * 9)
    for place in range(4):
        left = place * (300 + GAP_PX)
        assert (page[:LABEL_HEIGHT_PX, left : left + 300] < 128).any()
        assert (page[:LABEL_HEIGHT_PX, left + 296 : left + 300 + GAP_PX] == 255).all()


def test_the_error_map_is_the_amplified_difference() -> None:
    truth = np.full((H, W, 3), 100, np.uint8)
    made = truth.copy()
    made[0, 0], made[0, 1], made[0, 2] = (103, 98, 100), 0, 255
    error = error_map(made, truth)
    assert error[0, 0].tolist() == [3 * ERROR_SCALE, 2 * ERROR_SCALE, 0]
    assert error[0, 1].tolist() == [255] * 3
    assert error[0, 2].tolist() == [255] * 3
    assert not error[1:].any()


def test_16_bit_pictures_are_shown_in_8_bits() -> None:
    shallow = np.random.default_rng(1).integers(0, 256, (H, W, 3)).astype(np.uint8)
    deep = shallow.astype(np.uint16) * 257
    page = comparison(deep, deep, deep, caption="x")
    np.testing.assert_array_equal(_panel(page, 2), shallow)
    assert not _panel(page, 3).any()


def test_pages_are_saved_as_png_in_rgb_order(tmp_path: Path) -> None:
    page = np.zeros((4, 5, 3), np.uint8)
    page[..., 0] = 200
    save_picture(page, tmp_path / "new folder" / "flow.png")
    read = cv2.imread(str(tmp_path / "new folder" / "flow.png"))
    assert read is not None
    assert read[0, 0].tolist() == [0, 0, 200]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputRefused, match=r"flow\.png cannot be written"):
        save_picture(page, tmp_path / "file" / "flow.png")


def test_the_frame_on_which_the_first_method_is_worst_is_shown_for_all(tmp_path: Path) -> None:
    def picture(value: int) -> np.ndarray:
        return np.full((H, W, 3), value, np.uint8)

    showcase = Showcase()
    quality = {"flow": [[30.0, 12.0], [20.0, 40.0]], "blend": [[9.0, 35.0], [8.0, 7.0]]}
    for index in range(2):
        interval = Interval(
            index=index,
            before=picture(index),
            after=picture(index + 1),
            truths=(picture(100 + index), picture(110 + index)),
            timesteps=(Fraction(1, 3), Fraction(2, 3)),
        )
        for number, (name, psnrs) in enumerate(quality.items()):
            made = [picture(10 * index + number), picture(10 * index + number + 50)]
            scores = [Score(psnr_db=p, ssim=1, interpolation_error=0) for p in psnrs[index]]
            showcase.offer(interval, name, made, scores)
    showcase.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blend.png", "flow.png"]
    for number, name in enumerate(("flow", "blend")):
        page = cv2.imread(str(tmp_path / f"{name}.png"))
        assert page is not None
        shown = [int(_panel(page, place)[0, 0, 0]) for place in range(3)]
        assert shown == [0, 110, 50 + number]
