"""Which implementation runs: Triton on a CUDA device that has it, plain torch everywhere else.

``IMF_KERNELS=torch`` in the environment forces torch everywhere. ``TRITON_INTERPRET=1`` (Triton's
own switch, to be set before anything imports Triton) lets ``backend="triton"`` run on a processor,
slowly, which is how the kernels are tested on machines without a GPU.
"""

import functools
import importlib.util
import os

import torch

BACKENDS = ("auto", "torch", "triton")


@functools.cache
def triton_installed() -> bool:
    """Whether Triton can be imported; does not import it."""
    return importlib.util.find_spec("triton") is not None


def interpreting() -> bool:
    """Whether Triton's interpreter is switched on."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def forced_torch() -> bool:
    """Whether the environment asks for plain torch everywhere."""
    wish = os.environ.get("IMF_KERNELS", "auto")
    if wish not in BACKENDS:
        raise ValueError(f"IMF_KERNELS must be one of {', '.join(BACKENDS)}, got {wish!r}")
    return wish == "torch"


def resolve(backend: str, device: torch.device, dtype: torch.dtype) -> str:
    """The backend that runs: ``"torch"`` or ``"triton"``.

    Raises:
        ValueError: If Triton is asked for where it cannot run, or the word is unknown.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend = }")
    if backend == "torch" or forced_torch():
        return "torch"
    if backend == "auto":
        usable = device.type == "cuda" and dtype != torch.float64 and triton_installed()
        return "triton" if usable else "torch"
    if not triton_installed():
        raise ValueError(
            'backend="triton" needs Triton, which is not installed: run `pip install triton` '
            '(Linux and CUDA), or use backend="torch"'
        )
    if device.type != "cuda" and not interpreting():
        raise ValueError(
            f'backend="triton" needs tensors on a CUDA device, got {device.type}: move them with '
            '.to("cuda"), or set TRITON_INTERPRET=1 to try the kernels slowly on a processor'
        )
    if dtype == torch.float64:
        raise TypeError(
            'backend="triton" computes in float32, got torch.float64: use backend="torch"'
        )
    return "triton"
