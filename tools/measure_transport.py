"""Measures what docs/design/transport.md says of tokens: size, corrections, packing.

    python tools/measure_transport.py ../shared/data/train/faces/*.mp4

Each clip is played on its first frame, five frames spread over up to 90.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import imf_plugin.models.transport.motion as motion
from imf_plugin.bench.metrics import psnr
from imf_plugin.media.read import open_media
from imf_plugin.models.transport.motion import motion_spline
from imf_plugin.models.transport.spline import Spline, expand
from imf_plugin.motion.flow import pixel_grid, sample
from imf_plugin.motion.token_codec import pack_tokens, unpack_tokens

FRAMES = 5
LONGEST = 90
POINTS = 32

type Picture = NDArray[np.uint8]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    clips = [_frames(path) for path in parser.parse_args().clips]
    copied = [psnr(clip[0], frame) for clip in clips for frame in clip[1:]]
    print(f"copying: {np.mean(copied):.2f} dB over {len(copied)} frames of {len(clips)} clips")
    for corrections in (0, 1, 2, 3):
        motion.CORRECTIONS = corrections
        print(f"{POINTS} points, {corrections} corrections: {_mean(clips, POINTS):.2f} dB")
    motion.CORRECTIONS = 2
    for points in (8, 16, 24, 48, 64):
        print(f"{points} points, 2 corrections: {_mean(clips, points):.2f} dB")
    _print_packing(clips[:3])


def _frames(path: Path) -> list[Picture]:
    with open_media(path) as reader:
        last = min(reader.info.frame_count, LONGEST) - 1
        numbers = np.linspace(0, last, FRAMES + 1).round().astype(int)
        return [
            np.ascontiguousarray(reader.frame(int(n)).rgb()[..., :3], np.uint8) for n in numbers
        ]


def _grey(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _played(reference: Picture, spline: Spline) -> Picture:
    height, width = reference.shape[:2]
    positions = pixel_grid(height, width) + expand(spline, (height, width))
    return np.asarray(sample(reference, positions, interpolation=cv2.INTER_CUBIC), np.uint8)


def _mean(clips: list[list[Picture]], points: int) -> float:
    found = []
    for first, *rest in clips:
        for frame in rest:
            spline = motion_spline(_grey(first), _grey(frame), points)
            found.append(psnr(_played(first, spline), frame))
    return float(np.mean(found))


def _print_packing(clips: list[list[Picture]]) -> None:
    """Pack each clip's few tokens; real tracks are denser in time and pack a little better."""
    for bits in (8, 9, 10, 12, 16):
        sizes, found = [], []
        for first, *rest in clips:
            splines = np.stack(
                [motion_spline(_grey(first), _grey(frame), POINTS) for frame in rest]
            )
            tokens = torch.from_numpy(np.ascontiguousarray(splines.transpose(0, 3, 1, 2)))
            packed = pack_tokens(tokens, bits)
            sizes.append(len(packed) / len(rest))
            again = unpack_tokens(packed, len(rest), tuple(tokens.shape[1:])).numpy()
            played = [_played(first, np.ascontiguousarray(t.transpose(1, 2, 0))) for t in again]
            found += [psnr(made, frame) for made, frame in zip(played, rest, strict=True)]
        print(f"{bits} bits: {np.mean(sizes):.0f} bytes a frame, {np.mean(found):.2f} dB")


if __name__ == "__main__":
    main()
