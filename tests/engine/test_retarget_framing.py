from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import imf_plugin as imf
from imf_plugin.engine.crops import Part, centred_part, cut, paste
from imf_plugin.engine.framing import aligned, equal_heights, squares
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.errors import PlanError
from imf_plugin.media.read import open_media
from imf_plugin.models.base import ModelDescriptor
from imf_plugin.models.retargeting import ReferenceState
from imf_plugin.models.transport.retargeter import TransportRetargeter
from imf_plugin.motion.tracks import TokenTrack

type Maker = Any

SIZES = st.tuples(st.integers(8, 400), st.integers(8, 400))


class WholeFrameRetargeter:
    """A model of any size, whose one number is how bright the left eighth of the picture is."""

    descriptor = ModelDescriptor(
        name="left-eighth",
        summary="for tests",
        source="here",
        parameters=0,
        minimum_size_px=1,
        tile_overlap_px=0,
        bytes_per_pixel=1,
    )
    token_shape: tuple[int, ...] = (1,)
    size_px: int | None = None

    def encode_reference(self, image: Tensor, anchor: Tensor | None = None) -> ReferenceState:
        return ReferenceState(image=image, features=None)

    def encode_tokens(self, frames: Tensor, anchor: Tensor | None = None) -> Tensor:
        return frames[..., : frames.shape[-1] // 8].flatten(1).mean(1, keepdim=True)

    def reference_token(self, reference: ReferenceState) -> Tensor:
        return self.encode_tokens(reference.image[None])[0]

    def render(self, reference: ReferenceState, tokens: Tensor) -> Tensor:
        change = tokens - self.reference_token(reference)
        made = reference.image.repeat(len(tokens), 1, 1, 1)
        made[..., : made.shape[-1] // 8] += change[:, :, None, None]
        return made


def moved(reference: Tensor, driving: tuple[int, int]) -> tuple[Retargeting, Tensor]:
    """Return a worker, and the reference as a brighter driving frame moves it."""
    width, height = driving
    worker = Retargeting(WholeFrameRetargeter(), reference, torch.full((3, height, width), 0.2))
    return worker, worker.render(worker.tokens(torch.full((1, 3, height, width), 0.4)))[0]


@given(SIZES, SIZES)
def test_the_part_that_is_read_has_the_driving_aspect_and_the_reference_height(
    driving: tuple[int, int], reference: tuple[int, int]
) -> None:
    framing, part = equal_heights(driving, reference)
    assert part.height == reference[1]
    assert part.width == pytest.approx(driving[0] * reference[1] / driving[1], rel=0.02, abs=1)
    assert 0 <= framing.used.left <= driving[0] - framing.used.width
    assert 0 <= framing.moved.left <= reference[0] - framing.moved.width
    assert (framing.padded is not None) == (part.width > reference[0])


@given(SIZES, st.floats(-50, 300), st.floats(-50, 300), st.floats(0.1, 4))
def test_what_an_alignment_covers_lies_within_both_pictures(
    driving: tuple[int, int], left: float, top: float, zoom: float
) -> None:
    box = (left, top, left + zoom * driving[0], top + zoom * driving[1])
    framing = aligned(driving, (200, 150), box)
    for part, size in ((framing.used, driving), (framing.moved, (200, 150))):
        assert part.width >= 1
        assert part.height >= 1
        if box[0] < 199 and box[1] < 149 and box[2] > 1 and box[3] > 1:
            assert 0 <= part.left <= size[0]
            assert part.left + part.width <= size[0] + 1
            assert part.top + part.height <= size[1] + 1


@pytest.mark.parametrize(
    ("driving", "reference", "line"),
    [
        ((640, 360), (640, 360), ""),
        ((1280, 720), (640, 360), "driving 1280x720: all of it used, over the whole reference"),
        (
            (1280, 720),
            (600, 800),
            "driving 1280x720: middle 540x720 used, the reference 600x800 was padded to 1422x800",
        ),
        (
            (720, 1280),
            (1920, 1080),
            "driving 720x1280: all of it used, over middle 608x1080 of 1920x1080",
        ),
    ],
)
def test_one_line_says_what_was_cut_or_padded(
    driving: tuple[int, int], reference: tuple[int, int], line: str
) -> None:
    assert str(equal_heights(driving, reference)[0]) == line


def test_a_reference_is_not_padded_beyond_all_measure() -> None:
    with pytest.raises(PlanError, match="4000x100 is too wide for a reference of 6000x6000"):
        equal_heights((4000, 100), (6000, 6000))


def test_squares_are_said_of_both() -> None:
    said = str(squares((1280, 720), (600, 800)))
    assert said == "driving 1280x720: middle 720x720 used, over middle 600x600 of 600x800"


def test_an_alignment_says_where_the_driving_frame_lies() -> None:
    inside = aligned((100, 50), (200, 200), (20.0, 30.0, 120.0, 80.0))
    assert str(inside) == "driving 100x50: all of it used, over 100x50 at 20,30 of 200x200"
    beyond = aligned((400, 400), (200, 200), (-100.0, -100.0, 300.0, 300.0))
    assert str(beyond) == "driving 400x400: middle 200x200 used, over the whole reference 200x200"


def test_a_narrower_driving_moves_the_middle_and_leaves_the_sides() -> None:
    reference = torch.full((3, 40, 160), 0.5)
    worker, made = moved(reference, (20, 20))
    assert worker.framing is not None
    assert worker.framing.moved == Part(left=60, top=0, width=40, height=40)
    assert torch.equal(made[..., :60], reference[..., :60])
    assert torch.equal(made[..., 65:], reference[..., 65:])
    # The soft edge is at the sides alone: what touches the picture's border moves altogether.
    assert made[0, 0, 64].item() == pytest.approx(0.7, abs=1e-5)


def test_a_wider_driving_moves_nothing_where_only_the_padding_would_be() -> None:
    reference = torch.full((3, 40, 40), 0.5)
    worker, made = moved(reference, (160, 40))
    assert worker.framing is not None
    assert worker.framing.padded == (160, 40)
    assert torch.equal(made, reference)


def test_the_same_aspect_is_read_whole_whatever_the_size() -> None:
    reference = torch.full((3, 40, 80), 0.5)
    _, made = moved(reference, (640, 320))
    assert made[:, :, :10].mean().item() == pytest.approx(0.7, abs=1e-5)


def test_a_part_beyond_the_picture_repeats_its_edge_and_is_left_out_when_pasted() -> None:
    picture = torch.rand(3, 6, 4, generator=torch.Generator().manual_seed(0))
    part = centred_part((4, 6), (10, 6))
    padded = cut(picture, part)
    assert padded.shape == (3, 6, 10)
    assert torch.equal(padded[..., 0], picture[..., 0])
    assert torch.equal(padded[..., 9], picture[..., 3])
    assert torch.equal(paste(picture, padded, part), picture)


def test_transport_tells_from_python_which_part_was_used() -> None:
    random = np.random.default_rng(4)
    reference = torch.from_numpy(random.random((3, 64, 48), np.float32))
    anchor = torch.from_numpy(random.random((3, 30, 60), np.float32))
    worker = Retargeting(TransportRetargeter(), reference, anchor)
    assert worker.framing is not None
    assert worker.framing.driving == (60, 30)
    assert worker.framing.moved == Part(left=0, top=20, width=48, height=24)
    assert "driving 60x30: all of it used, over middle 48x24 of 48x64" in worker.note


@pytest.mark.parametrize("model", ["transport", "latent-motion"])
def test_any_aspect_goes_in_and_the_result_says_what_was_used(
    make_clip: Maker, tmp_path: Path, model: str
) -> None:
    driving = make_clip(count=3, width=96, height=64, speed_px=4.0)
    portrait = make_clip("portrait.mp4", count=1, width=64, height=96)
    result = imf.retarget(
        portrait, driving, tmp_path / "out.mkv", model=model, anchor=0, adapt=False
    )
    assert "driving 96x64: " in result.notes[0]
    with open_media(result.output) as made:
        assert (made.info.width, made.info.height) == (64, 96)


def test_a_track_knows_the_size_of_what_was_encoded(make_clip: Maker, tmp_path: Path) -> None:
    driving = make_clip(count=3, width=96, height=64, speed_px=4.0)
    portrait = make_clip("portrait.mp4", count=1, width=64, height=96)
    track = imf.encode_track(driving, model="latent-motion")
    assert track.driving_size == (96, 64)
    options: dict[str, Any] = {"model": "latent-motion", "codec": "ffv1"}
    played = imf.render_track(portrait, track, tmp_path / "played.mkv", **options)
    at_once = imf.retarget(portrait, driving, tmp_path / "out.mkv", anchor=0, **options)
    assert played.notes[0] in at_once.notes[0]
    with open_media(played.output) as one, open_media(at_once.output) as two:
        for first, second in zip(one.frames(), two.frames(), strict=True):
            assert np.array_equal(first.rgb(), second.rgb())


@pytest.mark.parametrize("size", ["", "wide", "0x4", "4x", "4x5x6"])
def test_a_track_without_a_size_says_none(size: str) -> None:
    track = TokenTrack(
        tokens=torch.zeros(2, 3),
        anchor_token=torch.zeros(3),
        rate=Fraction(25),
        model="imf",
        revision="1",
        notes={"size": size},
    )
    assert track.driving_size is None
