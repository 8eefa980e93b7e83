from collections.abc import Callable
from typing import Any

import pytest
import torch

from imf_kernels import splat
from imf_kernels.splat import ops, reference

SIZES = [(1, 1), (5, 7), (9, 17)]
MODES = ["sum", "average", "softmax"]
Compare = Callable[..., None]
Check = Callable[[torch.Tensor, torch.Tensor], None]


def scene(
    size: tuple[int, int], device: torch.device, dtype: torch.dtype = torch.float32, C: int = 3
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise, a flow that partly leaves the frame and is partly not a number, and a metric."""
    H, W = size
    flow = torch.randn(2, 2, H, W) * 2
    flow[0, 0, 0, 0] = torch.nan
    flow[1, 1, -1, -1] = torch.inf
    metric = torch.randn(2, 1, H, W)
    source = torch.randn(2, C, H, W)
    return source.to(device, dtype), flow.to(device, dtype), metric.to(device, dtype)


def well_covered(out: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Targets that are no near-holes: there a quotient of two rounding errors decides."""
    return (weight > 0.1).to(out.dtype)


def match(
    compare: Compare,
    mode: str,
    backend: str,
    source: torch.Tensor,
    flow: torch.Tensor,
    metric: torch.Tensor,
) -> None:
    if mode == "softmax":
        compare(
            lambda source, flow, metric: splat(source, flow, metric, mode, backend=backend),
            lambda source, flow, metric: reference.splat(source, flow, metric, mode),
            source,
            flow,
            metric,
            band=well_covered,
        )
    else:
        compare(
            lambda source, flow: splat(source, flow, None, mode, backend=backend),
            lambda source, flow: reference.splat(source, flow, None, mode),
            source,
            flow,
            band=well_covered,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_splat_and_its_gradients_match_the_definition(
    compare: Compare, backend: str, device: torch.device, size: tuple[int, int], mode: str
) -> None:
    match(compare, mode, backend, *scene(size, device))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_are_kept_in_float32(
    close: Check, backend: str, device: torch.device, dtype: torch.dtype, mode: str
) -> None:
    source, flow, metric = scene((5, 7), device, dtype)
    level = metric if mode == "softmax" else None
    got = splat(source, flow, level, mode, backend=backend)
    exact = None if level is None else level.cpu().double()
    want = reference.splat(source.cpu().double(), flow.cpu().double(), exact, mode)
    for mine, theirs in zip(got, want, strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gradients_match_the_definition(
    compare: Compare, backend: str, device: torch.device, dtype: torch.dtype
) -> None:
    match(compare, "sum", backend, *scene((5, 7), device, dtype))


@pytest.mark.parametrize("mode", MODES)
def test_channels_last_stays_channels_last(
    compare: Compare, backend: str, device: torch.device, mode: str
) -> None:
    source, flow, metric = scene((5, 7), device, C=9)
    source = source.to(memory_format=torch.channels_last)
    out, _ = splat(source, flow, metric if mode == "softmax" else None, mode, backend=backend)
    assert out.is_contiguous(memory_format=torch.channels_last)
    match(compare, mode, backend, source, flow, metric)


def test_inputs_may_lie_anyhow_in_memory(close: Check, backend: str, device: torch.device) -> None:
    inputs: Any = [one.transpose(2, 3)[..., ::2] for one in scene((7, 10), device)]
    got = splat(inputs[0], inputs[1], inputs[2], "softmax", backend=backend)
    exact: Any = [one.cpu().double() for one in inputs]
    want = reference.splat(exact[0], exact[1], exact[2], "softmax")
    for mine, theirs in zip(got, want, strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_batch_gives_an_empty_batch(backend: str, device: torch.device, mode: str) -> None:
    source, flow, metric = (one[:0].requires_grad_() for one in scene((4, 5), device))
    level = metric if mode == "softmax" else None
    out, weight = splat(source, flow, level, mode, backend=backend)
    torch.autograd.backward([out.sum(), weight.sum()])
    assert out.shape == (0, 3, 4, 5)
    assert weight.shape == (0, 1, 4, 5)
    assert source.grad is not None


def test_zero_flow_gives_the_source_and_a_weight_of_one(backend: str, device: torch.device) -> None:
    source, flow, metric = scene((5, 7), device)
    for mode in MODES:
        level = metric if mode == "softmax" else None
        out, weight = splat(source, torch.zeros_like(flow), level, mode, backend=backend)
        assert torch.allclose(out, source, rtol=1e-6)
        assert (weight == 1).all()


def test_gradients_are_one_sided_but_right_where_flow_is_zero(
    compare: Compare, backend: str, device: torch.device
) -> None:
    source, flow, metric = scene((5, 7), device)
    for mode in MODES:
        match(compare, mode, backend, source, torch.zeros_like(flow), metric)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_softmax_is_stable_for_metrics_of_any_size(
    close: Check, backend: str, device: torch.device, size: float
) -> None:
    source, flow, metric = scene((5, 7), device)
    metric = metric + size * (torch.rand(2, 1, 5, 7) > 0.5).to(device)
    out, weight = splat(source, flow, metric, "softmax", backend=backend)
    want = reference.splat(
        source.cpu().double(), flow.cpu().double(), metric.cpu().double(), "softmax"
    )
    close(out, want[0])
    close(weight, want[1])
    # The same pixels land, so a pixel is a hole exactly where the plain sum has one.
    assert torch.equal(weight > 0, splat(source, flow, backend=backend)[1] > 0)


def test_the_larger_metric_hides_the_smaller(backend: str, device: torch.device) -> None:
    source = torch.tensor([[[[1.0, 2.0, 3.0]]]], device=device)
    flow = torch.tensor([[[[1.0, 0.0, -1.0]], [[0.0, 0.0, 0.0]]]], device=device)
    metric = torch.tensor([[[[0.0, 1e4, 5e3]]]], device=device)
    out, weight = splat(source, flow, metric, "softmax", backend=backend)
    assert out[0, 0, 0].tolist() == [0, 2, 0]
    assert weight[0, 0, 0].tolist() == [0, 3, 0]


def test_a_pixel_whose_flow_or_metric_is_not_finite_lands_nowhere(
    backend: str, device: torch.device
) -> None:
    source, flow, metric = scene((5, 7), device)
    flow = torch.zeros_like(flow)
    flow[0, 1, 2, 2], flow[0, 0, 2, 3], metric[0, 0, 2, 4] = torch.nan, -torch.inf, torch.nan
    _, weight = splat(source, flow, metric, "softmax", backend=backend)
    assert weight[0, 0, 2].tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_deterministic_runs_repeat_bit_for_bit(
    close: Check, backend: str, device: torch.device
) -> None:
    source, flow, metric = scene((9, 17), device, C=7)
    runs = [
        splat(source, flow, metric, "softmax", deterministic=True, backend=backend)
        for _ in range(3)
    ]
    assert all(torch.equal(run[0], runs[0][0]) for run in runs)
    assert all(torch.equal(run[1], runs[0][1]) for run in runs)
    exact: Any = [one.cpu().double() for one in (source, flow, metric)]
    want = reference.splat(exact[0], exact[1], exact[2], "softmax")
    close(runs[0][0], want[0])


@pytest.mark.parametrize("C", [3, 9])
def test_large_frames_on_a_processor_match_the_definition(compare: Compare, C: int) -> None:
    flow = torch.randn(1, 2, 190, 203) * 5
    source, metric = torch.randn(1, C, 190, 203), torch.randn(1, 1, 190, 203)
    match(compare, "softmax", "torch", source, flow, metric)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_agree_with_finite_differences(mode: str) -> None:
    source = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    flow = torch.rand(1, 2, 3, 4, dtype=torch.float64) * 0.6 + 0.2
    metric = torch.randn(1, 1, 3, 4, dtype=torch.float64, requires_grad=mode == "softmax")
    inputs: Any = (source, flow.requires_grad_(), metric if mode == "softmax" else None)
    assert torch.autograd.gradcheck(
        lambda source, flow, metric: splat(source, flow, metric, mode), inputs
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_operators_keep_pytorchs_contract(
    backend: str, device: torch.device, mode: str
) -> None:
    source, flow, metric = scene((3, 4), device)
    level = metric.requires_grad_() if mode == "softmax" else None
    torch.library.opcheck(
        ops.splat,
        (source.requires_grad_(), flow, level, mode, False, backend),
    )


@pytest.mark.parametrize("mode", ["sum", "average", "softmax"])
def test_gradients_that_are_one_number_spread_out_are_read_right(
    close: Check, backend: str, device: torch.device, mode: str
) -> None:
    source, flow, metric = scene((3, 4), device)
    level = metric if mode == "softmax" else None

    def flow_gradient(dense: bool) -> torch.Tensor:
        moving = flow.clone().requires_grad_()
        outputs = splat(source, moving, level, mode, backend=backend)
        ones = [torch.ones((), device=device).expand_as(one) for one in outputs]
        spread = [one.contiguous() if dense else one for one in ones]
        return torch.autograd.grad(outputs, moving, spread)[0]

    close(flow_gradient(dense=False), flow_gradient(dense=True))
