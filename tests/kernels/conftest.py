import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

if not torch.cuda.is_available():
    # Before anything imports Triton: without a GPU the kernels run in Triton's interpreter.
    os.environ["TRITON_INTERPRET"] = "1"

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 5e-3}
"""Largest RMS error as a share of the RMS of the truth."""

Check = Callable[[torch.Tensor, torch.Tensor], None]
Compare = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Triton's own interpreter use what NumPy deprecates; no other warning is allowed."""
    ours = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0")
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(ours)


@pytest.fixture(params=["torch", "triton"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both implementations; Triton's on a GPU if there is one, else in its interpreter."""
    if request.param == "triton":
        pytest.importorskip("triton")
    return str(request.param)


@pytest.fixture
def device(backend: str) -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(autouse=True)
def nan_filled_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that nobody wrote to shows: whatever is allocated empty holds NaN."""

    def poisoned(allocate: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def call(*arguments: Any, **options: Any) -> torch.Tensor:
            tensor = allocate(*arguments, **options)
            return tensor.fill_(math.nan) if tensor.is_floating_point() else tensor

        return call

    for owner, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        monkeypatch.setattr(owner, name, poisoned(getattr(owner, name)))
    torch.manual_seed(0)


@pytest.fixture
def close() -> Check:
    """Check one tensor against the truth in float64, by the ratio of RMS error to RMS truth."""

    def check(got: torch.Tensor, want: torch.Tensor) -> None:
        assert got.shape == want.shape
        assert torch.isfinite(got).all(), "memory that was never written, or a NaN that spread"
        if got.numel() == 0:
            return
        want = want.to(got.device).double()
        error = (got.double() - want).square().mean().sqrt().item()
        size = want.square().mean().sqrt().item()
        assert error <= TOLERANCE[got.dtype] * max(size, 1e-3), f"{error = :.3g}, {size = :.3g}"

    return check


@pytest.fixture
def compare(close: Check) -> Compare:
    """Check values and every gradient of a function against its definition in float64.

    `band` says which outputs get a gradient: 0 near a discontinuity, where one rounding error
    decides, else 1.
    """

    def check(
        function: Callable[..., Any],
        truth: Callable[..., Any],
        *inputs: torch.Tensor,
        band: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        given = [tensor.detach().requires_grad_() for tensor in inputs]
        exact = [tensor.detach().cpu().double().requires_grad_() for tensor in inputs]
        got, want = _tuple(function(*given)), _tuple(truth(*exact))
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            close(one.detach(), other.detach())
        upstream = [torch.randn(one.shape).to(one.dtype) for one in got]
        if band is not None:
            mask = band(*want)
            upstream = [one * mask.to(one.dtype) for one in upstream]
        torch.autograd.backward(got, [one.to(inputs[0].device) for one in upstream])
        torch.autograd.backward(want, [one.double() for one in upstream])
        for mine, theirs in zip(given, exact, strict=True):
            assert mine.grad is not None
            assert theirs.grad is not None
            close(mine.grad, theirs.grad)

    return check


def _tuple(result: Any) -> tuple[torch.Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)
