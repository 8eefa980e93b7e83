"""Retargeting models by name or straight from a training run."""

from pathlib import Path

from imf_plugin.models.imf import puppet_retargeter
from imf_plugin.models.imf.compact import CompactImf
from imf_plugin.models.imf.config import CompactConfig
from imf_plugin.models.imf.fitting import FitOptions
from imf_plugin.models.imf.retargeter import ImfRetargeter
from imf_plugin.models.registry import load_retargeter
from imf_plugin.models.retargeting import Retargeter
from imf_plugin.training.checkpoint import load_checkpoint
from imf_plugin.training.run_state import below

GUESS = ":guess"
"""Behind a checkpoint or ``imf``: tokens as the encoder reads them, not fitted."""
ADAPTED = ":adapted"
"""Behind ``imf``: adapted to frames of the clip that are not scored."""
AS_RETARGET = ":retarget"
"""Behind ``imf``: adapted to frames spread over the clip as `imf retarget` does, scored or not."""

REDUCED = "transport-32/"
"""In front of a folder of clips: `transport` along 32 main directions of their motion. Without a
folder, and with one of the two endings above, along those of the clip."""


def named_retargeter(name: str) -> Retargeter:
    """Return a shipped model, or the one of a training checkpoint's folder.

    Raises:
        ModelError: If there is no such model or checkpoint.
    """
    plain = name.removesuffix(GUESS).removesuffix(ADAPTED).removesuffix(AS_RETARGET)
    if plain.startswith(REDUCED):
        from imf_plugin.training.retarget_reports.reduced import ReducedTransport, read_folder

        folder = plain.removeprefix(REDUCED)
        return read_folder(Path(folder), 256) if folder else ReducedTransport(None)
    fit = None if name.endswith(GUESS) else FitOptions()
    if Path(plain).name.removesuffix(".safetensors") == puppet_retargeter.WEIGHTS:
        own = Path(plain).parent if plain.endswith(".safetensors") else None
        figures = puppet_retargeter.load(own)
        figures.fit = None if fit is None else figures.fit
        return figures
    if (Path(plain) / "facts.json").exists():
        network = checkpoint_network(Path(plain))
        return ImfRetargeter(network, fit=fit)
    model = load_retargeter(plain)
    if isinstance(model, ImfRetargeter):
        model.fit = fit
    return model


def checkpoint_network(folder: Path) -> CompactImf:
    """Return the averaged network of a checkpoint.

    Raises:
        ModelError: If there is none.
    """
    tensors, facts = load_checkpoint(folder)
    network = CompactImf(CompactConfig.from_dict(facts["network"]))
    network.load_state_dict(below(tensors, "ema."))
    return network.eval()
