"""Checkpoints: the whole state of a run, in shards of at most 16 MiB that load without pickles.

A checkpoint is a folder; it is written under another name and renamed, so that a run killed while
writing loses nothing.
"""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imf_plugin.errors import ModelError

SHARD_BYTES = 16 * 2**20 - 2**16
"""Room is left for what a file holds besides its tensors."""


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON facts, replacing what is there."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for number, shard in enumerate(_shards(tensors)):
        torch.save(shard, partial / f"tensors_{number:03d}.pt")
    (partial / "facts.json").write_text(json.dumps(facts, indent=1))
    former = folder.with_name(folder.name + ".former")
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    partial.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a checkpoint.

    Raises:
        ModelError: If there is none, or it is damaged.
    """
    if not (folder / "facts.json").exists():
        raise ModelError(f"there is no training checkpoint in {folder}; give the folder of a run")
    tensors: dict[str, Tensor] = {}
    try:
        for path in sorted(folder.glob("tensors_*.pt")):
            tensors.update(torch.load(path, map_location="cpu", weights_only=True))
        return tensors, json.loads((folder / "facts.json").read_text())
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"the training checkpoint {folder} is damaged; delete that folder to begin anew"
        ) from error


def history(facts: dict[str, Any], samples: str = "samples") -> dict[str, str]:
    """Return rows for people about the run that a checkpoint's facts are of.

    Args:
        facts: With steps, batch size, time, device and threads.
        samples: What a batch consists of.
    """
    count = int(facts["step"]) * int(facts["batch_size"])
    hours = float(facts["trained_seconds"]) / 3600
    return {
        "training": f"{facts['step']} steps, {count} {samples}, {hours:.2f} hours",
        "device": f"{facts['device']}, {facts['threads']} thread(s)",
    }


def _shards(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Split tensors into groups that fit; one tensor above the limit gets a shard of its own."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        # A copy: a view would be saved with the whole storage behind it.
        kept = tensor.detach().cpu().clone()
        if shards[-1] and size + kept.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = kept
        size += kept.nbytes
    return shards
