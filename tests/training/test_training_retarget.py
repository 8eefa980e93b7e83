import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from imf_plugin.cli.main import main
from imf_plugin.errors import MediaError
from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.training.retarget_cache import (
    RetargetClip,
    read_retarget_cache,
    write_retarget_clip,
)
from imf_plugin.training.retarget_data import RetargetDataOptions, RetargetSamples
from imf_plugin.training.retarget_figures import CONTROLS, Figure, draw_controls
from imf_plugin.training.retarget_latent import LatentRecipe, LatentTrainer, _known, _measured
from imf_plugin.training.retarget_models import checkpoint_network
from imf_plugin.training.retarget_prepare import RetargetPrepareOptions, prepare_retargeting
from imf_plugin.training.retarget_reports.curves import cubic, linear, spherical
from imf_plugin.training.retarget_reports.figures import probe, rest_pose
from imf_plugin.training.retarget_trainer import (
    RetargetRecipe,
    RetargetRunOptions,
    RetargetTrainer,
)

TINY = CompactConfig(
    size_px=64,
    token_dim=32,
    widths=(16, 16, 8, 8),
    encoder_widths=(8, 8, 16, 16),
    style_dim=16,
    heads=2,
)


def swaying(count: int, side: int = 64) -> np.ndarray:
    """Frames of a smooth texture that sways as a whole."""
    random = np.random.default_rng(5)
    texture = cv2.GaussianBlur(random.random((side + 32, side + 32, 3)), (0, 0), 3)
    texture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    shifts = [round(6 * np.sin(index)) for index in range(count)]
    return np.stack([texture[16 : side + 16, 16 + s : side + 16 + s] for s in shifts])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    frames = swaying(6)
    shifts = [round(6 * np.sin(index)) for index in range(6)]
    flows = np.zeros((1, 5, 32, 32, 2), np.float16)
    for row, index in enumerate(range(1, 6)):
        # What stands at x now stood at x + (shift now - shift then) in the reference.
        flows[0, row, ..., 0] = shifts[index] - shifts[0]
    for kind in ("face", "figure"):
        clip = RetargetClip(
            folder=folder / kind,
            kind=kind,
            group=kind,
            held_out=False,
            references=(0,),
            currents=((1, 2, 3, 4, 5),),
        )
        write_retarget_clip(clip, frames, flows, frames if kind == "figure" else None)
    return folder


def recipe(**changes: object) -> RetargetRecipe:
    data = RetargetDataOptions(size_px=64, moments=2)
    tiny = RetargetRecipe(network=TINY, data=data, references=1, total_steps=4, precision="fp32")
    return dataclasses.replace(tiny, **changes)  # type: ignore[arg-type]


def test_a_cache_comes_back_as_it_was_written(cache: Path) -> None:
    clips = read_retarget_cache(cache)
    assert [clip.kind for clip in clips] == ["face", "figure"]
    assert clips[0].frames.shape == (6, 64, 64, 3)
    assert np.array_equal(clips[0].driving, clips[0].frames)
    assert clips[1].currents == ((1, 2, 3, 4, 5),)


def test_an_empty_cache_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="imf train retarget"):
        read_retarget_cache(tmp_path)


def test_a_sample_s_flow_leads_from_the_moment_to_the_reference(cache: Path) -> None:
    from imf_plugin.models.imf.compact import displaced

    options = RetargetDataOptions(size_px=64, moments=3, moved_share=0.7)
    batch = RetargetSamples(cache, options).batch(0, 6)
    flow = torch.nn.functional.interpolate(batch.flow.nan_to_num(), (64, 64), mode="bilinear")
    references = batch.reference.repeat_interleave(3, 0)
    inside = (..., slice(14, -14), slice(14, -14))
    still = (references - batch.target)[inside].abs().mean()
    moved = (displaced(references, flow) - batch.target)[inside].abs().mean()
    assert moved < 0.35 * still


def test_the_same_number_gives_the_same_sample(cache: Path) -> None:
    samples = RetargetSamples(cache, RetargetDataOptions(size_px=64))
    first, again, other = (samples.batch(number, 1) for number in (3, 3, 4))
    assert torch.equal(first.target, again.target)
    assert not torch.equal(first.target, other.target)


def test_training_goes_on_from_its_checkpoint_to_the_same_weights(
    cache: Path, tmp_path: Path
) -> None:
    options = RetargetRunOptions(cache=cache, output=tmp_path / "whole", log_every_steps=1)
    RetargetTrainer(recipe(), options).run()
    parts = dataclasses.replace(options, output=tmp_path / "parts")
    trainer = RetargetTrainer(recipe(), parts)
    samples = RetargetSamples(cache, trainer.recipe.data)
    for _ in range(2):
        trainer.train_step(trainer._batch(samples))
    trainer.save("last")
    RetargetTrainer(recipe(), parts).run()
    whole, later = (
        checkpoint_network(tmp_path / name / "last").state_dict() for name in ("whole", "parts")
    )
    for name, value in whole.items():
        torch.testing.assert_close(later[name], value, atol=1e-5, rtol=1e-4)
    rows = [
        json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    ]
    assert {row["kind"] for row in rows} == {"train", "held_out"}
    assert list((tmp_path / "whole").glob("grid_*.png"))


def test_figures_of_one_pose_differ_in_looks_alone() -> None:
    pose = draw_controls(np.random.default_rng(1))
    figure, twin = Figure(looks=1, proportions=3), Figure(looks=2, proportions=3)
    assert not np.array_equal(figure.picture(pose), twin.picture(pose))
    assert np.array_equal(figure.joints(pose), twin.joints(pose))


def test_a_figure_s_flow_moves_its_joints() -> None:
    start = rest_pose()
    end = start.copy()
    end[CONTROLS.index("x")] += 0.1
    end[CONTROLS.index("left_arm")] += 0.3
    figure = Figure(looks=4, proportions=4)
    flow = figure.flow(start, end)
    moved = figure.joints(end) - figure.joints(start)
    for (x, y), step in zip(figure.joints(start), moved, strict=True):
        found = flow[round(y), round(x)]
        assert np.isnan(found).any() or np.abs(found - step).max() < 1.0
    assert np.abs(moved[0]).max() > 5


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    random = np.random.default_rng(2)
    tokens = random.normal(size=(200, 8))
    controls = np.stack([tokens @ random.normal(size=8), random.normal(size=200)], 1)
    scores = probe(tokens[:120], controls[:120], tokens[120:], controls[120:])
    assert scores[0] > 0.999
    assert scores[1] < 0.2


@pytest.mark.parametrize("curve", [linear, spherical, cubic])
def test_every_curve_goes_through_the_kept_tokens(curve: object) -> None:
    kept = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    made = curve(kept, 4)  # type: ignore[operator]
    assert made.shape == (17, 6)
    torch.testing.assert_close(made[::4], kept, atol=1e-5, rtol=1e-4)


def test_the_cubic_curve_is_exact_for_even_motion() -> None:
    kept = torch.arange(6.0)[:, None] * torch.tensor([[2.0, -1.0]])
    torch.testing.assert_close(cubic(kept, 2), linear(kept, 2), atol=1e-5, rtol=1e-5)


def test_the_latent_model_learns_and_goes_on(tmp_path: Path) -> None:
    sequence = _measured(list(swaying(18, 128)))
    trainer = LatentTrainer(LatentRecipe(sequences=1, total_steps=3), [sequence])
    trainer.run(tmp_path)
    again = LatentTrainer(LatentRecipe(sequences=1, total_steps=3), [sequence])
    again.state.resume(tmp_path / "last")
    assert again.state.step == 3
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value)


def test_temporal_dropout_always_leaves_something_known() -> None:
    known = _known(np.random.default_rng(0), 200, 8, 0.95)
    assert known.any(1).all()
    assert 0.2 < known.mean() < 0.9


def test_preparing_makes_a_cache_of_figures_and_footage(tmp_path: Path) -> None:
    data = tmp_path / "clips"
    data.mkdir()
    writer = cv2.VideoWriter(
        str(data / "one.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (128, 96)
    )
    for frame in swaying(8, 128):
        writer.write(np.ascontiguousarray(frame[:96]))
    writer.release()
    options = RetargetPrepareOptions(
        references_per_clip=2, currents_per_reference=3, figures=1, hold_out=False
    )
    prepare_retargeting(data, tmp_path / "cache", options)
    clips = {clip.kind: clip for clip in read_retarget_cache(tmp_path / "cache")}
    assert set(clips) == {"face", "figure"}
    assert clips["face"].frames.shape[1] == 160
    assert clips["face"].flows.shape[:2] == (2, 3)
    assert clips["figure"].driving.shape == clips["figure"].frames.shape
    assert not np.array_equal(clips["figure"].driving, clips["figure"].frames)


def test_a_folder_without_clips_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["train", "retarget", "--data", str(tmp_path), "-o", str(tmp_path / "run")])
    assert code == 1
    assert "no video clips" in capsys.readouterr().err
