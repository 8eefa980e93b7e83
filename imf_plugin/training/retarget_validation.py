"""Self-reenactment on held-out clips: what tokens make of the reference, against the frames."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imf_plugin.models.imf.compact import CompactImf, shown
from imf_plugin.models.imf.measuring import measured_motion
from imf_plugin.training.retarget_cache import RetargetClip, read_retarget_cache
from imf_plugin.training.validation import write_grid

MOMENTS = 8
"""Moments of each clip that are scored."""
GRID_ROWS = 8


@dataclass(frozen=True, kw_only=True)
class RetargetScores:
    """Means over the clips."""

    clips: int
    psnr_db: float
    copy_psnr_db: float
    """Of the reference itself."""
    least_gain_db: float
    """Of the clip that gained least."""

    def __str__(self) -> str:
        return (
            f"psnr {self.psnr_db:.2f} (copy {self.copy_psnr_db:.2f}, "
            f"{self.psnr_db - self.copy_psnr_db:+.2f}, least {self.least_gain_db:+.2f}) "
            f"over {self.clips} clips"
        )


def score_held_out(network: CompactImf, cache: Path, grid: Path | None = None) -> RetargetScores:
    """Score held-out clips with faces or people; every clip if none is held out."""
    clips = [clip for clip in read_retarget_cache(cache) if clip.kind != "figure"]
    chosen = [clip for clip in clips if clip.held_out and clip.kind in ("face", "person")]
    chosen = chosen or [clip for clip in clips if clip.held_out] or clips
    rows, figures = [], []
    for clip in chosen:
        reference, moments = _middle_square(clip, network.config.size_px)
        found = reenacted(network, reference, moments)
        copied = reference.expand_as(moments)
        figures.append((psnr_db(found, moments), psnr_db(copied, moments)))
        rows.append(_row(reference[0], moments, found))
    table = np.array(figures)
    if grid is not None:
        write_grid(grid, rows[:GRID_ROWS])
    return RetargetScores(
        clips=len(figures),
        psnr_db=float(table[:, 0].mean()),
        copy_psnr_db=float(table[:, 1].mean()),
        least_gain_db=float((table[:, 0] - table[:, 1]).min()),
    )


@torch.no_grad()
def reenacted(network: CompactImf, reference: Tensor, moments: Tensor) -> Tensor:
    """Return what the network makes of moments ``[T, 3, S, S]``, from a reference of the clip."""
    state = network.reference(reference)
    motion = torch.cat([measured_motion(moment[None], reference) for moment in moments])
    moved = network.moved_tokens(moments, reference.expand_as(moments), motion)
    decoded = network.decode(state, state.tokens + moved)
    side = network.config.size_px
    return shown(reference.expand(len(moments), -1, -1, -1), decoded, side).clamp(0, 1)


def psnr_db(found: Tensor, truth: Tensor) -> float:
    """Return the mean over the pictures of the PSNR of 8-bit values."""
    difference = (found * 255).round() - (truth * 255).round()
    mean_square = difference.square().mean((1, 2, 3)).clamp_min(1e-3)
    return float((10 * torch.log10(255**2 / mean_square)).mean())


def _middle_square(clip: RetargetClip, size: int) -> tuple[Tensor, Tensor]:
    """Return the first frame and moments spread over the rest, the middle square of each."""
    numbers = np.linspace(1, len(clip.frames) - 1, MOMENTS).round().astype(int)
    pictures = [_square(clip.frames[number], size) for number in (0, *numbers)]
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return stacked[:1], stacked[1:]


def _square(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = frame[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _row(reference: Tensor, moments: Tensor, found: Tensor) -> NDArray[np.uint8]:
    tiles = [reference]
    for index in (MOMENTS // 2, MOMENTS - 1):
        error = (4 * (found[index] - moments[index]).abs()).clamp(0, 1)
        tiles += [moments[index], found[index], error]
    picture = (torch.cat(tiles, 2) * 255).round().byte().permute(1, 2, 0).numpy()
    return np.asarray(picture[..., ::-1])
