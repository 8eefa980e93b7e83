import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from imf_plugin.errors import ModelError, OutputRefused, PlanError, UnreadableMedia
from imf_plugin.motion.token_codec import (
    DamagedTokens,
    default_bits,
    pack_tokens,
    rounded,
    unpack_tokens,
)
from imf_plugin.motion.token_curves import TOKEN_CURVES, TokenCurve, smooth_tokens, tokens_at
from imf_plugin.motion.track_edits import (
    blend_tracks,
    loop_track,
    mirror_track,
    offset_track,
    resample_track,
    reverse_track,
    scale_track,
    smooth_track,
    there_and_back,
)
from imf_plugin.motion.track_files import CHUNK_FRAMES, TrackFile, TrackWriter
from imf_plugin.motion.track_pictures import track_picture, track_rows
from imf_plugin.motion.tracks import TokenTrack, load_track, save_track


def wave(count: int = 40, numbers: int = 32, seed: int = 0) -> torch.Tensor:
    """Smooth random motion, ``[count, numbers]``."""
    random = torch.Generator().manual_seed(seed)
    phase, speed = torch.rand(2, numbers, generator=random)
    time = torch.arange(count)[:, None]
    return torch.sin(6 * phase + 0.3 * speed * time)


def track(tokens: torch.Tensor | None = None, *, rate: int = 25, model: str = "imf") -> TokenTrack:
    tokens = wave() if tokens is None else tokens
    return TokenTrack(
        tokens=tokens,
        anchor_token=tokens[0].clone(),
        rate=Fraction(rate),
        model=model,
        revision="3",
        source="dance.mp4",
        notes={"anchor": "0"},
        anchor_jpeg=b"not really a picture",
    )


def field_track(count: int = 6) -> TokenTrack:
    return track(0.05 * wave(count, 2 * 8 * 8).reshape(count, 2, 8, 8), model="transport")


def test_a_track_comes_back_from_its_file_with_all_that_it_knows(tmp_path: Path) -> None:
    before = replace(track(), rate=Fraction(30000, 1001))
    save_track(before, tmp_path / "t.safetensors")
    after = load_track(tmp_path / "t.safetensors")
    assert vars(replace(after, tokens=before.tokens, anchor_token=before.anchor_token)) == vars(
        before
    )
    assert torch.equal(after.anchor_token, before.anchor_token)
    assert (after.tokens - before.tokens).abs().max() < 0.5 * 2 / 255 + 1e-6


def test_more_bits_bring_tokens_back_more_exactly(tmp_path: Path) -> None:
    errors = []
    for bits in (4, 8, 12, 16):
        path = tmp_path / f"{bits}.safetensors"
        save_track(track(), path, bits=bits)
        errors.append(float((load_track(path).tokens - track().tokens).abs().max()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4


def test_ten_seconds_of_thirty_two_numbers_take_at_most_ten_kilobytes(tmp_path: Path) -> None:
    noisy = wave(250) + 0.02 * torch.randn(250, 32, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "t.safetensors"
    save_track(replace(track(noisy), anchor_jpeg=b""), path)
    assert path.stat().st_size <= 10_000


def test_long_tracks_are_written_and_read_in_chunks(tmp_path: Path) -> None:
    tokens = wave(2 * CHUNK_FRAMES + 5, 3)
    path = tmp_path / "t.safetensors"
    save_track(track(tokens), path, bits=16)
    file = TrackFile(path)
    assert file.count == len(tokens)
    some = torch.stack(list(file.tokens(CHUNK_FRAMES - 2, CHUNK_FRAMES + 3)))
    torch.testing.assert_close(some, tokens[CHUNK_FRAMES - 2 : CHUNK_FRAMES + 3], atol=1e-4, rtol=0)
    assert sum(name.startswith("tokens ") for name in load_file(path)) == 3


def test_a_track_file_may_be_read_by_everyone_and_leaves_no_scratch_file(tmp_path: Path) -> None:
    save_track(track(), tmp_path / "t.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["t.safetensors"]
    assert (tmp_path / "t.safetensors").stat().st_mode & 0o444 == 0o444


def test_an_existing_track_is_not_replaced_without_the_users_word(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_text("precious")
    with pytest.raises(OutputRefused, match="--overwrite"):
        save_track(track(), path)
    assert path.read_text() == "precious"
    save_track(track(), path, overwrite=True)
    assert len(load_track(path).tokens) == 40


def test_a_track_cannot_go_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="folder that exists"):
        TrackWriter(tmp_path / "nowhere" / "t.safetensors")


def test_a_missing_track_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match=r"gone\.safetensors does not exist"):
        load_track(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x10\0\0\0\0\0\0\0{}", b"\xff" * 64])
def test_a_file_that_is_no_track_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnreadableMedia, match="no token track"):
        load_track(path)


def test_other_safetensors_are_no_track(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(UnreadableMedia, match="no token track; give a file made by"):
        load_track(path)


def test_a_track_of_another_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_track(track(), path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"version":"1"', b'"version":"9"'))
    with pytest.raises(UnreadableMedia, match="version 9"):
        load_track(path)


def test_damaged_tokens_are_reported_and_not_played(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_track(track(), path)
    raw = bytearray(path.read_bytes())
    size = int.from_bytes(raw[:8], "little")
    place = json.loads(raw[8 : 8 + size])["tokens 000000"]["data_offsets"]
    raw[8 + size + place[0] + 300 : 8 + size + place[1]] = bytes(place[1] - place[0] - 300)
    path.write_bytes(raw)
    with pytest.raises(UnreadableMedia, match="damaged"):
        load_track(path)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 30),
    shape=st.sampled_from([(1,), (5,), (32,), (2, 4, 6), (2, 8, 8)]),
    bits=st.integers(4, 16),
    seed=st.integers(0, 99),
)
def test_packing_loses_nothing_but_the_rounding(
    count: int, shape: tuple[int, ...], bits: int, seed: int
) -> None:
    tokens = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    once = rounded(tokens, bits)
    step = float(tokens.abs().max()) * 2 * 8 / (2**bits - 1)
    assert (once - tokens).abs().max() <= step
    torch.testing.assert_close(rounded(once, 16), once, atol=2e-3, rtol=0)


def test_no_motion_stays_exactly_none() -> None:
    tokens = 0.1 * torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    tokens[2] = 0
    assert not rounded(tokens, 9)[2].any()


def test_tokens_that_do_not_change_pack_to_almost_nothing() -> None:
    assert len(pack_tokens(torch.ones(500, 2, 32, 32), 10)) < 1500


def test_unpacking_to_another_shape_is_refused() -> None:
    packed = pack_tokens(wave(4, 6), 8)
    with pytest.raises(DamagedTokens):
        unpack_tokens(packed, 5, (6,))


def test_fields_get_more_bits_than_vectors() -> None:
    assert default_bits((2, 8, 8)) > default_bits((32,))


@pytest.mark.parametrize("bits", [3, 17])
def test_bits_that_make_no_sense_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        pack_tokens(wave(), bits)


@pytest.mark.parametrize("curve", TOKEN_CURVES)
def test_every_curve_passes_through_the_tokens(curve: TokenCurve) -> None:
    tokens = wave(9)
    torch.testing.assert_close(tokens_at(tokens, list(range(9)), curve), tokens)


@pytest.mark.parametrize("curve", TOKEN_CURVES)
def test_beyond_the_ends_the_last_tokens_hold(curve: TokenCurve) -> None:
    tokens = wave(5)
    held = tokens_at(tokens, [-3.0, 99.0], curve)
    torch.testing.assert_close(held, tokens[[0, -1]])


def test_linear_goes_straight_and_cubic_follows_a_parabola() -> None:
    parabola = (torch.arange(8.0) ** 2)[:, None]
    assert tokens_at(parabola, [2.5]).item() == pytest.approx(6.5)
    assert tokens_at(parabola, [2.5], "cubic").item() == pytest.approx(6.25)


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_a_spline_follows_a_cubic_exactly_and_a_swing_more_closely_than_catmull_rom(
    count: int,
) -> None:
    times = torch.arange(count, dtype=torch.float32)
    polynomial = (0.2 * times**3 - times**2 + 3)[:, None]
    places = [0.3, 1.5, 2.75, count - 1.25]
    wanted = [0.2 * place**3 - place**2 + 3 for place in places]
    found = tokens_at(polynomial, places, "spline").flatten()
    assert found.tolist() == pytest.approx(wanted, abs=1e-3)
    swing = torch.sin(torch.arange(12) * 0.9)[:, None]
    between = [index + 0.5 for index in range(2, 9)]
    truth = torch.sin(torch.tensor(between) * 0.9)
    miss = {
        curve: (tokens_at(swing, between, curve).flatten() - truth).abs().max()
        for curve in ("cubic", "spline")
    }
    assert miss["spline"] < 0.5 * miss["cubic"]


@pytest.mark.parametrize(("count", "middle"), [(1, 0.0), (2, 0.5), (3, 0.25)])
def test_a_spline_through_few_tokens_is_a_parabola_or_a_line(count: int, middle: float) -> None:
    squares = (torch.arange(count, dtype=torch.float32) ** 2)[:, None]
    assert tokens_at(squares, [0.5], "spline").item() == pytest.approx(middle)


def test_spherical_turns_evenly_and_keeps_the_length() -> None:
    quarter = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    third = tokens_at(quarter, [1 / 3], "spherical")[0]
    assert third.norm().item() == pytest.approx(2.0, abs=1e-5)
    assert torch.atan2(third[1], third[0]).item() == pytest.approx(np.pi / 6, abs=1e-5)


def test_spherical_meets_zero_and_opposite_tokens_calmly() -> None:
    tokens = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    made = tokens_at(tokens, [0.5, 1.5], "spherical")
    torch.testing.assert_close(made, torch.tensor([[0.5, 0.0], [0.0, 0.0]]))


def test_a_single_token_may_be_asked_anywhere() -> None:
    assert torch.equal(tokens_at(wave(1), [0.0, 0.7], "cubic"), wave(1).repeat(2, 1))


def test_smoothing_keeps_what_is_constant_and_calms_what_jumps() -> None:
    steady = torch.full((9, 2), 3.0)
    torch.testing.assert_close(smooth_tokens(steady, 3), steady)
    jump = torch.zeros(9, 1)
    jump[4] = 1.0
    calm = smooth_tokens(jump, 2)
    assert calm.max() < 0.5
    assert calm.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(smooth_tokens(jump, 0), jump)


def test_scaling_moves_tokens_away_from_the_anchor() -> None:
    one = track()
    assert torch.equal(scale_track(one, 0.0).tokens, one.anchor_token.expand_as(one.tokens))
    torch.testing.assert_close(
        scale_track(one, 2.0).tokens - one.anchor_token, 2 * (one.tokens - one.anchor_token)
    )


def test_blending_mixes_the_motions_and_holds_the_shorter_one() -> None:
    first, second = track(wave(20)), track(wave(10, seed=5))
    mixed = blend_tracks(first, second, 0.25)
    assert len(mixed.tokens) == 20
    torch.testing.assert_close(mixed.tokens[4], torch.lerp(first.tokens[4], second.tokens[4], 0.25))
    torch.testing.assert_close(
        mixed.tokens[15], torch.lerp(first.tokens[15], second.tokens[9], 0.25)
    )
    assert torch.equal(blend_tracks(first, second, 0.0).tokens, first.tokens)


def test_blending_reads_a_track_of_another_rate_at_the_same_times() -> None:
    fast = track(wave(20), rate=50)
    slow = track(wave(20)[::2], rate=25)
    torch.testing.assert_close(blend_tracks(slow, fast, 1.0).tokens, slow.tokens)


def test_tracks_of_different_models_are_not_mixed() -> None:
    with pytest.raises(ModelError, match="encode both with one model"):
        blend_tracks(track(), track(model="latent-motion"), 0.5)


def test_an_offset_adds_the_pose_of_a_frame() -> None:
    one = track()
    moved = offset_track(one, one, 7, 0.5)
    torch.testing.assert_close(
        moved.tokens[3] - one.tokens[3], 0.5 * (one.tokens[7] - one.anchor_token)
    )
    with pytest.raises(PlanError, match="frames 0 to 39"):
        offset_track(one, one, 40)


def test_a_loop_repeats_and_fades_at_its_seams() -> None:
    one = track(wave(10))
    assert torch.equal(loop_track(one, 3).tokens, one.tokens.repeat(3, 1))
    faded = loop_track(one, 3, overlap_frames=4)
    assert len(faded.tokens) == 10 + 2 * 6
    steps = faded.tokens.diff(dim=0).abs().max(dim=1).values
    hard = loop_track(one, 3).tokens.diff(dim=0).abs().max(dim=1).values
    assert steps.max() < hard.max()


@pytest.mark.parametrize(("times", "overlap"), [(0, 0), (2, 21), (2, -1), (10**6, 0)])
def test_loops_that_make_no_sense_are_refused(times: int, overlap: int) -> None:
    with pytest.raises(PlanError, match="loop"):
        loop_track(track(), times, overlap)


def test_there_and_back_turns_at_the_last_frame() -> None:
    one = track(wave(4))
    both = there_and_back(one).tokens
    assert torch.equal(both, torch.cat([one.tokens, one.tokens[[2, 1, 0]]]))
    assert torch.equal(reverse_track(one).tokens, one.tokens.flip(0))


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -101.0])
def test_strengths_and_poses_out_of_reason_are_refused_in_a_sentence(amount: float) -> None:
    with pytest.raises(PlanError, match="strength must be from -100 to 100"):
        scale_track(track(), amount)
    with pytest.raises(PlanError, match="amount of a pose must be from -100 to 100"):
        offset_track(track(), track(), 0, amount)


def test_mirroring_a_field_twice_gives_it_back() -> None:
    one = field_track()
    mirrored = mirror_track(one)
    torch.testing.assert_close(mirrored.tokens[:, 0], -one.tokens[:, 0].flip(-1))
    torch.testing.assert_close(mirrored.tokens[:, 1], one.tokens[:, 1].flip(-1))
    assert torch.equal(mirror_track(mirrored).tokens, one.tokens)


def test_mirroring_turns_the_picture_of_the_anchor_too() -> None:
    dark_left = np.zeros((16, 32, 3), np.uint8)
    dark_left[:, 16:] = 255
    jpeg = cv2.imencode(".jpg", dark_left)[1].tobytes()
    pictured = replace(field_track(), anchor_jpeg=jpeg)
    turned = np.frombuffer(mirror_track(pictured).anchor_jpeg, np.uint8)
    shown = cv2.imdecode(turned, cv2.IMREAD_GRAYSCALE)
    assert shown is not None
    assert shown[:, :12].min() > 200
    assert shown[:, 20:].max() < 50
    assert mirror_track(replace(pictured, anchor_jpeg=b"damaged")).anchor_jpeg == b"damaged"


def test_tokens_without_left_and_right_cannot_be_mirrored() -> None:
    with pytest.raises(ModelError, match="mirror the driving video"):
        mirror_track(track())


def test_resampling_changes_the_rate_and_nothing_else() -> None:
    one = track(wave(5))
    double = resample_track(one, [i / 2 for i in range(9)], rate=Fraction(50))
    assert torch.equal(double.tokens[::2], one.tokens)
    assert double.rate == 50
    assert smooth_track(one, 0).tokens is one.tokens


def test_the_picture_of_a_track_shows_its_numbers_or_its_strongest_movements() -> None:
    few, none = track_rows(track())
    many, share = track_rows(field_track(50))
    assert few.shape == (32, 40)
    assert none is None
    assert len(many) == 32
    assert share == pytest.approx(1.0, abs=0.05)
    picture = track_picture(track())
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
