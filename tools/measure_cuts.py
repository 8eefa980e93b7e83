"""Measure the shot-cut detector: false cuts on single-take clips, misses on splices of them.

    python tools/measure_cuts.py ../shared/data/train

Prints, for PySceneDetect's adaptive detector as the engine uses it and for its plain content
detector, the false cuts over all frames and the share of missed splices.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imf_plugin.engine.analysis import CutDetector, small_frames
from imf_plugin.media.read import open_media

_FRAMES = 60
_AROUND = 6


class PlainDetector:
    """PySceneDetect's content detector with its default threshold, one score a frame."""

    def __init__(self) -> None:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import ContentDetector

        self._detector = ContentDetector(min_scene_len=1)
        self._timecode = FrameTimecode
        self._pushed = 0
        self._cuts: list[int] = []

    def push(self, small: NDArray[np.uint8]) -> None:
        found = self._detector.process_frame(self._timecode(self._pushed, fps=25.0), small)
        self._pushed += 1
        self._cuts += [code.frame_num for code in found]

    def finish(self) -> tuple[int, ...]:
        return tuple(self._cuts)


def load(data: Path) -> Iterator[tuple[str, list[NDArray[np.uint8]]]]:
    for file in sorted(data.rglob("*.mp4")):
        with open_media(file) as reader:
            frames = list(islice(small_frames(reader.frames()), _FRAMES))
        if len(frames) >= 2 * _AROUND:
            yield file.stem.rsplit("_", 2)[0], frames


def fit(frames: list[NDArray[np.uint8]], like: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    import cv2

    height, width = like.shape[:2]
    return [np.asarray(cv2.resize(frame, (width, height)), np.uint8) for frame in frames]


def main() -> None:
    clips = list(load(Path(sys.argv[1])))
    frames = sum(len(pictures) for _, pictures in clips)
    for name, kind in (("adaptive", CutDetector), ("content", PlainDetector)):
        false_cuts = 0
        for _, pictures in clips:
            detector = kind()
            for picture in pictures:
                detector.push(picture)
            false_cuts += len(detector.finish())
        splices = missed = 0
        for step in (7, 50):
            for place, (source, before) in enumerate(clips):
                other, after = clips[(place + step) % len(clips)]
                if source == other:
                    continue
                detector = kind()
                for picture in before[-_AROUND:] + fit(after[:_AROUND], before[0]):
                    detector.push(picture)
                splices += 1
                missed += _AROUND not in detector.finish()
        print(
            f"{name:9} {false_cuts} false cuts in {frames} frames of {len(clips)} clips, "
            f"{missed} of {splices} splices missed ({100 * missed / splices:.1f} %)"
        )


if __name__ == "__main__":
    main()
