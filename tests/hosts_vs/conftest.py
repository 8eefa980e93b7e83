"""Clips painted in VapourSynth, and the real vspipe of the wheel."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

vs = pytest.importorskip("vapoursynth", reason="VapourSynth is not installed")

type Planes = tuple[bytes, ...]

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "host_integrations" / "examples"


def picture(moment: float, width: int, height: int) -> NDArray[np.float32]:
    """Return ``[3, H, W]`` of a soft texture that has moved 2 px a frame to the left."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x += 2 * moment
    return np.stack(
        [0.5 + 0.25 * np.sin(0.31 * x + p) + 0.2 * np.sin(0.1 * x + 0.2 * y * (p + 1))
         for p in range(3)]
    ).astype(np.float32)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def _small_core() -> None:
    vs.core.num_threads = 2
    vs.core.max_cache_size = 256


@pytest.fixture(scope="session")
def paint() -> Callable[..., Any]:
    """A function that paints a clip.

    ``moments`` says what each frame shows; a moment of None is a flat, damaged frame. ``cut`` is
    the frame from which the picture is turned upside down and inverted.
    """

    def make(
        format_: int = vs.YUV420P8,
        *,
        moments: list[float | None] | None = None,
        count: int = 6,
        width: int = 64,
        height: int = 48,
        rate: Fraction | None = Fraction(24000, 1001),
        cut: int | None = None,
    ) -> Any:
        shown = list(range(count)) if moments is None else moments
        steady = rate or Fraction(24)
        clip = vs.core.std.BlankClip(
            width=width,
            height=height,
            format=vs.RGBS,
            length=len(shown),
            fpsnum=steady.numerator,
            fpsden=steady.denominator,
        )

        def fill(n: int, f: Any) -> Any:
            made, moment = f.copy(), shown[n]
            colours = np.full((3, height, width), 0.1) if moment is None else picture(
                moment, width, height
            )  # fmt: skip
            if cut is not None and n >= cut:
                colours = 0.35 - 0.35 * colours[:, ::-1]
            for number in range(3):
                np.asarray(made[number])[...] = colours[number]
            return made

        family = vs.core.get_video_format(format_).color_family
        matrix = {} if family == vs.RGB else {"matrix": vs.MATRIX_BT709}
        clip = clip.std.ModifyFrame(clip, fill).resize.Bicubic(format=format_, **matrix)
        return clip if rate else varying(clip)

    return make


def varying(clip: Any) -> Any:
    """Give a clip frames of 1/24, 1/30, 1/50 s in turn and no frame rate."""
    frames = [
        clip[n].std.SetFrameProps(_DurationNum=1, _DurationDen=(24, 30, 50)[n % 3])
        for n in range(clip.num_frames)
    ]
    other = vs.core.std.AssumeFPS(frames[1], fpsnum=30)
    pieces = [frames[0], other.std.SetFrameProps(_DurationNum=1, _DurationDen=30), *frames[2:]]
    return vs.core.std.Splice(pieces)


def planes(frame: Any) -> Planes:
    """Return the samples of a frame."""
    return tuple(np.asarray(plane).tobytes() for plane in frame)


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Any], list[Any]]:
    """A function that returns all frames of a clip, asked for in order."""

    def collect(clip: Any) -> list[Any]:
        return list(clip.frames(prefetch=4))

    return collect


@pytest.fixture(scope="session")
def samples_of() -> Callable[[Any], Planes]:
    """`planes`, for tests."""
    return planes


@pytest.fixture(scope="session")
def truth() -> Callable[..., NDArray[np.float32]]:
    """`picture`, for tests that compare with what should be seen."""
    return picture


@pytest.fixture(scope="session")
def shuffled() -> Callable[..., dict[int, Planes]]:
    """A function that asks for frames in random order, several at once."""

    def collect(clip: Any, seed: int = 1) -> dict[int, Planes]:
        numbers = list(range(clip.num_frames)) * 2
        random.Random(seed).shuffle(numbers)
        found = {}
        for start in range(0, len(numbers), 5):
            wanted = numbers[start : start + 5]
            for number, future in [(n, clip.get_frame_async(n)) for n in wanted]:
                with future.result() as frame:
                    found[number] = planes(frame)
        return found

    return collect


@pytest.fixture(scope="session")
def vspipe(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """A function that runs the wheel's vspipe, configured in a folder of its own."""
    folder = tmp_path_factory.mktemp("vspipe")
    python = Path(sys.executable)
    environment = os.environ | {
        "XDG_CONFIG_HOME": str(folder),
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(
            str(REPOSITORY / root) for root in ("", "kernels", "host_integrations")
        ),
        "OMP_NUM_THREADS": "1",
    }
    configured = subprocess.run(
        [python, "-m", "vapoursynth", "config"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = configured.stdout + configured.stderr
    if "success" not in told:
        pytest.skip(f"vspipe cannot be configured for this Python: {told.strip()[-300:]}")
    program = Path(vs.__file__).parent / "vspipe"

    def run(script: Path, *options: str, **arguments: object) -> bytes:
        given = [part for name, value in arguments.items() for part in ("-a", f"{name}={value}")]
        done = subprocess.run(
            [program, *given, *options, str(script), "-"],
            env=environment,
            capture_output=True,
            check=False,
            timeout=250,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return done.stdout

    return run
