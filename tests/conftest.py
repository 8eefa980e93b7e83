"""Fixtures shared by all rooms: clips painted on the spot, and the evaluation data where it is."""

import os
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

type ClipMaker = Callable[..., Path]

HOSTS = ("hosts_vs", "hosts_comfy", "ui")
# Tests of what surrounds a model take the quickest one; those of the default name it.
os.environ["IMF_MODEL"] = "flow"

EXCUSES = ("the evaluation data is not here", "COMFYUI_DIR")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI (``IMF_REQUIRE_HOSTS=1``) a host that could not be tested is a failure."""
    report = yield
    forbid_silent_skip(report, item.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for modules that skip themselves while they are collected."""
    report = yield
    forbid_silent_skip(report, collector.path)
    return report


def forbid_silent_skip(report: pytest.TestReport | pytest.CollectReport, path: Path) -> None:
    """Turn the skip of a host's test into a failure, unless it waits for data or ComfyUI."""
    if not report.skipped or os.environ.get("IMF_REQUIRE_HOSTS") != "1":
        return
    rooms = path.parts[path.parts.index("tests") :] if "tests" in path.parts else ()
    if set(HOSTS).isdisjoint(rooms) or any(excuse in str(report.longrepr) for excuse in EXCUSES):
        return
    report.outcome = "failed"
    report.longrepr = f"a host could not be tested on CI: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests wait for a GPU, so that nobody takes their silence for success."""
    skipped = terminalreporter.stats.get("skipped", [])
    waiting = sum("gpu" in getattr(report, "keywords", ()) for report in skipped)
    if waiting:
        terminalreporter.write_line(f"{waiting} tests need a CUDA GPU and were skipped")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The evaluation data: ``IMF_TEST_DATA`` or ``../shared/data`` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMF_TEST_DATA", beside))
    if not (folder / "dev").is_dir():
        pytest.skip("the evaluation data is not here; set IMF_TEST_DATA to its folder")
    return folder


def moving_texture(
    number: int, width: int, height: int, speed_px: float, seed: int = 1
) -> NDArray[np.uint8]:
    """Return frame ``number`` of a smooth random texture that moves to the left."""
    random = np.random.default_rng(seed)
    # Grey with a tint: fine colours would drown in 4:2:0, and the tests are about motion.
    grey = random.integers(60, 200, (height // 16 + 2, width // 8 + 2, 1), dtype=np.uint8)
    tinted = np.concatenate([grey, grey // 2 + 64, 255 - grey // 2], axis=2)
    canvas = cv2.resize(tinted, (width * 2, height), interpolation=cv2.INTER_CUBIC)
    shift = np.array([[1, 0, -number * speed_px], [0, 1, 0]], dtype=np.float64)
    moved = cv2.warpAffine(
        canvas, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, dtype=np.uint8)


@pytest.fixture(scope="session")
def texture() -> Callable[..., NDArray[np.uint8]]:
    """`moving_texture`, for tests that need the true picture at a moment."""
    return moving_texture


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    """A function that writes a short video of a moving texture and returns its path."""

    def make(
        name: str = "clip.mp4",
        *,
        count: int = 6,
        width: int = 96,
        height: int = 64,
        rate: Fraction = Fraction(25),
        speed_px: float = 2.0,
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        audio: bool = False,
        times: list[Fraction] | None = None,
        seeds: list[int] | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            settings = dict(options or {"crf": "12"})
            stream = cast(av.VideoStream, container.add_stream(codec, rate, settings))
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            if times:
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            sound = _add_sound(container) if audio else None
            for number in range(count):
                seed = seeds[number] if seeds else 1
                picture = av.VideoFrame.from_ndarray(
                    moving_texture(number, width, height, speed_px, seed), format="rgb24"
                )
                if times:
                    picture.pts, picture.time_base = int(times[number] * 1000), Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
            if sound:
                _write_tone(container, sound, float(count / rate))
        return path

    return make


def _add_sound(container: av.container.OutputContainer) -> av.AudioStream:
    return container.add_stream("aac", rate=48000)


def _write_tone(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    samples = np.sin(np.arange(int(48000 * seconds)) * 2 * np.pi * 440 / 48000) * 0.3
    for start in range(0, len(samples), 1024):
        chunk = samples[start : start + 1024].astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
