"""Implicit motion alignment: attention that also says where it looks and how sure it is."""

import torch

from imf_kernels import checks
from imf_kernels.align import cpu


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
    factor = d**-0.5 if scale is None else scale
    if window is None:
        return cpu.align(query, key, value, query_xy, key_xy, factor)
    if key_grid is None or key_grid[0] * key_grid[1] != Nk:
        raise ValueError(f"window needs key_grid with H * W == Nk, got {key_grid = }, {Nk = }")
    centre = centres(query, query_xy, key_xy, key_grid, prior)
    return cpu.align_windowed(query, key, value, query_xy, key_xy, factor, centre, window, key_grid)


def centres(
    query: torch.Tensor,
    query_xy: torch.Tensor,
    key_xy: torch.Tensor,
    key_grid: tuple[int, int],
    prior: torch.Tensor | None,
) -> torch.Tensor:
    """Column and row of the cell in the middle of each query's window, ``[B, h, Nq, 2]``, int64.

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
        shift = prior.detach().float().nan_to_num(nan=0.0)
        position = position + (shift[:, None] if shift.dim() == 3 else shift)
    cell = (position - origin) / torch.stack([step_x, step_y])
    last = torch.tensor([columns - 1, rows - 1], device=cell.device, dtype=cell.dtype)
    cell = torch.minimum(cell.round().clamp(min=0), last).long()
    return cell.expand(B, h, Nq, 2)
