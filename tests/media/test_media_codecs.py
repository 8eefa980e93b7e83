from collections.abc import Callable
from pathlib import Path

import pytest

from imf_plugin.errors import OutputRefused
from imf_plugin.media.codec_table import CODECS
from imf_plugin.media.codecs import available_codecs, check_container, choose_encoding
from imf_plugin.media.ffmpeg import Ffmpeg, locate_ffmpeg
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.probe import probe


@pytest.fixture
def source(ffmpeg_clip: Callable[..., Path]) -> Callable[..., MediaInfo]:
    def make(pixel_format: str = "yuv420p", size: str = "64x48") -> MediaInfo:
        return probe(
            ffmpeg_clip("s.mkv", "-c:v", "ffv1", "-pix_fmt", pixel_format, size=size, frames=1)
        )

    return make


@pytest.mark.parametrize(
    ("codec", "output", "source_format", "expected"),
    [
        ("h264", "o.mp4", "yuv420p", "yuv420p"),
        ("h264", "o.mp4", "yuv422p", "yuv422p"),
        ("h264", "o.mp4", "yuv444p", "yuv444p"),
        ("h264", "o.mp4", "bgr0", "yuv420p"),
        ("hevc", "o.mp4", "yuv420p10le", "yuv420p10le"),
        ("hevc", "o.mp4", "yuv422p12le", "yuv422p12le"),
        ("av1", "o.webm", "yuv420p10le", "yuv420p10le"),
        ("vp9", "o.webm", "yuva420p", "yuva420p"),
        ("prores", "o.mov", "yuva444p10le", "yuva444p10le"),
        ("prores", "o.mov", "yuv420p", "yuv422p10le"),
        ("ffv1", "o.mkv", "yuv420p", "bgr0"),
        ("ffv1", "o.mkv", "yuv420p10le", "gbrp16le"),
        ("ffv1", "o.mkv", "yuva420p", "bgra"),
        ("ffv1", "o.mkv", "yuva444p10le", "gbrap16le"),
        ("png", "folder", "yuv420p", "rgb24"),
        ("png", "folder", "yuv420p10le", "rgb48le"),
        (None, "o.mp4", "yuv420p", "yuv420p"),
        (None, "o.mp4", "yuv420p10le", "yuv420p10le"),
        (None, "o.webm", "yuva420p", "yuva420p"),
        (None, "folder", "bgra", "rgba"),
    ],
)
def test_the_output_keeps_what_the_source_has(
    source: Callable[..., MediaInfo],
    codec: str | None,
    output: str,
    source_format: str,
    expected: str,
) -> None:
    settings = choose_encoding(source(source_format), Path(output), codec=codec)
    assert settings.pixel_format == expected
    assert settings.warnings == ()


def test_high_bit_depth_goes_to_hevc_unless_told_otherwise(
    source: Callable[..., MediaInfo],
) -> None:
    assert choose_encoding(source("yuv420p10le"), Path("o.mp4")).codec == "hevc"
    assert choose_encoding(source("yuv420p"), Path("o.mp4")).codec == "h264"


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_odd_size_is_kept_by_full_chroma_and_told(
    source: Callable[..., MediaInfo], codec: str
) -> None:
    settings = choose_encoding(source(size="65x49"), Path("o.mp4"), codec=codec)
    assert settings.pixel_format == "yuv444p"
    assert "odd size" in settings.warnings[0]


def test_lost_transparency_is_told(source: Callable[..., MediaInfo]) -> None:
    settings = choose_encoding(source("bgra"), Path("o.mp4"), codec="h264")
    assert "transparency" in settings.warnings[0]


def test_quality_reaches_the_encoder(source: Callable[..., MediaInfo]) -> None:
    info = source()
    assert ("crf", "30") in choose_encoding(info, Path("o.mp4"), crf=30).options
    prores = choose_encoding(info, Path("o.mov"), codec="prores", crf=5)
    assert ("q:v", "5") in prores.options
    with pytest.raises(OutputRefused, match="lossless"):
        choose_encoding(info, Path("o.mkv"), codec="ffv1", crf=5)


@pytest.mark.parametrize(
    ("output", "codec", "said"),
    [
        ("o.mp4", "ffv1", "name the output with .mkv"),
        ("o.webm", "h264", "name the output with .mp4, .mov, .mkv"),
        ("o.mp4", "png", "name a folder"),
        ("folder", "h264", "cannot be put into folder"),
        ("o.avi", None, "extension that is not known"),
        ("o.mp4", "divx", "there is no codec named 'divx'; give one of h264, hevc"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(
    output: str, codec: str | None, said: str
) -> None:
    with pytest.raises(OutputRefused) as caught:
        check_container(Path(output), codec)
    assert said in str(caught.value)


def test_every_software_codec_is_available_and_hardware_is_tried() -> None:
    found = available_codecs()
    assert set(found) == set(CODECS)
    assert all(found[name] for name in ("h264", "hevc", "vp9", "prores", "ffv1", "png"))


def test_an_encoder_that_ffmpeg_lists_but_cannot_run_is_not_available(tmp_path: Path) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *-encoders*) echo " V..... h264_nvenc x";; *) exit 1;; esac\n'
    )
    fake.chmod(0o755)
    assert Ffmpeg(path=str(fake)).encoders == {"h264_nvenc"}
    assert available_codecs(Ffmpeg(path=str(fake)))["h264_nvenc"] is None


def test_an_absent_codec_is_refused_by_name(
    source: Callable[..., MediaInfo], tmp_path: Path
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\nexit 0\n")
    fake.chmod(0o755)
    with pytest.raises(OutputRefused, match="codec hevc does not work"):
        choose_encoding(source(), Path("o.mp4"), codec="hevc", ffmpeg=Ffmpeg(path=str(fake)))


def test_ffmpeg_on_path_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho ffmpeg version 4.2\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate_ffmpeg() == Ffmpeg(path=str(fake))
    monkeypatch.setenv("PATH", "")
    assert "imageio_ffmpeg" in locate_ffmpeg().path
