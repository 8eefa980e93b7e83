"""Self-reenactment: the first frame of a clip as reference, the others driving it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from imf_plugin.engine.retarget_sources import LEARNED_FRAMES
from imf_plugin.models.retargeting import AdaptingRetargeter, Retargeter
from imf_plugin.training.footage import VIDEO_SUFFIXES
from imf_plugin.training.retarget_models import ADAPTED, AS_RETARGET


@dataclass(frozen=True, kw_only=True)
class Reenactment:
    """Means over the driven frames of one clip."""

    psnr_db: float
    ssim: float
    flicker: float
    """Mean absolute difference of frame-to-frame changes from the true ones, in 8-bit values."""
    encode_seconds: float
    """For each frame."""
    render_seconds: float


def report(
    models: Mapping[str, Retargeter], paths: Sequence[Path], frames: int, side: int
) -> Iterator[str]:
    """Yield a line for each clip and the means, for a copy of the reference and each model."""
    names = ["copy", *models]
    yield f"{'PSNR dB / SSIM / flicker':36s}" + "".join(f"{name[-22:]:>24s}" for name in names)
    table: list[list[Reenactment]] = []
    for path in clips_in(paths):
        every = squares(path, 10_000, side)
        chosen = spread(len(every), frames)
        clip = every[chosen]
        if len(clip) < 2:
            continue
        row = [measured(clip[:1].expand(len(clip) - 1, -1, -1, -1), clip)]
        for name, model in models.items():
            row.append(reenact(_adapted(name, model, every, chosen), clip))
        table.append(row)
        yield f"{path.stem[:35]:36s}" + "".join(_cell(cell) for cell in row)
    if not table:
        yield "no clip with two frames"
        return
    means = [_mean([row[column] for row in table]) for column in range(len(names))]
    yield f"{f'mean of {len(table)} clips':36s}" + "".join(_cell(cell) for cell in means)
    for column, name in enumerate(names[1:], start=1):
        gains = [row[column].psnr_db - row[0].psnr_db for row in table]
        yield (
            f"{name}: {models[name].token_shape} numbers a frame, "
            f"{np.mean(gains):+.2f} dB over the copy, least {min(gains):+.2f}, "
            f"3 dB or more on {sum(gain >= 3 for gain in gains)} of {len(gains)} clips; "
            f"{means[column].encode_seconds:.3f} s to encode, "
            f"{means[column].render_seconds:.3f} s to render a frame"
        )


def clips_in(paths: Sequence[Path]) -> list[Path]:
    """Return the videos among files and folders."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.suffix in VIDEO_SUFFIXES)
        found += inside if path.is_dir() else [path]
    return found


def squares(path: Path, count: int, side: int) -> Tensor:
    """Return the middle square of at most ``count`` frames, evenly spread, ``[T, 3, S, S]``."""
    from imf_plugin.media.read import open_media

    pictures = []
    with open_media(path) as reader:
        for frame in reader.frames():
            picture = np.asarray(frame.rgb()[..., :3], np.uint8)
            height, width = picture.shape[:2]
            least = min(height, width)
            top, left = (height - least) // 2, (width - least) // 2
            cut = picture[top : top + least, left : left + least]
            pictures.append(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA))
    stacked = np.stack([pictures[number] for number in spread(len(pictures), count)])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255


def spread(length: int, count: int) -> list[int]:
    """Return at most ``count`` numbers below ``length``, evenly spread, the first and last too."""
    places = np.linspace(0, length - 1, min(count, length)).round().astype(int)
    return [int(place) for place in places]


def _adapted(name: str, model: Retargeter, every: Tensor, scored: Sequence[int]) -> Retargeter:
    """Return the model adapted to a clip, if its name asks for that."""
    if not isinstance(model, AdaptingRetargeter) or not name.endswith((ADAPTED, AS_RETARGET)):
        return model
    others = [number for number in range(len(every)) if number not in scored]
    if name.endswith(AS_RETARGET) or not others:
        others = list(range(len(every)))
    learned = [others[place] for place in spread(len(others), LEARNED_FRAMES)]
    return model.adapted(every[learned], every[0])


def reenact(model: Retargeter, clip: Tensor) -> Reenactment:
    """Return how well a model gives back the frames of a clip from its first."""
    state = model.encode_reference(clip[0], clip[0])
    began = time.perf_counter()
    tokens = model.encode_tokens(clip[1:], clip[0])
    # The reference's token and the anchor's are the same picture's.
    encoded = time.perf_counter()
    found = model.render(state, tokens)
    rendered = time.perf_counter()
    seconds = (encoded - began) / len(tokens), (rendered - encoded) / len(tokens)
    return measured(found, clip, *seconds)


def measured(
    found: Tensor, clip: Tensor, encode_seconds: float = 0.0, render_seconds: float = 0.0
) -> Reenactment:
    """Return the figures of pictures that should be ``clip[1:]``."""
    made = (found.clamp(0, 1) * 255).round()
    truth = (clip * 255).round()
    mean_square = (made - truth[1:]).square().mean((1, 2, 3)).clamp_min(1e-3)
    ssim = [
        structural_similarity(  # type: ignore[no-untyped-call]
            one.permute(1, 2, 0).numpy(),
            other.permute(1, 2, 0).numpy(),
            data_range=255,
            channel_axis=2,
        )
        for one, other in zip(made, truth[1:], strict=True)
    ]
    change = (made[1:] - made[:-1]) - (truth[2:] - truth[1:-1])
    return Reenactment(
        psnr_db=float((10 * torch.log10(255**2 / mean_square)).mean()),
        ssim=float(np.mean(ssim)),
        flicker=float(change.abs().mean()) if len(made) > 1 else 0.0,
        encode_seconds=encode_seconds,
        render_seconds=render_seconds,
    )


def _mean(cells: Sequence[Reenactment]) -> Reenactment:
    names = list(vars(cells[0]))
    return Reenactment(
        **{name: float(np.mean([getattr(cell, name) for cell in cells])) for name in names}
    )


def _cell(cell: Reenactment) -> str:
    return f"{cell.psnr_db:10.2f} /{cell.ssim:5.3f} /{cell.flicker:4.1f}"
