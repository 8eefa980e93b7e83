"""Implicit motion alignment: attention that also says where it looks and how sure it is."""

import torch

from imf_kernels import backends, checks
from imf_kernels.align import ops


def align(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    window: int | None = None,
    *,
    key_grid: tuple[int, int] | None = None,
    prior: torch.Tensor | None = None,
    scale: float | None = None,
    backend: str = "auto",
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attend from the wanted moment's motion features to a keyframe's, in one pass.

    Convention:
        Positions are (x, y) in any one unit, mostly pixels of the full frame. In the windowed form
        the keys form a regular grid in row-major order; windows are counted in its cells.

    Args:
        query: ``[B, h, Nq, d]``.
        key: ``[B, h, Nk, d]``.
        value: ``[B, h, Nk, dv]``.
        query_xy: ``[Nq, 2]``.
        key_xy: ``[Nk, 2]``.
        window: None for every key, or a radius in cells: each query sees the keys at most that far
            from its centre along x and along y.
        key_grid: Rows and columns of the keys' grid, ``(H, W)`` with ``H * W == Nk``; needed with
            `window`.
        prior: Displacement to the centre of each query's window, ``[B, Nq, 2]`` or
            ``[B, h, Nq, 2]``, in the unit of the positions; zero by default. Centres are rounded to
            the nearest cell and clipped to the grid; what is not a number counts as zero. No
            gradient.
        scale: Factor on the scores, ``d ** -0.5`` by default.
        backend: ``"auto"``, ``"torch"`` or ``"triton"``.

    Returns:
        values ``[B, h, Nq, dv]``, displacement ``[B, h, Nq, 2]`` (expected key position minus query
        position) and confidence ``[B, h, Nq]`` (largest probability); the last two in float32, or
        float64 for float64.
    """
    checks.floating(query=query, key=key, value=value, query_xy=query_xy, key_xy=key_xy)
    checks.shaped((None, None, None, None), query=query)
    B, h, Nq, d = query.shape
    checks.shaped((B, h, None, d), key=key)
    Nk = key.shape[2]
    checks.shaped((B, h, Nk, None), value=value)
    checks.shaped((Nq, 2), query_xy=query_xy)
    checks.shaped((Nk, 2), key_xy=key_xy)
    checks.alike(query=query, key=key, value=value)
    checks.together(query=query, key=key, value=value, query_xy=query_xy, key_xy=key_xy)
    if Nk == 0:
        raise ValueError(f"there must be at least one key, got {key.shape = }")
    chosen = backends.resolve(backend, query.device, query.dtype)
    centre, view = None, list[int]()
    if window is not None:
        grid = _grid(window, key_grid, Nk)
        centre = centres(query, query_xy, key_xy, grid, _prior(prior, query))
        view = [window, *grid]
    factor = d**-0.5 if scale is None else float(scale)
    keep = torch.is_grad_enabled() and any(part.requires_grad for part in (query, key, value))
    # Positions are data here, not parameters: no gradient goes to them.
    where = (query_xy.detach(), key_xy.detach())
    out = ops.align(query, key, value, *where, centre, view, factor, keep, chosen)
    return out[0], out[1], out[2]


def _grid(window: int, key_grid: tuple[int, int] | None, keys: int) -> tuple[int, int]:
    if window < 0:
        raise ValueError(f"window must be a radius of 0 or more cells, got {window = }")
    if key_grid is None:
        raise ValueError("window needs key_grid=(rows, columns) of the keys, got key_grid = None")
    rows, columns = key_grid
    if rows * columns != keys:
        raise ValueError(f"key_grid must hold all {keys} keys, got {key_grid = }")
    return rows, columns


def _prior(prior: torch.Tensor | None, query: torch.Tensor) -> torch.Tensor | None:
    """The displacement to each window's centre as ``[B, 1 or h, Nq, 2]``."""
    if prior is None:
        return None
    checks.floating(prior=prior)
    checks.together(query=query, prior=prior)
    B, h, Nq, _ = query.shape
    if prior.dim() == 3:
        checks.shaped((B, Nq, 2), prior=prior)
        return prior[:, None]
    checks.shaped((B, h, Nq, 2), prior=prior)
    return prior


def centres(
    query: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    key_grid: tuple[int, int],
    prior: torch.Tensor | None,
) -> torch.Tensor:
    """Column and row of the cell in the middle of each query's window, ``[B, h, Nq, 2]``, int32.

    The cells' size is read from the grid's first neighbours; tensor arithmetic only, so that a GPU
    is never waited for.
    """
    B, h, Nq, _ = query.shape
    rows, columns = key_grid
    origin = key_xy[0].float()
    unit = torch.ones((), device=key_xy.device)
    step_x = (key_xy[1, 0] - key_xy[0, 0]).float() if columns > 1 else unit
    step_y = (key_xy[columns, 1] - key_xy[0, 1]).float() if rows > 1 else unit
    position = query_xy.float()
    if prior is not None:
        position = position + prior.detach().float().nan_to_num(nan=0.0)
    cell = (position - origin) / torch.stack([step_x, step_y])
    last = torch.tensor([columns - 1, rows - 1], device=cell.device, dtype=cell.dtype)
    cell = torch.minimum(cell.round().clamp(min=0), last).int()
    return cell.expand(B, h, Nq, 2)
