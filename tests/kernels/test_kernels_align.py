from collections.abc import Callable
from typing import Any

import pytest
import torch

from imf_kernels import align
from imf_kernels.align import centres, ops, reference

Compare = Callable[..., None]
Check = Callable[[torch.Tensor, torch.Tensor], None]
Sequences = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def grid(rows: int, columns: int, step: float = 8.0) -> torch.Tensor:
    """Centres of a grid of cells, row by row, ``[rows * columns, 2]``."""
    y, x = torch.meshgrid(torch.arange(float(rows)), torch.arange(float(columns)), indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2) * step + step / 2


def features(
    Nq: int, Nk: int, d: int, dv: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> Sequences:
    query, key = torch.randn(2, 3, Nq, d), torch.randn(2, 3, Nk, d)
    value = torch.randn(2, 3, Nk, dv)
    return query.to(device, dtype), key.to(device, dtype), value.to(device, dtype)


@pytest.mark.parametrize(("d", "dv"), [(16, 10), (40, 96), (128, 33)])
def test_alignment_and_its_gradients_match_the_definition(
    compare: Compare, backend: str, device: torch.device, d: int, dv: int
) -> None:
    query_xy, key_xy = torch.rand(37, 2) * 60, grid(5, 15)
    compare(
        lambda q, k, v: align(q, k, v, query_xy.to(device), key_xy.to(device), backend=backend),
        lambda q, k, v: reference.align(q, k, v, query_xy, key_xy, d**-0.5),
        *features(37, 75, d, dv, device),
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(
    compare: Compare, backend: str, device: torch.device, dtype: torch.dtype
) -> None:
    query_xy, key_xy = torch.rand(37, 2) * 60, grid(5, 15)
    compare(
        lambda q, k, v: align(q, k, v, query_xy.to(device), key_xy.to(device), backend=backend),
        lambda q, k, v: reference.align(q, k, v, query_xy, key_xy, 64**-0.5),
        *features(37, 75, 64, 96, device, dtype),
    )


@pytest.mark.parametrize("window", [None, 2])
def test_autocast_takes_nothing_from_the_precision(
    close: Check, backend: str, device: torch.device, window: int | None
) -> None:
    key_grid = None if window is None else (6, 11)

    def aligned() -> list[torch.Tensor]:
        q, k, v = (part.clone().requires_grad_() for part in given)
        out = align(q, k, v, xy, xy, window, key_grid=key_grid, backend=backend)
        total = torch.stack([part.square().sum() for part in out]).sum()
        return [*out, *torch.autograd.grad(total, [q, k, v])]

    given, xy = features(66, 66, 16, 8, device), grid(6, 11).to(device)
    expected = aligned()
    with torch.autocast(device.type, torch.bfloat16):
        found = aligned()
    for one, other in zip(found, expected, strict=True):
        close(one, other)


@pytest.mark.parametrize(("window", "spread"), [(1, 9.0), (2, 300.0)])
def test_windowed_alignment_and_its_gradients_match_the_definition(
    compare: Compare, backend: str, device: torch.device, window: int, spread: float
) -> None:
    shape, xy = (6, 11), grid(6, 11)
    prior = torch.randn(2, 66, 2) * spread
    prior[0, 3] = torch.nan
    prior[1, 5, 0] = torch.inf
    inputs = features(66, 66, 16, 20, device)
    middle = centres(inputs[0].cpu(), xy, xy, shape, prior[:, None])
    allowed = reference.windows(middle, window, shape)
    compare(
        lambda q, k, v: align(
            q,
            k,
            v,
            xy.to(device),
            xy.to(device),
            window,
            key_grid=shape,
            prior=prior.to(device),
            backend=backend,
        ),
        lambda q, k, v: reference.align(q, k, v, xy, xy, 0.25, allowed),
        *inputs,
    )


def test_windows_follow_each_heads_own_prior_and_any_number_of_queries(
    compare: Compare, backend: str, device: torch.device
) -> None:
    shape, xy, query_xy = (6, 11), grid(6, 11), torch.rand(29, 2) * 50
    prior = torch.randn(2, 3, 29, 2) * 12
    inputs = features(29, 66, 16, 20, device)
    middle = centres(inputs[0].cpu(), query_xy, xy, shape, prior)
    allowed = reference.windows(middle, 2, shape)
    compare(
        lambda q, k, v: align(
            q,
            k,
            v,
            query_xy.to(device),
            xy.to(device),
            2,
            key_grid=shape,
            prior=prior.to(device),
            backend=backend,
        ),
        lambda q, k, v: reference.align(q, k, v, query_xy, xy, 0.25, allowed),
        *inputs,
    )


def test_a_window_of_no_radius_reads_the_key_at_the_centre(
    backend: str, device: torch.device
) -> None:
    query, key, value = features(20, 20, 16, 8, device)
    xy = grid(4, 5).to(device)
    parts = align(query, key, value, xy, xy, 0, key_grid=(4, 5), backend=backend)
    assert torch.equal(parts[0], value)
    assert (parts[1] == 0).all()
    assert (parts[2] == 1).all()


def test_a_window_as_large_as_the_grid_is_the_global_form(
    close: Check, backend: str, device: torch.device
) -> None:
    xy = grid(4, 5).to(device)
    inputs = features(20, 20, 16, 8, device)
    wide = align(*inputs, xy, xy, 5, key_grid=(4, 5), backend=backend)
    for one, other in zip(wide, align(*inputs, xy, xy, backend=backend), strict=True):
        close(one, other)


def test_alignment_finds_features_that_moved(backend: str, device: torch.device) -> None:
    xy = grid(6, 9).to(device)
    key = torch.nn.functional.normalize(torch.randn(6, 9, 32), dim=-1).to(device)
    query = key.roll((-1, -2), (0, 1))
    rows: Any = [one.reshape(1, 1, 54, 32) for one in (query, key)]
    query, key = rows
    _, displacement, confidence = align(query, key, key, xy, xy, scale=200.0, backend=backend)
    inner = displacement.view(6, 9, 2)[:-1, :-2]
    assert torch.allclose(inner, torch.tensor([16.0, 8.0], device=device), atol=1e-3)
    assert (confidence > 0.999).all()


def test_equal_scores_give_the_mean_of_all_keys(backend: str, device: torch.device) -> None:
    query, key, value = features(4, 10, 16, 8, device)
    xy = grid(2, 5).to(device)
    values, displacement, confidence = align(
        torch.zeros_like(query), key, value, xy[:4], xy, backend=backend
    )
    assert torch.allclose(values[..., 0, :], value.mean(2), atol=1e-6)
    assert torch.allclose(displacement + xy[:4], xy.mean(0), atol=1e-4)
    assert torch.allclose(confidence, torch.tensor(0.1, device=device))


def test_large_scores_do_not_overflow(close: Check, backend: str, device: torch.device) -> None:
    query, key, value = features(9, 20, 16, 8, device)
    xy = grid(4, 5)
    got = align(query * 1e3, key, value, xy[:9].to(device), xy.to(device), backend=backend)
    exact: Any = [one.cpu().double() for one in (query * 1e3, key, value)]
    want = reference.align(exact[0], exact[1], exact[2], xy[:9], xy, 0.25)
    for mine, theirs in zip(got, want, strict=True):
        close(mine, theirs)


def test_inputs_may_lie_anyhow_in_memory(close: Check, backend: str, device: torch.device) -> None:
    query, key, value = (one.transpose(1, 2)[..., ::2] for one in features(3, 3, 40, 24, device))
    xy = grid(1, 3)
    got = align(query, key, value, xy.to(device), xy.to(device), backend=backend)
    exact: Any = [one.cpu().double() for one in (query, key, value)]
    want = reference.align(exact[0], exact[1], exact[2], xy, xy, 20**-0.5)
    for mine, theirs in zip(got, want, strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("window", [None, 1])
def test_an_empty_batch_gives_an_empty_batch(
    backend: str, device: torch.device, window: int | None
) -> None:
    query, key, value = (one[:0].requires_grad_() for one in features(6, 6, 16, 8, device))
    xy = grid(2, 3).to(device)
    parts = align(query, key, value, xy, xy, window, key_grid=(2, 3), backend=backend)
    torch.autograd.backward([part.sum() for part in parts])
    assert [tuple(part.shape) for part in parts] == [(0, 3, 6, 8), (0, 3, 6, 2), (0, 3, 6)]
    assert query.grad is not None


@pytest.mark.parametrize("window", [None, 3])
def test_the_attention_matrix_is_never_held_whole(
    monkeypatch: pytest.MonkeyPatch, window: int | None
) -> None:
    from imf_kernels.align import cpu

    monkeypatch.setattr(cpu, "PIECE_SCORES", 1 << 12)
    largest = 0
    product = torch.Tensor.__matmul__

    def watched(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        out = product(one, other)
        largest = max(largest, out.numel())
        return out

    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    xy = grid(20, 30)
    query, key, value = (torch.randn(1, 1, 600, 16) for _ in range(3))
    prior = torch.randn(1, 600, 2) * 100
    align(query, key, value, xy, xy, window, key_grid=(20, 30), prior=prior)
    assert 0 < largest <= 32 * 600


@pytest.mark.parametrize("window", [None, 1])
def test_gradients_agree_with_finite_differences(window: int | None) -> None:
    xy = grid(2, 3, step=1.0)
    inputs = [torch.randn(1, 2, 6, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(
        lambda q, k, v: align(q, k, v, xy, xy, window, key_grid=(2, 3)), inputs
    )


@pytest.mark.parametrize("windowed", [False, True])
def test_the_operators_keep_pytorchs_contract(
    backend: str, device: torch.device, windowed: bool
) -> None:
    query, key, value = features(6, 6, 16, 8, device)
    xy = grid(2, 3).to(device)
    centre = torch.zeros(2, 3, 6, 2, dtype=torch.int32, device=device) if windowed else None
    window = [1, 2, 3] if windowed else []
    torch.library.opcheck(
        ops.align,
        (query.requires_grad_(), key, value, xy, xy, centre, window, 0.25, True, backend),
    )
