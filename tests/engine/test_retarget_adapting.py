"""Retargeting with imf, which learns the ways of the driving video first."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import imf_plugin as imf
from imf_plugin.engine.retarget_sources import DrivingTokens, frame_tensor
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.errors import ModelError
from imf_plugin.media.read import open_media

type Maker = Any


def _pictures(path: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    with open_media(path) as reader:
        return np.stack([frame.rgb()[..., :3] for frame in reader.frames()]).astype(np.float64)


def _error(made: Path, truth: Path) -> float:
    return float(np.square(_pictures(made) - _pictures(truth)).mean())


@pytest.fixture
def driving(make_clip: Maker) -> Path:
    """Six frames of a moving texture."""
    path: Path = make_clip(count=6, width=96, height=96, speed_px=2.0)
    return path


def test_a_clip_on_its_own_first_frame_is_truer_after_learning_its_ways(
    driving: Path, tmp_path: Path
) -> None:
    errors = []
    for name, adapt in (("adapted.mkv", True), ("each.mkv", False)):
        out = tmp_path / name
        imf.retarget(driving, driving, out, model="imf", anchor=0, codec="ffv1", adapt=adapt)
        errors.append(_error(out, driving))
    assert errors[0] < 0.5 * errors[1]


def test_an_adapted_track_carries_what_was_learned_and_plays_like_the_video(
    driving: Path, tmp_path: Path
) -> None:
    track, played, direct = (
        tmp_path / name for name in ("t.safetensors", "played.mkv", "direct.mkv")
    )
    imf.encode_track_file(driving, track, model="imf", adapt=True)
    kept = imf.load_track(track)
    assert kept.directions
    assert kept.tokens.shape == (6, 32)
    imf.render_track(driving, track, played, codec="ffv1")
    imf.retarget(driving, driving, direct, model="imf", anchor=0, codec="ffv1")
    assert _error(played, driving) < 1.5 * _error(direct, driving) + 2


def test_an_adapted_track_without_what_was_learned_is_refused(
    driving: Path, tmp_path: Path
) -> None:
    track = replace(imf.encode_track(driving, model="imf", adapt=True), directions=b"")
    with pytest.raises(ModelError, match="encode the video again"):
        imf.render_track(driving, track, tmp_path / "out.mkv")


def test_a_model_that_cannot_adapt_is_used_as_it_is(driving: Path) -> None:
    assert imf.encode_track(driving, model="transport", adapt=True).directions == b""


def test_frames_encoded_at_the_same_time_give_the_same_tokens_in_order(driving: Path) -> None:
    with open_media(driving) as reader:
        first = frame_tensor(reader, 0)
        retargeting = Retargeting(imf.load_retargeter("transport"), first, first)
        sets = [
            list(DrivingTokens(reader, retargeting, "", threads=count).tokens(1, 6))
            for count in (1, 3)
        ]
    assert len(sets[0]) == 5
    for one, other in zip(*sets, strict=True):
        assert torch.equal(one, other)


class _Breaking(Retargeting):
    def tokens(self, frames: Tensor) -> Tensor:
        raise RuntimeError("no token today")


def test_an_error_of_an_encoding_thread_arrives(driving: Path) -> None:
    with open_media(driving) as reader:
        first = frame_tensor(reader, 0)
        retargeting = _Breaking(imf.load_retargeter("transport"), first, first)
        with pytest.raises(RuntimeError, match="no token today"):
            list(DrivingTokens(reader, retargeting, "").tokens(0, 6))


def test_no_thread_stays_when_only_the_first_token_is_taken(driving: Path) -> None:
    with open_media(driving) as reader:
        first = frame_tensor(reader, 0)
        retargeting = Retargeting(imf.load_retargeter("transport"), first, first)
        stream = DrivingTokens(reader, retargeting, "", threads=2).tokens(0, 6)
        next(stream)
        stream.close()
        names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("imf-tokens") for name in names)
