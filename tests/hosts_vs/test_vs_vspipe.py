"""The real vspipe: the examples, any number of requests, and files equal to those of `imf fps`."""

import json
import re
import runpy
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

vs = pytest.importorskip("vapoursynth")
from imf_plugin.media.ffmpeg import locate_ffmpeg, run_ffmpeg  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[2] / "host_integrations" / "examples"
FRAMES = {
    "double": ("48000:1001", 16, 7),
    "film_to_60": ("60000:1001", 20, 14),
    "slow_8x": ("24000:1001", 32, 21),
    "speed_ramp": ("24000:1001", 20, 18),
    "anime_on_twos": ("24000:1001", 10, 4),
    "damaged_frames": ("24000:1001", 8, 3),
    "retarget": ("24000:1001", 4, 4),
}
"""Rate, frames and interpolated frames of each example when it paints its clip."""

needs_bestsource = pytest.mark.skipif(
    not hasattr(vs.core, "bs"), reason="vapoursynth-bestsource is not installed"
)


def y4m(data: bytes) -> tuple[str, int, list[bytes]]:
    """Return the rate, and each frame's samples, of a y4m stream."""
    header, _, rest = data.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2")
    width, height, rate = (
        re.search(rb" %s([0-9:]+)" % key, header)[1].decode()  # type: ignore[index]
        for key in (b"W", b"H", b"F")
    )
    assert b"C420" in header
    size = int(width) * int(height) * 3 // 2
    step = size + len(b"FRAME\n")
    assert len(rest) % step == 0
    frames = [rest[start + 6 : start + step] for start in range(0, len(rest), step)]
    return rate, len(frames), frames


def test_every_example_is_known_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.vpy")} == set(FRAMES)


@pytest.fixture(scope="module")
def example(
    vspipe: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[bytes, list[dict[str, Any]]]]:
    """A function that runs an example as it is, with eight requests at a time.

    It returns the y4m stream and the properties of each frame. Each vspipe has to import PyTorch
    anew, so what one test has run is kept for the others.
    """
    folder = tmp_path_factory.mktemp("examples")
    made: dict[str, tuple[bytes, list[dict[str, Any]]]] = {}

    def run(name: str) -> tuple[bytes, list[dict[str, Any]]]:
        if name not in made:
            script, told = EXAMPLES / f"{name}.vpy", folder / f"{name}.json"
            options = ("-c", "y4m", "-r", "8", "-j", str(told))
            written = vspipe(script, *options, model=model_of(name))
            made[name] = written, json.loads(told.read_text())
        return made[name]

    return run


@pytest.mark.parametrize("name", FRAMES)
def test_the_example_runs_on_its_painted_clip(name: str, example: Callable[[str], Any]) -> None:
    written, told = example(name)

    rate, count, _ = y4m(written)
    new = sum(frame["IMFInterpolated"] for frame in told)
    assert (rate, count, new) == FRAMES[name]


def model_of(name: str) -> str:
    return "transport" if name == "retarget" else "flow"


@needs_bestsource
@pytest.mark.parametrize("name", FRAMES)
def test_the_example_runs_on_a_file(name: str, make_clip: Callable[..., Path]) -> None:
    file = str(make_clip("film.mkv", count=8, rate=Fraction(24000, 1001)))
    given = {"source": file, "driving": file, "matrix": "709", "model": model_of(name)}
    try:
        runpy.run_path(str(EXAMPLES / f"{name}.vpy"), init_globals=given)
        made, source = vs.get_output(0).clip, vs.get_output(1).clip
        assert source.num_frames == 8
        frames = [frame.props["IMFInterpolated"] for frame in made.frames()]
    finally:
        vs.clear_outputs()
    # What this file has is even motion: there are no repeats to replace.
    assert any(frames) is (name != "anime_on_twos")
    assert made.width == source.width


def test_an_untagged_file_stops_vspipe_with_a_sentence(
    vspipe: Callable[..., bytes], make_clip: Callable[..., Path]
) -> None:
    if not hasattr(vs.core, "bs"):
        pytest.skip("vapoursynth-bestsource is not installed")
    with pytest.raises(RuntimeError, match="imf: the clip does not say its YUV matrix"):
        vspipe(EXAMPLES / "double.vpy", "-c", "y4m", source=make_clip())


def test_any_number_of_requests_gives_the_same_bytes(
    vspipe: Callable[..., bytes], example: Callable[[str], Any]
) -> None:
    one = vspipe(EXAMPLES / "film_to_60.vpy", "-c", "y4m", "-r", "1", model="flow")
    assert one == example("film_to_60")[0]


@needs_bestsource
def test_vspipe_into_ffmpeg_equals_imf_fps(
    vspipe: Callable[..., bytes], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    import imf_plugin as imf

    source = make_clip(
        "lossless.mkv",
        count=9,
        rate=Fraction(24000, 1001),
        codec="libx264rgb",
        pixel_format="rgb24",
        options={"crf": "0"},
    )
    by_command, by_vspipe = tmp_path / "command.mkv", tmp_path / "vspipe.mkv"
    rate = Fraction(60000, 1001)
    imf.change_fps(source, by_command, rate=rate, codec="ffv1", model="flow", find_cuts=False)
    script = tmp_path / "request.vpy"
    script.write_text(
        "import vapoursynth as vs\n"
        "from imf_hosts.vs import interpolate\n"
        "clip = vs.core.bs.VideoSource(source, cachemode=0)\n"
        "interpolate(clip, fps_num=60000, fps_den=1001, sc=False, model='flow').set_output()\n"
    )
    raw = tmp_path / "frames.rgb"
    raw.write_bytes(vspipe(script, source=source))
    pipe = ["-f", "rawvideo", "-pixel_format", "gbrp", "-video_size", "96x64"]
    run_ffmpeg(
        locate_ffmpeg(),
        [*pipe, "-framerate", str(rate), "-i", str(raw), "-c:v", "ffv1", str(by_vspipe)],
        "write what vspipe gave",
    )

    wanted, got = decoded(by_command), decoded(by_vspipe)
    assert len(wanted) == len(got) == 23
    for first, second in zip(wanted, got, strict=True):
        assert np.array_equal(first, second)


def decoded(path: Path) -> list[NDArray[Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
