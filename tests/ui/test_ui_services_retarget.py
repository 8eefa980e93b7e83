"""The retargeting screen's services: a picture that moves as a clip does, live and as a job."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from imf_plugin.media.read import open_media
from imf_ui.model.document import RetargetSetup
from imf_ui.model.errors import ErrorCode, Explained
from imf_ui.model.ops import SetRetarget
from imf_ui.services.app_services import Services

type Wait = Callable[..., None]


@pytest.fixture
def services(app: QApplication, tmp_path: Path) -> Iterator[Services]:
    made = Services(home=tmp_path / "home", warm=False)
    yield made
    made.close()
    app.processEvents()


@pytest.fixture
def setup(
    make_clip: Callable[..., Path], texture: Callable[..., object], tmp_path: Path
) -> RetargetSetup:
    driving = make_clip(count=8, width=128, height=128, speed_px=3.0, rate=Fraction(8))
    picture = np.asarray(texture(0, 128, 128, 3.0))
    reference = tmp_path / "face.png"
    cv2.imwrite(str(reference), picture[..., ::-1])
    return RetargetSetup(reference=str(reference), driving=str(driving), anchor=0)


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_the_live_result_moves_and_is_the_exported_one(
    mode: str, services: Services, setup: RetargetSetup, wait_until: Wait, tmp_path: Path
) -> None:
    setup = replace(setup, mode=mode, anchor=None)
    shown: list[tuple[int, QImage, QImage]] = []
    failures: list[Explained] = []
    services.retarget.frameReady.connect(
        lambda n, driving, result, whole: shown.append((n, driving, result)) if whole else None
    )
    services.retarget.failed.connect(failures.append)
    services.session.do(SetRetarget(retarget=setup))
    services.retarget.prepare(services.session.document.retarget)
    found = {}
    for number in (0, 6):
        services.retarget.show(number)
        wait_until(lambda number=number: failures or (shown and shown[-1][0] == number))
        assert not failures
        found[number] = np.asarray(shown[-1][2]._pixels)[..., 2::-1]  # type: ignore[attr-defined]
    assert services.retarget.count == 8
    moved = np.abs(found[6].astype(int) - found[0]).mean()
    assert moved > 1
    output = str(tmp_path / "frames")
    job = services.queue.add_retarget(services.session.document, output)
    wait_until(lambda: services.queue.job(job).state in ("done", "failed"), 90_000)
    assert services.queue.error(job) is None
    with open_media(output) as reader:
        for number, picture in found.items():
            assert np.array_equal(reader.frame(number).rgb(), picture)


def test_another_setup_forgets_what_was_made_and_a_bad_one_is_explained(
    services: Services, setup: RetargetSetup, wait_until: Wait, tmp_path: Path
) -> None:
    failures: list[Explained] = []
    services.retarget.failed.connect(failures.append)
    services.retarget.prepare(replace(setup, driving=str(tmp_path / "gone.mp4")))
    wait_until(lambda: failures)
    assert failures[0].code is ErrorCode.MEDIA_MISSING
    assert not services.retarget.is_ready
    services.retarget.prepare(setup)
    wait_until(lambda: services.retarget.is_ready)
