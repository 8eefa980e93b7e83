"""Writes the data cache: decodes clips, renders scenes, estimates the flow of keyframe pairs.

``python -m imf_plugin.training.prepare --data DIR --cache DIR``. The only part of training that
needs a video decoder; it runs on any machine and its result is copied to the one that trains.
"""

import argparse
import csv
import hashlib
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imf_plugin.errors import MediaError
from imf_plugin.models.flow.estimation import estimate_middle
from imf_plugin.models.flow.opinions import other_opinions
from imf_plugin.training.cache import (
    CachedClip,
    Pair,
    pictures_of,
    read_cache,
    write_clip,
    write_held_out,
    write_neighbours,
    write_opinions,
)
from imf_plugin.training.footage import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from imf_plugin.training.footage import Piece, find_cuts, find_videos, pieces_of, read_piece
from imf_plugin.training.scenes import Scene, random_scene, render, true_flow, true_visibility

log = logging.getLogger(__name__)

GAPS = (2, 2, 2, 2, 3, 4, 4, 6, 8)
"""Distances between keyframes, as often as they are drawn."""
HELD_OUT_SHARE = 12
"""One group in so many is kept for validation."""
SCENE_SIZE = (256, 192)
SCENE_STEPS = 4
MOVED_SEEDS = 1_000_000
"""Seeds of the scenes with pictures begin here."""


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What goes into the cache."""

    pairs_per_clip: int = 24
    clips_per_group: int = 4
    """More clips of one source add little."""
    scenes: int = 300
    moved: int = 600
    """Scenes painted with frames of the clips, in even motion: nothing about them is left to chance
    but what is hidden."""
    opinions: bool = True
    """Whether further opinions on the flow are estimated, for networks that choose."""
    seed: int = 0


def prepare(data: Path, cache: Path, options: PrepareOptions) -> None:
    """Write the cache of every video below ``data`` and of random scenes; existing clips stay.

    Raises:
        MediaError: If there are videos, but none that can be used.
    """
    videos, groups = find_videos(data), groups_of(data)
    taken: Counter[str] = Counter()
    for name, path in videos.items():
        group = groups.get(path.name, name)
        try:
            taken[group] += _prepare_video(name, path, cache, group, options, taken[group])
        except MediaError as error:
            log.warning("left out: %s", error)
    if videos and not _films(cache):
        raise MediaError(
            f"none of the {len(videos)} videos in {data} can be used; give clips of a few dozen "
            "frames that move, at least 64 pixels high"
        )
    _balance(_films(cache))
    for number in range(options.scenes):
        folder = cache / f"scene_{number:05d}"
        if not (folder / "clip.json").exists():
            seed = options.seed + number
            _prepare_scene(folder, random_scene(seed, SCENE_SIZE, _difficulty(seed)))
    pictures = pictures_of(_films(cache))
    for number in range(options.moved if pictures else 0):
        folder = cache / f"scene_moved_{number:05d}"
        if not (folder / "clip.json").exists():
            seed = options.seed + MOVED_SEEDS + number
            scene = random_scene(
                seed, SCENE_SIZE, _difficulty(seed), acceleration=0.0, pictures=pictures
            )
            _prepare_scene(folder, scene)
    if options.opinions:
        _add_opinions(cache)
    _add_neighbours(cache)
    log.info("cache complete in %s", cache)


def is_held_out(group: str) -> bool:
    """Return whether a group is kept for validation; depends on its name alone."""
    return _digest(group)[0] % HELD_OUT_SHARE == 0


def _digest(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()


def half_size_flow(
    frame0: NDArray[np.uint8], frame1: NDArray[np.uint8]
) -> tuple[NDArray[np.float16], float]:
    """Return the middle flow of two RGB frames at half size, and its mean length in px."""
    grey0, grey1 = (
        np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in (frame0, frame1)
    )
    flow = estimate_middle(grey0, grey1)
    height, width = grey0.shape
    half = cv2.resize(flow, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return half.astype(np.float16), float(np.hypot(flow[..., 0], flow[..., 1]).mean())


def _add_opinions(cache: Path) -> None:
    for clip in read_cache(cache):
        if clip.opinions is None:
            log.info("opinions on %s", clip.folder.name)
            write_opinions(clip, np.stack([_opinions(clip, pair) for pair in clip.pairs]))


def _opinions(clip: CachedClip, pair: Pair) -> NDArray[np.float16]:
    grey0, grey1 = (
        np.asarray(cv2.cvtColor(clip.frames[number], cv2.COLOR_RGB2GRAY), np.uint8)
        for number in (pair.first, pair.first + pair.gap)
    )
    height, width = grey0.shape
    size = (width // 2, height // 2)
    return np.concatenate(
        [
            cv2.resize(flow, size, interpolation=cv2.INTER_AREA).astype(np.float16)
            for flow in other_opinions(grey0, grey1)
        ],
        axis=-1,
    )


def _add_neighbours(cache: Path) -> None:
    for clip in _films(cache):
        if clip.neighbours is None:
            log.info("neighbours of %s", clip.folder.name)
            cuts = find_cuts(clip.frames)
            write_neighbours(clip, np.stack([_neighbours(clip, pair, cuts) for pair in clip.pairs]))


def _neighbours(clip: CachedClip, pair: Pair, cuts: tuple[int, ...]) -> NDArray[np.float16]:
    found = np.full((2, *clip.flows.shape[1:]), np.nan, np.float16)
    for place, first in enumerate((pair.first - pair.gap, pair.first + pair.gap)):
        last = first + pair.gap
        if first >= 0 and last < len(clip.frames) and not any(first < cut <= last for cut in cuts):
            found[place] = half_size_flow(clip.frames[first], clip.frames[last])[0]
    return found


def groups_of(data: Path) -> dict[str, str]:
    """Return the source of each clip by its file name, from PROVENANCE.tsv where there is one."""
    for folder in (data, data.parent):
        path = folder / "PROVENANCE.tsv"
        if path.exists():
            with path.open(newline="") as file:
                rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                return {Path(row["file"]).name: row["src_blob"] for row in rows}
    return {}


def _prepare_video(
    name: str, path: Path, cache: Path, group: str, options: PrepareOptions, taken: int
) -> int:
    """Write the pieces of a video that are not there yet; return how many it has."""
    pieces = pieces_of(name, path, options.clips_per_group - taken)
    for piece in pieces:
        if not (cache / piece.name / "clip.json").exists():
            log.info("clip %s of %s", piece.name, group)
            _prepare_piece(piece, cache / piece.name, group, options)
    return len(pieces)


def _prepare_piece(piece: Piece, folder: Path, group: str, options: PrepareOptions) -> None:
    frames, cuts = read_piece(piece)
    random = np.random.default_rng([options.seed, *piece.name.encode()])
    wanted = set()
    for _ in range(options.pairs_per_clip):
        gap = int(random.choice(GAPS))
        if len(frames) > gap:
            first = int(random.integers(len(frames) - gap))
            if not any(first < cut <= first + gap for cut in cuts):
                wanted.add((first, gap))
    if not wanted:
        log.warning("left out: %s has nothing but cuts", piece.name)
        return
    pairs, flows = [], []
    for first, gap in sorted(wanted):
        flow, motion = half_size_flow(frames[first], frames[first + gap])
        pairs.append(Pair(first=first, gap=gap, motion_px=motion))
        flows.append(flow)
    write_clip(
        folder,
        group=group,
        held_out=is_held_out(group),
        pairs=pairs,
        frames=frames,
        flows=np.stack(flows),
    )


def _films(cache: Path) -> list[CachedClip]:
    clips = [] if not any(cache.glob("*/clip.json")) else read_cache(cache)
    return [clip for clip in clips if not clip.is_scene]


def _balance(clips: list[CachedClip]) -> None:
    """Where chance held out nothing or everything, hold out one group, or the last clip of one.

    A lone clip is trained on.
    """
    if 0 < sum(clip.held_out for clip in clips) < len(clips):
        return
    groups = sorted({clip.group for clip in clips}, key=_digest)
    for clip in clips:
        last = clip is clips[-1] and len(clips) > 1
        write_held_out(clip, held_out=last if len(groups) == 1 else clip.group == groups[0])


def _difficulty(seed: int) -> float:
    return float(np.random.default_rng(seed).random())


def _prepare_scene(folder: Path, scene: Scene) -> None:
    times = [step / SCENE_STEPS for step in range(SCENE_STEPS + 1)]
    drawn = [render(scene, time, shutter_samples=4) for time in times]
    frames = np.stack([np.rint(frame * 255).astype(np.uint8) for frame in drawn])
    truth = np.stack([_true_flows(scene, time) for time in times])
    flow, motion = half_size_flow(frames[0], frames[-1])
    write_clip(
        folder,
        group=folder.name,
        held_out=False,
        pairs=[Pair(first=0, gap=SCENE_STEPS, motion_px=motion)],
        frames=frames,
        flows=flow[None],
        truth=truth,
    )


def _true_flows(scene: Scene, time: float) -> NDArray[np.float16]:
    flows = []
    for keyframe in (0.0, 1.0):
        flow = true_flow(scene, time, keyframe)
        flow[~true_visibility(scene, time, keyframe)] = np.nan
        flows.append(flow)
    return np.stack(flows).astype(np.float16)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with video clips")
    parser.add_argument("--cache", type=Path, required=True, help="folder to write to")
    defaults = PrepareOptions()
    parser.add_argument("--pairs-per-clip", type=int, default=defaults.pairs_per_clip)
    parser.add_argument("--clips-per-group", type=int, default=defaults.clips_per_group)
    parser.add_argument("--scenes", type=int, default=defaults.scenes)
    parser.add_argument("--moved", type=int, default=defaults.moved)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # One core: the machine usually has other work, and the clips are many rather than large.
    cv2.setNumThreads(1)
    options = PrepareOptions(
        pairs_per_clip=arguments.pairs_per_clip,
        clips_per_group=arguments.clips_per_group,
        scenes=arguments.scenes,
        moved=arguments.moved,
    )
    prepare(arguments.data, arguments.cache, options)


if __name__ == "__main__":
    main()
