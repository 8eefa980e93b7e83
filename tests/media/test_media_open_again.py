"""Opening media once more, without listing its frames once more."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imf_plugin.media import read
from imf_plugin.media.read import open_again, open_media


def test_a_closed_reader_is_opened_again_without_listing_the_file(
    make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(count=8)
    with open_media(path) as first:
        third = first.frame(3).rgb()

    def list_again(path: Path) -> None:
        raise AssertionError("the file was listed again")

    monkeypatch.setattr(read, "scan_stream", list_again)
    with open_again(first) as second:
        assert second.info == first.info
        assert np.array_equal(second.frame(3).rgb(), third)
        assert len(list(second.frames())) == 8


def test_images_are_opened_again_at_their_rate(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    import cv2

    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number:06}.png"), np.full((8, 8, 3), number * 9, np.uint8))
    with open_media(folder) as first, open_again(first) as second:
        assert second.info.frame_times == first.info.frame_times
