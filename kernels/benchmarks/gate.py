"""No figure without proof: an operation that is wrong here is not timed here.

Checks values and gradients against the definition on this very device, and runs the operation's
tests where pytest and the tests are at hand.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from imf_kernels import align, splat, warp
from imf_kernels.align import reference as align_reference
from imf_kernels.splat import reference as splat_reference
from imf_kernels.warp import reference as warp_reference

TESTS = Path(__file__).parents[2] / "tests" / "kernels"
Function = Callable[..., Any]


def trouble(operation: str, device: torch.device) -> str | None:
    """Why the operation must not be timed, or None."""
    ours, truth, inputs = _check(operation, device)
    given = [one.detach().to(device, copy=True).requires_grad_() for one in inputs]
    exact = [one.detach().double().requires_grad_() for one in inputs]
    got, want = _tuple(ours(*given)), _tuple(truth(*exact))
    upstream = [torch.randn_like(one) for one in want]
    torch.autograd.backward(got, [one.to(device).float() for one in upstream])
    torch.autograd.backward(want, upstream)
    pairs = list(zip(got, want, strict=True))
    pairs += [(one.grad, other.grad) for one, other in zip(given, exact, strict=True)]
    for mine, theirs in pairs:
        error = (mine.detach().cpu().double() - theirs.detach()).square().mean().sqrt()
        if not error <= 1e-5 * theirs.detach().square().mean().sqrt():
            return f"{operation} differs from its definition on {device} (RMS error {error:.2g})"
    return _tests(operation)


def _tests(operation: str) -> str | None:
    path = TESTS / f"test_kernels_{operation}.py"
    if importlib.util.find_spec("pytest") is None or not path.exists():
        return None
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"{operation}: the tests are red, see {path}"


def _check(operation: str, device: torch.device) -> tuple[Function, Function, list[torch.Tensor]]:
    torch.manual_seed(0)
    source, flow = torch.randn(2, 5, 21, 35), torch.rand(2, 2, 21, 35) * 6 - 3
    if operation == "warp":
        return warp, lambda s, f: warp_reference.warp(s, f, "border"), [source, flow]
    if operation == "splat":
        return splat, lambda s, f: splat_reference.splat(s, f, None, "sum"), [source, flow]
    xy = torch.rand(70, 2) * 50
    places = xy.to(device)
    return (
        lambda q, k, v: align(q, k, v, places, places),
        lambda q, k, v: align_reference.align(q, k, v, xy, xy, 0.25),
        [torch.randn(1, 2, 70, 16) for _ in range(3)],
    )


def _tuple(result: Any) -> tuple[torch.Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)
