from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imf_plugin.cli.main import main
from imf_plugin.media.read import open_media
from imf_plugin.motion.tracks import load_track

type Maker = Any


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    random = np.random.default_rng(2)
    coarse = random.integers(0, 255, (8, 10, 3), dtype=np.uint8)
    path = tmp_path / "statue.png"
    assert cv2.imwrite(str(path), cv2.resize(coarse, (80, 64), interpolation=cv2.INTER_CUBIC))
    return path


def test_retarget_writes_beside_the_reference_and_says_what_it_chose(
    make_clip: Maker, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retarget", str(picture), str(make_clip()), "--model", "transport"]) == 0
    said = capsys.readouterr().err
    assert "motion counted from frame" in said
    assert "aligned by" in said
    with open_media(picture.with_name("statue_driven.mp4")) as made:
        assert (made.info.width, made.info.height, made.info.frame_count) == (80, 64, 6)


def test_pictures_of_another_aspect_are_moved_and_one_line_says_what_was_used(
    make_clip: Maker, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(width=128, height=48)
    command = ["retarget", str(picture), str(clip), "--model", "latent-motion", "--anchor", "0"]
    assert main([*command, "-o", str(tmp_path / "out.mp4")]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "driving 128x48" in line]
    assert len(lines) == 1
    assert "middle 60x48 used, the reference 80x64 was padded to 171x64" in lines[0]
    assert main([*command, "-o", str(tmp_path / "again.mp4"), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_tokens_are_encoded_edited_described_and_played(
    make_clip: Maker, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, track, edited = make_clip(), tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    encode = ["tokens", "encode", str(clip), "-o", str(track), "--model", "transport", "--quiet"]
    assert main(encode) == 0
    edits = "--strength 0.5 --mirror --there-and-back --loop 2 --overlap 2 -x 2"
    edits += " --interpolate cubic --smooth 1 --offset 2:0.5 --quiet"
    assert main(["tokens", "edit", str(track), "-o", str(edited), *edits.split()]) == 0
    assert len(load_track(edited).tokens) == 2 * (2 * 11 - 2)
    plot = tmp_path / "plot.png"
    assert main(["tokens", "info", str(edited), "--plot", str(plot)]) == 0
    said = capsys.readouterr().out
    assert "40 at 25 per second" in said
    assert "2048 numbers a frame" in said
    assert cv2.imread(str(plot)) is not None
    out = tmp_path / "out.mkv"
    assert main(["tokens", "render", str(picture), str(edited), "-o", str(out), "--quiet"]) == 0
    with open_media(out) as made:
        assert made.info.frame_count == 40


def test_two_tracks_are_blended(make_clip: Maker, tmp_path: Path) -> None:
    tracks = []
    for name, speed in (("slow", 1.0), ("fast", 3.0)):
        clip = make_clip(f"{name}.mp4", speed_px=speed, width=128)
        tracks.append(tmp_path / f"{name}.safetensors")
        command = ["tokens", "encode", str(clip), "-o", str(tracks[-1]), "--model", "transport"]
        assert main([*command, "--quiet"]) == 0
    out = tmp_path / "both.safetensors"
    command = ["tokens", "edit", str(tracks[0]), "--blend", str(tracks[1]), "-o", str(out)]
    assert main([*command, "--quiet"]) == 0
    slow, fast, both = (load_track(path).tokens[5].mean(dim=(1, 2))[0] for path in (*tracks, out))
    assert slow < both < fast


def test_the_rate_of_a_track_is_set_against_h264(
    make_clip: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, track = make_clip(), tmp_path / "a.safetensors"
    encode = ["tokens", "encode", str(clip), "-o", str(track), "--model", "transport", "--quiet"]
    assert main(encode) == 0
    assert main(["tokens", "info", str(track), "--rate", str(clip), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "track + JPEG" in said
    assert "H.264 crf" in said
    assert "times the bytes of H.264" in said


def test_an_adapted_track_says_how_much_of_it_was_learned(
    make_clip: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track = tmp_path / "a.safetensors"
    command = ["tokens", "encode", str(make_clip(count=3)), "-o", str(track), "--model", "imf"]
    assert main([*command, "--adapt", "--quiet"]) == 0
    assert main(["tokens", "info", str(track)]) == 0
    said = capsys.readouterr().out
    learned = next(line for line in said.splitlines() if line.startswith("learned"))
    assert 0 < int(learned.split()[1].replace(",", "")) < track.stat().st_size


def test_a_rate_on_a_clip_of_another_size_is_refused(
    make_clip: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track, other = tmp_path / "a.safetensors", make_clip("other.mp4", width=128)
    encode = ["tokens", "encode", str(make_clip()), "-o", str(track), "--model", "transport"]
    assert main([*encode, "--quiet"]) == 0
    assert main(["tokens", "info", str(track), "--rate", str(other), "--quiet"]) == 1
    assert "give the clip that the track was encoded from" in capsys.readouterr().err


def test_bench_scores_retargeting_against_copying(
    make_clip: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip(speed_px=3.0, width=128, height=96)
    assert main(["bench", str(clip), "--retarget", "--models", "transport", "--quiet"]) == 0
    said = capsys.readouterr().out
    gain = next(line for line in said.splitlines() if "gain over copy" in line)
    assert float(gain.split()[3]) > 3.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["retarget", "statue.png", "clip.mp4", "--anchor", "last"], "--anchor must be"),
        (["retarget", "statue.png", "clip.mp4", "--anchor", "77"], "--anchor 77"),
        (["retarget", "statue.png", "clip.mp4", "--mask", "gone.png"], "gone.png"),
        (["retarget", "gone.png", "clip.mp4"], "gone.png"),
        (["retarget", "clip.mp4", "statue.png"], "the picture that shall move comes first"),
        (["tokens", "encode", "clip.mp4", "-o", "t.safetensors", "--bits", "2"], "4 to 16 bits"),
        (["tokens", "encode", "clip.mp4", "-o", "no/t.safetensors"], "folder that exists"),
        (["tokens", "encode", "clip.mp4", "-o", "t.safetensors", "--anchor", "6"], "--anchor 6"),
        (["tokens", "render", "statue.png", "clip.mp4"], "no token track"),
        (["tokens", "info", "clip.mp4"], "no token track"),
        (["tokens", "edit", "statue.png", "-o", "t.safetensors"], "no token track"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    make_clip: Maker,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    make_clip()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main([*arguments, "--quiet"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("imf: error: ")
    assert words in said
    assert "\n" not in said
    assert sorted(tmp_path.iterdir()) == before
