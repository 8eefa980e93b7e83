"""Writes the retargeting cache: decodes clips small, poses figures, estimates the motion back.

``python -m imf_plugin.training.retarget_prepare --data DIR --cache DIR``
"""

import argparse
import logging
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.errors import MediaError
from imf_plugin.models.imf.measuring import flow_back, halved_flow
from imf_plugin.training.footage import Piece, find_videos, pieces_of, read_piece
from imf_plugin.training.prepare import groups_of, is_held_out
from imf_plugin.training.retarget_cache import (
    CACHE_SIDE_PX,
    RetargetClip,
    write_retarget_clip,
)
from imf_plugin.training.retarget_figures import Figure, draw_controls

log = logging.getLogger(__name__)

FIGURE_SIDE_PX = 128
FIGURE_POSES = 9
LONGEST_ASPECT = 2.0


@dataclass(frozen=True, kw_only=True)
class RetargetPrepareOptions:
    """What goes into the cache."""

    references_per_clip: int = 5
    currents_per_reference: int = 10
    clips_per_group: int = 4
    figures: int = 500
    hold_out: bool = True
    """Keep one source in twelve for validation."""
    seed: int = 0


def prepare_retargeting(data: Path, cache: Path, options: RetargetPrepareOptions) -> None:
    """Write the cache of every video below ``data`` and of figures; existing clips stay.

    Raises:
        MediaError: If there is no video below ``data`` that can be used.
    """
    taken: Counter[str] = Counter()
    groups = groups_of(data)
    videos = find_videos(data)
    for name, path in videos.items():
        group = groups.get(path.name, name)
        try:
            for piece in pieces_of(name, path, options.clips_per_group - taken[group]):
                taken[group] += 1
                if not (cache / piece.name / "clip.json").exists():
                    log.info("clip %s of %s", piece.name, group)
                    _prepare_clip(piece, cache / piece.name, group, options)
        except MediaError as error:
            log.warning("left out: %s", error)
    if not any(cache.glob("*/clip.json")):
        raise MediaError(f"there is no video that can be used in {data}; give clips of faces")
    for number in range(options.figures):
        folder = cache / f"figure_{number:05d}"
        if not (folder / "clip.json").exists():
            _prepare_figure(folder, options.seed + number)
    log.info("cache complete in %s", cache)


def shrunk(frames: NDArray[np.uint8], side: int = CACHE_SIDE_PX) -> NDArray[np.uint8]:
    """Return frames ``[N, H, W, 3]`` with the short side at ``side``, long ones cut to 2:1."""
    height, width = frames.shape[1:3]
    longest = round(LONGEST_ASPECT * min(height, width))
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    frames = frames[:, top : top + longest, left : left + longest]
    height, width = frames.shape[1:3]
    factor = side / min(height, width)
    size = (round(width * factor / 2) * 2, round(height * factor / 2) * 2)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = [cv2.resize(np.ascontiguousarray(f), size, interpolation=method) for f in frames]
    return np.stack(small).astype(np.uint8)


def _longest_shot(count: int, cuts: tuple[int, ...]) -> slice:
    edges = sorted({0, *cuts, count})
    return max((slice(a, b) for a, b in pairwise(edges)), key=lambda shot: shot.stop - shot.start)


def _prepare_clip(piece: Piece, folder: Path, group: str, options: RetargetPrepareOptions) -> None:
    found, cuts = read_piece(piece)
    frames = shrunk(found[_longest_shot(len(found), cuts)])
    if len(frames) < 3:
        log.warning("left out: %s has shots of %d frames", piece.path, len(frames))
        return
    random = np.random.default_rng([options.seed, *piece.name.encode()])
    references = _spread(random, len(frames), options.references_per_clip)
    currents, flows = [], []
    for reference in references:
        chosen = _spread(random, len(frames), options.currents_per_reference)
        currents.append(tuple(chosen))
        row = [halved_flow(flow_back(frames[number], frames[reference])) for number in chosen]
        flows.append(np.stack(row).astype(np.float16))
    write_retarget_clip(
        RetargetClip(
            folder=folder,
            kind=_kind(piece.path),
            group=group,
            held_out=options.hold_out and is_held_out(group),
            references=tuple(references),
            currents=tuple(currents),
        ),
        frames,
        np.stack(flows),
    )


def _spread(random: np.random.Generator, count: int, wanted: int) -> list[int]:
    """Return numbers below ``count``, one at random from each of ``wanted`` equal parts."""
    edges = np.linspace(0, count, wanted + 1)
    return [
        int(random.integers(int(low), max(int(high), int(low) + 1)))
        for low, high in pairwise(edges)
    ]


def _kind(path: Path) -> str:
    """Return a kind by the folder; footage of one's own counts as faces."""
    if path.parent.name == "general":
        return "general"
    return "person" if path.name.startswith("sample-videos") else "face"


def _prepare_figure(folder: Path, seed: int) -> None:
    random = np.random.default_rng([9, seed])
    figure = Figure(looks=seed, proportions=seed, side_px=FIGURE_SIDE_PX)
    twin = Figure(looks=seed + 500_000, proportions=seed + 1, side_px=FIGURE_SIDE_PX)
    poses = [draw_controls(random) for _ in range(FIGURE_POSES)]
    flows = np.stack([halved_flow(figure.flow(pose, poses[0])) for pose in poses[1:]])
    write_retarget_clip(
        RetargetClip(
            folder=folder,
            kind="figure",
            group=folder.name,
            held_out=False,
            references=(0,),
            currents=(tuple(range(1, FIGURE_POSES)),),
        ),
        np.stack([figure.picture(pose) for pose in poses]),
        flows[None].astype(np.float16),
        np.stack([twin.picture(pose) for pose in poses]),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with video clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder to write to")
    parser.add_argument("--figures", type=int, default=RetargetPrepareOptions().figures)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options = RetargetPrepareOptions(figures=arguments.figures)
    prepare_retargeting(arguments.data, arguments.cache, options)


if __name__ == "__main__":
    main()
