import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from imf_plugin.errors import ModelError
from imf_plugin.models.imf_vfi.weights import load_network
from imf_plugin.training.augment import AugmentOptions
from imf_plugin.training.checkpoint import SHARD_BYTES, load_checkpoint, save_checkpoint
from imf_plugin.training.data import DataOptions
from imf_plugin.training.export import export
from imf_plugin.training.prepare import PrepareOptions, prepare
from imf_plugin.training.recipes import LITE_CPU, Recipe
from imf_plugin.training.trainer import RunOptions, Trainer

RECIPE = replace(
    LITE_CPU,
    network=replace(
        LITE_CPU.network,
        pyramid=(8, 8, 8, 8),
        widths=(8, 8, 8, 8),
        token_dim=8,
        implicit_width=8,
    ),
    data=DataOptions(scene_share=1.0, augment=AugmentOptions(crop_px=64)),
    batch_size=2,
    total_steps=6,
    warmup_steps=2,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(folder / "nothing", folder, PrepareOptions(scenes=3))
    # Scenes are for training; one stands in for a held-out film.
    card = folder / "scene_00002" / "clip.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "held_out": True}))
    return folder


def run(recipe: Recipe, cache: Path, output: Path, minutes: float = 10.0) -> Trainer:
    options = RunOptions(
        cache=cache, output=output, minutes=minutes, validation_items=2, log_every_steps=2
    )
    trainer = Trainer(recipe, options)
    trainer.run()
    return trainer


def test_an_interrupted_run_ends_like_an_unbroken_one(cache: Path, tmp_path: Path) -> None:
    whole = run(RECIPE, cache, tmp_path / "whole")
    # A time box of nothing ends after one step; the next run goes on from there.
    first = run(RECIPE, cache, tmp_path / "parts", minutes=0.0)
    assert first.state.step == 1
    second = run(RECIPE, cache, tmp_path / "parts", minutes=0.0)
    assert second.state.step == 2
    rest = run(RECIPE, cache, tmp_path / "parts")
    assert rest.state.step == whole.state.step == 6
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(rest.network.state_dict()[name], value, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(
            rest.state.ema[name], whole.state.ema[name], atol=1e-6, rtol=1e-5
        )


def test_a_run_leaves_checkpoints_numbers_and_pictures(cache: Path, tmp_path: Path) -> None:
    run(RECIPE, cache, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"train", "held_out"}
    scores = next(row for row in rows if row["kind"] == "held_out")
    assert scores["items"] == 2
    assert scores["prior_psnr_db"] > 10
    assert list(tmp_path.glob("grid_*.png"))
    tensors, facts = load_checkpoint(tmp_path / "best")
    assert facts["step"] == 6
    assert all(torch.isfinite(value).all() for value in tensors.values())


def test_training_on_one_batch_lowers_its_loss(cache: Path, tmp_path: Path) -> None:
    from imf_plugin.training.data import TrainingSamples, collate

    recipe = replace(RECIPE, learning_rate=3e-3, total_steps=1000)
    trainer = Trainer(recipe, RunOptions(cache=cache, output=tmp_path))
    samples = TrainingSamples(cache, recipe.data)
    batch = collate([samples[number] for number in range(2)])
    before = float(trainer.train_step(batch))
    for _ in range(40):
        after = float(trainer.train_step(batch))
    assert after < 0.95 * before


def test_gradients_are_clipped(cache: Path, tmp_path: Path) -> None:
    from imf_plugin.training.data import TrainingSamples, collate

    recipe = replace(RECIPE, gradient_norm=1e-3)
    trainer = Trainer(recipe, RunOptions(cache=cache, output=tmp_path))
    samples = TrainingSamples(cache, recipe.data)
    trainer.train_step(collate([samples[0], samples[1]]))
    gradients = [p.grad for p in trainer.network.parameters() if p.grad is not None]
    assert float(torch.stack([g.norm() for g in gradients]).norm()) <= 1.01e-3


def test_checkpoints_are_split_into_small_files(tmp_path: Path) -> None:
    tensors = {f"t{number}": torch.randn(1_000_000) for number in range(9)}
    save_checkpoint(tmp_path / "last", tensors, {"step": 3})
    save_checkpoint(tmp_path / "last", tensors, {"step": 4})
    sizes = [path.stat().st_size for path in (tmp_path / "last").glob("*.pt")]
    assert len(sizes) == 3
    assert max(sizes) <= SHARD_BYTES + 2**16
    found, facts = load_checkpoint(tmp_path / "last")
    assert facts == {"step": 4}
    assert found.keys() == tensors.keys()
    torch.testing.assert_close(found["t8"], tensors["t8"])
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no training checkpoint"):
        load_checkpoint(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", {"t": torch.zeros(2)}, {"step": 1})
    (tmp_path / "last" / "tensors_000.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match="is damaged; delete"):
        load_checkpoint(tmp_path / "last")


def test_a_run_of_another_network_is_not_gone_on_with(cache: Path, tmp_path: Path) -> None:
    run(replace(RECIPE, total_steps=1), cache, tmp_path)
    other = replace(RECIPE, network=replace(RECIPE.network, token_dim=16))
    with pytest.raises(ModelError, match="trains another network"):
        run(other, cache, tmp_path)


def test_training_imports_neither_a_decoder_nor_the_media_room() -> None:
    code = (
        "import sys, imf_plugin.training.run\n"
        "bad = [m for m in ('av', 'ffmpeg', 'safetensors', 'skimage', 'scenedetect') "
        "if m in sys.modules]\n"
        "bad += [m for m in sys.modules if m.startswith('imf_plugin.media')]\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_exported_weights_are_the_averaged_ones_with_their_history(
    cache: Path, tmp_path: Path
) -> None:
    trainer = run(RECIPE, cache, tmp_path / "run")
    path = export(tmp_path / "run" / "last", tmp_path / "weights", {"data": "scenes"})
    network, card = load_network(path.stem, tmp_path / "weights")
    assert card.details["data"] == "scenes"
    assert card.details["training"].startswith("6 steps, 12 samples")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, trainer.state.ema[name].half().float())


def test_a_run_may_begin_with_released_weights_under_another_name(
    cache: Path, tmp_path: Path
) -> None:
    run(RECIPE, cache, tmp_path / "run")
    weights = export(tmp_path / "run" / "last", tmp_path, {})
    sharp = replace(
        RECIPE, network=replace(RECIPE.network, name="imf-vfi-sharp"), texture_weight=1.0
    )
    options = RunOptions(cache=cache, output=tmp_path / "sharp", begin_with=weights)
    trainer = Trainer(sharp, options)
    network, _ = load_network(weights.stem, tmp_path)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trainer.network.state_dict()[name], value)
    trainer.run()
    assert export(tmp_path / "sharp" / "last", tmp_path, {}).stem == "imf-vfi-sharp"


def test_weights_of_another_network_are_no_beginning(cache: Path, tmp_path: Path) -> None:
    run(replace(RECIPE, total_steps=1), cache, tmp_path / "run")
    weights = export(tmp_path / "run" / "last", tmp_path, {})
    other = replace(RECIPE, network=replace(RECIPE.network, token_dim=16))
    with pytest.raises(ModelError, match="another network"):
        Trainer(other, RunOptions(cache=cache, output=tmp_path / "other", begin_with=weights))


def test_training_makes_frames_as_interpolators_do(cache: Path) -> None:
    from imf_plugin.models.imf_vfi.config import CARRIED
    from imf_plugin.models.imf_vfi.enlargement import halved_flow
    from imf_plugin.models.imf_vfi.interpolator import ImfVfiInterpolator
    from imf_plugin.models.imf_vfi.network import ImfVfiNetwork
    from imf_plugin.models.imf_vfi.recogniser import Opinions
    from imf_plugin.models.registry import describe_model
    from imf_plugin.training.data import TrainingSamples, collate
    from imf_plugin.training.forward import decoded

    torch.manual_seed(0)
    network = ImfVfiNetwork(RECIPE.network).eval()
    for level in network.decoder.levels:
        torch.nn.init.normal_(level.head.weight, std=0.01)  # type: ignore[union-attr,arg-type]
    batch = collate([TrainingSamples(cache, RECIPE.data)[5]])
    batch = replace(batch, timesteps=torch.tensor([0.5]))
    model = ImfVfiInterpolator(network, describe_model("imf-vfi-lite"))
    flows = [
        flow[0].permute(1, 2, 0).contiguous().numpy()
        for flow in torch.split(halved_flow(batch.motion[:, : -2 * CARRIED]), 2, 1)
    ]
    model._opinions._find = lambda before, after: [Opinions(flows=flows)]
    with torch.inference_mode():
        trained = decoded(network, batch, halved=True).frames
    made = model.interpolate(batch.frame0, batch.frame1, [0.5])[:, 0]
    torch.testing.assert_close(made, trained.clamp(0, 1), atol=4e-3, rtol=0)


@pytest.mark.parametrize("matching", ["classical", "attention"])
def test_half_precision_trains_both_kinds_of_network(
    cache: Path, tmp_path: Path, matching: str
) -> None:
    from imf_plugin.training.data import TrainingSamples, collate

    network = RECIPE.network
    if matching == "attention":
        network = replace(network, matching=matching, opinions=1, carried=0)
    recipe = replace(RECIPE, network=network, precision="bf16", census_weight=0.02)
    trainer = Trainer(recipe, RunOptions(cache=cache, output=tmp_path))
    samples = TrainingSamples(cache, recipe.data)
    batch = collate([samples[number] for number in range(2)])
    found = [float(trainer.train_step(batch)) for _ in range(3)]
    assert all(torch.isfinite(torch.tensor(found)))
    assert all(p.dtype == torch.float32 for p in trainer.network.parameters())
