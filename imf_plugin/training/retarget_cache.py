"""The cache of retargeting: small clips as plain arrays, with the motion back to some references.

One folder per clip::

    NAME/frames.npy    uint8   [N, H, W, 3]         RGB, short side `CACHE_SIDE_PX`
    NAME/driving.npy   uint8   [N, H, W, 3]         figures only: the same poses in other looks
    NAME/flows.npy     float16 [R, K, H/2, W/2, 2]  from frame ``currents[r][k]`` to frame
                                                    ``references[r]``, in px of the full frame;
                                                    NaN where the reference does not show it
    NAME/clip.json     kind, group, held_out, references, currents
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imf_plugin.errors import MediaError

CACHE_SIDE_PX = 160
"""Short side of the frames."""

KINDS = ("face", "person", "figure", "general")


@dataclass(frozen=True, kw_only=True)
class RetargetClip:
    """One clip of the cache; arrays are mapped on first use."""

    folder: Path
    kind: str
    """One of `KINDS`."""
    group: str
    """What it was cut from; clips of one group are sampled as one."""
    held_out: bool
    references: tuple[int, ...]
    currents: tuple[tuple[int, ...], ...]
    """For each reference the frames whose motion to it is known."""

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """The frames, ``[N, H, W, 3]``."""
        frames: NDArray[np.uint8] = np.load(self.folder / "frames.npy", mmap_mode="r")
        return frames

    @cached_property
    def driving(self) -> NDArray[np.uint8]:
        """The frames that tokens are read from; those of the clip unless another has its pose."""
        path = self.folder / "driving.npy"
        if not path.exists():
            return self.frames
        frames: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        return frames

    @cached_property
    def flows(self) -> NDArray[np.float16]:
        """The flows to the references, ``[R, K, H/2, W/2, 2]``."""
        flows: NDArray[np.float16] = np.load(self.folder / "flows.npy", mmap_mode="r")
        return flows


def write_retarget_clip(
    clip: RetargetClip,
    frames: NDArray[np.uint8],
    flows: NDArray[np.float16],
    driving: NDArray[np.uint8] | None = None,
) -> None:
    """Write one clip; its ``clip.json`` comes last, so that half a clip is never read."""
    clip.folder.mkdir(parents=True, exist_ok=True)
    np.save(clip.folder / "frames.npy", frames)
    np.save(clip.folder / "flows.npy", flows)
    if driving is not None:
        np.save(clip.folder / "driving.npy", driving)
    content = {
        "kind": clip.kind,
        "group": clip.group,
        "held_out": clip.held_out,
        "references": clip.references,
        "currents": clip.currents,
    }
    (clip.folder / "clip.json").write_text(json.dumps(content))


def read_retarget_cache(folder: Path) -> list[RetargetClip]:
    """Return the clips of a cache, in the order of their names.

    Raises:
        MediaError: If there are none.
    """
    clips = []
    for path in sorted(folder.glob("*/clip.json")):
        content = json.loads(path.read_text())
        clips.append(
            RetargetClip(
                folder=path.parent,
                kind=content["kind"],
                group=content["group"],
                held_out=content["held_out"],
                references=tuple(content["references"]),
                currents=tuple(tuple(row) for row in content["currents"]),
            )
        )
    if not clips:
        raise MediaError(
            f"there is no retargeting cache in {folder}; write one with "
            "`imf train retarget --data CLIPS`"
        )
    return clips
