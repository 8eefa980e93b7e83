import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import imf_plugin as imf
from imf_plugin.engine import retarget_render
from imf_plugin.engine.parts import split_parts
from imf_plugin.engine.planning import Retime
from imf_plugin.engine.retargeting import Retargeting, smooth_tokens
from imf_plugin.engine.track_retiming import retime_track
from imf_plugin.errors import (
    Cancelled,
    ImfError,
    ModelError,
    OutputRefused,
    PlanError,
    UnreadableMedia,
)
from imf_plugin.media.read import open_media
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.retargeting import ReferenceState, Retargeter
from imf_plugin.models.transport.retargeter import TransportRetargeter
from imf_plugin.motion.tracks import TokenTrack

type Maker = Any


class BrightnessRetargeter:
    """A model of a fixed size whose one number is the mean brightness."""

    descriptor = ModelDescriptor(
        name="brightness",
        summary="for tests",
        source="here",
        parameters=0,
        minimum_size_px=1,
        tile_overlap_px=0,
        bytes_per_pixel=1,
    )
    token_shape: tuple[int, ...] = (1,)
    size_px: int | None = 16

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        assert image.shape == (3, 16, 16)
        return ReferenceState(image=image, features=None)

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        assert frames.shape[1:] == (3, 16, 16)
        return frames.flatten(1).mean(1, keepdim=True)

    def reference_token(self, reference: ReferenceState) -> Tensor:
        return reference.image.mean().reshape(1)

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        change = tokens - self.reference_token(reference)
        return reference.image[None] + change[:, :, None, None]


def picture(height: int = 64, width: int = 96, seed: int = 1) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 215, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> Path:
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels[..., ::-1]))
    return path


def tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)


def pictures_of(path: Path) -> list[NDArray[np.uint8]]:
    with open_media(path) as reader:
        return [np.asarray(frame.rgb()[..., :3], np.uint8) for frame in reader.frames()]


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "reference.png", picture(70, 90))


def lossless(**more: Any) -> dict[str, Any]:
    return {"codec": "ffv1", "model": "transport", "anchor": 0, **more}


def test_only_the_model_is_looked_at_through_a_square_and_the_rest_stays(tmp_path: Path) -> None:
    image = torch.full((3, 40, 80), 0.5)
    dark, bright = torch.full((3, 20, 60), 0.2), torch.full((3, 20, 60), 0.4)
    worker = Retargeting(BrightnessRetargeter(), image, dark)
    made = worker.render(worker.tokens(bright[None]))[0]
    assert made.shape == image.shape
    assert made[:, 20, 40].tolist() == pytest.approx([0.7] * 3, abs=1e-5)
    assert torch.equal(made[:, :, :20], image[:, :, :20])
    assert "40x40" in worker.note


def test_relative_mode_counts_from_the_anchor_and_absolute_mode_takes_the_pose_itself() -> None:
    image = torch.full((3, 16, 16), 0.5)
    dark, bright = torch.full((3, 16, 16), 0.2), torch.full((3, 16, 16), 0.3)
    relative = Retargeting(BrightnessRetargeter(), image, dark)
    absolute = Retargeting(BrightnessRetargeter(), image, dark, mode="absolute")
    assert relative.render(relative.tokens(bright[None]))[0, 0, 8, 8].item() == pytest.approx(0.6)
    assert absolute.render(absolute.tokens(bright[None]))[0, 0, 8, 8].item() == pytest.approx(0.3)


def test_strength_multiplies_the_motion() -> None:
    image, dark = torch.full((3, 16, 16), 0.5), torch.full((3, 16, 16), 0.2)
    for strength, expected in ((0.0, 0.5), (0.5, 0.55), (2.0, 0.7)):
        worker = Retargeting(BrightnessRetargeter(), image, dark, strength=strength)
        made = worker.render(worker.tokens(torch.full((1, 3, 16, 16), 0.3)))
        assert made[0, 0, 8, 8].item() == pytest.approx(expected)


def test_outside_the_mask_nothing_changes() -> None:
    image, dark = torch.full((3, 16, 32), 0.5), torch.full((3, 16, 16), 0.2)
    mask = torch.zeros(16, 32)
    mask[:, 14:18] = 1
    worker = Retargeting(BrightnessRetargeter(), image, dark, mask=mask)
    made = worker.render(worker.tokens(torch.full((1, 3, 16, 16), 0.4)))[0]
    assert made[0, 8, 16].item() > 0.6
    assert torch.equal(made[:, :, :8], image[:, :, :8])


def test_a_masked_subject_moves_in_front_of_a_background_that_stays() -> None:
    behind = picture(96, 128, seed=7)
    subject = np.array([250, 20, 20], np.uint8)
    first, second = behind.copy(), behind.copy()
    first[30:60, 40:70], second[30:60, 50:80] = subject, subject
    first[40:50, 50:60], second[40:50, 60:70] = 0, 0
    mask = torch.zeros(96, 128)
    mask[30:60, 40:70] = 1
    worker = Retargeting(TransportRetargeter(), tensor(first), tensor(first), mask=mask)
    tokens = worker.tokens(torch.stack([tensor(first), tensor(second)]))
    still, made = worker.render(tokens)
    assert torch.equal(still, tensor(first))
    far = torch.ones(96, 128, dtype=torch.bool)
    far[20:70, 25:95] = False
    assert torch.equal(made[:, far], tensor(first)[:, far])
    assert (made[:, 36:54, 72:77] - tensor(second)[:, 36:54, 72:77]).abs().mean() < 0.1
    # Where the subject stood, something like the surroundings is seen, and no longer its red.
    assert made[0, 36:54, 41:46].mean() - made[1, 36:54, 41:46].mean() < 0.5


def test_a_mask_of_another_size_is_refused_in_one_sentence() -> None:
    image = torch.full((3, 16, 32), 0.5)
    with pytest.raises(PlanError, match="mask is 5x4 and the reference 32x16"):
        Retargeting(BrightnessRetargeter(), image, image, mask=torch.zeros(4, 5))


@pytest.mark.parametrize("strength", [-0.1, 4.1, float("nan")])
def test_strengths_out_of_reason_are_refused(strength: float) -> None:
    with pytest.raises(PlanError, match="strength"):
        Retargeting(TransportRetargeter(), torch.zeros(3, 8, 8), None, strength=strength)


def test_retargeting_takes_every_frame_at_the_size_and_time_of_the_right_file(
    make_clip: Maker, reference: Path, tmp_path: Path
) -> None:
    driving = make_clip(count=7, width=96, height=64, rate=Fraction(30000, 1001), audio=True)
    result = imf.retarget(reference, driving, tmp_path / "out.mp4", model="transport", anchor=0)
    assert result.frames == 7
    with open_media(result.output) as made, open_media(driving) as source:
        assert (made.info.width, made.info.height) == (90, 70)
        assert made.info.frame_times == source.info.frame_times
        assert made.info.audio_streams == 1


def test_the_first_frame_of_a_clip_plays_the_rest_of_it(make_clip: Maker, tmp_path: Path) -> None:
    driving = make_clip(count=5, width=128, height=96, speed_px=3.0)
    out = tmp_path / "out.mkv"
    imf.retarget(driving, driving, out, **lossless())
    truth, made = pictures_of(driving), pictures_of(out)
    np.testing.assert_array_equal(made[0], truth[0])
    inner = (slice(16, -16), slice(24, -24))
    ours = np.abs(made[4][inner].astype(int) - truth[4][inner]).mean()
    copied = np.abs(truth[0][inner].astype(int) - truth[4][inner]).mean()
    assert ours < 0.3 * copied


def test_best_finds_the_frame_that_looks_like_the_reference(
    make_clip: Maker, tmp_path: Path
) -> None:
    driving = make_clip(count=8, speed_px=7.0)
    chosen = write_picture(tmp_path / "ref.png", pictures_of(driving)[5])
    notes: list[str] = []
    imf.retarget(
        chosen,
        driving,
        tmp_path / "out.mkv",
        model="transport",
        progress=lambda event: notes.append(event.note),
    )
    assert any("motion counted from frame 5" in note for note in notes)


def test_an_interrupted_retargeting_goes_on_and_gives_the_same_file(
    make_clip: Maker, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retarget_render, "split_parts", lambda frames: split_parts(frames, 3))
    driving = make_clip(count=10, audio=True)
    imf.retarget(reference, driving, tmp_path / "whole.mkv", **lossless(smooth=2))
    token = imf.CancelToken()

    def stop(event: imf.Progress) -> None:
        if event.stage == "render" and event.done == 7:
            token.cancel()

    out = tmp_path / "out.mkv"
    with pytest.raises(Cancelled):
        imf.retarget(reference, driving, out, progress=stop, cancel=token, **lossless(smooth=2))
    assert not out.exists()
    result = imf.retarget(reference, driving, out, **lossless(smooth=2))
    assert result.rendered == 4
    for one, two in zip(pictures_of(out), pictures_of(tmp_path / "whole.mkv"), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not list(tmp_path.glob(".*imf-parts"))


def test_another_strength_does_not_reuse_the_parts_of_a_cancelled_render(
    make_clip: Maker, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retarget_render, "split_parts", lambda frames: split_parts(frames, 2))
    driving, out, token = make_clip(count=6), tmp_path / "out.mkv", imf.CancelToken()

    def stop(event: imf.Progress) -> None:
        if event.stage == "render" and event.done == 4:
            token.cancel()

    with pytest.raises(Cancelled):
        imf.retarget(reference, driving, out, progress=stop, cancel=token, **lossless())
    assert imf.retarget(reference, driving, out, **lossless(strength=0.5)).rendered == 6


def test_streamed_smoothing_is_smoothing_of_the_whole() -> None:
    tokens = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))

    class Source:
        count, identity = 9, ""

        def tokens(self, start: int, stop: int) -> Any:
            yield from tokens[start:stop]

    whole = smooth_tokens(tokens, 3)
    for start, stop in ((0, 9), (2, 5), (7, 9)):
        part = torch.stack(list(retarget_render.smoothed_tokens(Source(), start, stop, 3)))
        torch.testing.assert_close(part, whole[start:stop])


def test_a_track_from_a_file_plays_as_the_video_does(make_clip: Maker, tmp_path: Path) -> None:
    driving = make_clip(count=5, width=128, height=96, speed_px=3.0)
    track, out = tmp_path / "t.safetensors", tmp_path / "played.mkv"
    assert imf.encode_track_file(driving, track, model="transport", bits=16) == 5
    result = imf.render_track(driving, track, out, codec="ffv1")
    assert result.frames == 5
    direct = tmp_path / "direct.mkv"
    imf.retarget(driving, driving, direct, **lossless())
    for one, two in zip(pictures_of(out), pictures_of(direct), strict=True):
        assert np.abs(one.astype(int) - two).mean() < 3.0


def test_a_track_in_memory_equals_the_one_in_the_file(make_clip: Maker, tmp_path: Path) -> None:
    driving = make_clip(count=4)
    imf.encode_track_file(driving, tmp_path / "t.safetensors", model="transport", bits=16)
    track = imf.encode_track(driving, model="transport")
    stored = imf.load_track(tmp_path / "t.safetensors")
    assert stored.source == track.source == "clip.mp4"
    assert stored.anchor_jpeg == track.anchor_jpeg != b""
    torch.testing.assert_close(stored.tokens, track.tokens, atol=1e-4, rtol=0)
    assert not stored.tokens[0].any()


def test_a_retimed_track_follows_the_same_time_map_as_video(make_clip: Maker) -> None:
    track = imf.encode_track(make_clip(count=5), model="transport")
    slow = retime_track(track, Retime(factor=Fraction(4)))
    assert len(slow.tokens) == 20
    assert slow.rate == track.rate
    torch.testing.assert_close(slow.tokens[::4], track.tokens)
    torch.testing.assert_close(slow.tokens[2], torch.lerp(track.tokens[0], track.tokens[1], 0.5))
    fast = retime_track(track, Retime(rate=Fraction(50)))
    assert fast.rate == 50
    assert len(fast.tokens) == 10


def expect_nothing_written(folder: Path, action: Any, kind: type[ImfError], words: str) -> None:
    """The action fails in one sentence of that kind, and leaves the folder as it was."""
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(kind, match=words) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_driving_without_motion_is_refused(
    make_clip: Maker, reference: Path, tmp_path: Path
) -> None:
    still = make_clip("still.mkv", count=6, speed_px=0.0, codec="ffv1", options={})
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, still, tmp_path / "o.mkv", **lossless()),
        PlanError,
        "no usable motion",
    )


def test_an_empty_driving_is_refused(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, tmp_path / "empty.mp4", tmp_path / "o.mp4"),
        UnreadableMedia,
        "empty",
    )


def test_a_reference_that_is_no_picture_is_refused(make_clip: Maker, tmp_path: Path) -> None:
    driving = make_clip()
    (tmp_path / "ref.png").write_text("not a picture")
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(tmp_path / "ref.png", driving, tmp_path / "o.mp4"),
        UnreadableMedia,
        "no image",
    )


def test_a_reference_larger_than_memory_allows_is_refused(
    make_clip: Maker, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driving = make_clip()
    monkeypatch.setattr("imf_plugin.engine.retarget_sources.LARGEST_REFERENCE_PIXELS", 1000)
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, driving, tmp_path / "o.mp4"),
        PlanError,
        "reference.png is 90x70",
    )


def test_a_mask_file_of_another_size_is_refused(
    make_clip: Maker, reference: Path, tmp_path: Path
) -> None:
    driving, mask = make_clip(), write_picture(tmp_path / "mask.png", picture(32, 32))
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, driving, tmp_path / "o.mp4", mask=mask),
        PlanError,
        "mask.png is 32x32",
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"anchor": 99}, "--anchor 99"),
        ({"strength": 9.0}, "strength"),
        ({"smooth": -1}, "smoothing"),
        ({"mode": "sideways"}, "mode"),
        ({"model": "imp"}, "imp"),
    ],
)
def test_impossible_wishes_are_refused_before_anything_is_written(
    make_clip: Maker, reference: Path, tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    driving = make_clip()
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, driving, tmp_path / "o.mp4", **wrong),
        ImfError,
        words,
    )


def test_an_output_that_exists_is_kept(make_clip: Maker, reference: Path, tmp_path: Path) -> None:
    driving, out = make_clip(), tmp_path / "o.mp4"
    out.write_text("precious")
    expect_nothing_written(
        tmp_path, lambda: imf.retarget(reference, driving, out), OutputRefused, "--overwrite"
    )
    assert out.read_text() == "precious"
    expect_nothing_written(
        tmp_path,
        lambda: imf.retarget(reference, driving, driving, overwrite=True),
        OutputRefused,
        "input itself",
    )


@pytest.mark.parametrize(
    ("model", "revision"), [("latent-motion", "2"), ("transport", "0"), ("transport", "2")]
)
def test_a_track_of_another_model_or_version_is_refused(
    reference: Path, tmp_path: Path, model: str, revision: str
) -> None:
    tokens = torch.randn(4, 7)
    track = TokenTrack(
        tokens=tokens, anchor_token=tokens[0], rate=Fraction(25), model=model, revision=revision
    )
    path = tmp_path / "t.safetensors"
    imf.save_track(track, path)
    expect_nothing_written(
        tmp_path,
        lambda: imf.render_track(reference, path, tmp_path / "o.mp4", model="transport"),
        ModelError,
        "encode the video again",
    )


def test_a_damaged_track_is_refused(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "t.safetensors").write_bytes(b"\x20\0\0\0\0\0\0\0 broken")
    expect_nothing_written(
        tmp_path,
        lambda: imf.render_track(reference, tmp_path / "t.safetensors", tmp_path / "o.mp4"),
        UnreadableMedia,
        "no token track",
    )


def test_a_cancelled_encoding_writes_no_track(make_clip: Maker, tmp_path: Path) -> None:
    driving, token = make_clip(), imf.CancelToken()
    token.cancel()
    expect_nothing_written(
        tmp_path,
        lambda: imf.encode_track_file(driving, tmp_path / "t.safetensors", cancel=token),
        Cancelled,
        "cancelled",
    )


def test_pictures_do_not_depend_on_threads_that_render_at_the_same_time() -> None:
    anchor, frame = tensor(picture(96, 128)), tensor(np.roll(picture(96, 128), 5, axis=1))
    worker = Retargeting(TransportRetargeter(), anchor, anchor)
    alone = worker.render(worker.tokens(frame[None]))
    found: list[Tensor] = []
    threads = [
        threading.Thread(target=lambda: found.append(worker.render(worker.tokens(frame[None]))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, alone) for one in found)
    assert len(found) == 3


def test_a_model_of_ones_own_can_be_handed_over(
    make_clip: Maker, reference: Path, tmp_path: Path
) -> None:
    driving = make_clip(seeds=[1, 2, 3, 4, 5, 6])
    model: Retargeter = BrightnessRetargeter()
    result = imf.retarget(reference, driving, tmp_path / "o.mp4", model=model, anchor=0)
    with av.open(str(result.output)) as container:
        assert container.streams.video[0].width == 90
