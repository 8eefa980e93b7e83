"""Gather the clips that training never sees, to bench on.

    python tools/held_out_clips.py ../shared/data/train HELD_OUT
    imf bench HELD_OUT --models imf-vfi-lite,flow --context both --peers

Makes a folder of links to at most two clips of every source that training.prepare holds
out for validation.
"""

import argparse
from collections import Counter
from pathlib import Path

from imf_plugin.training.footage import find_videos
from imf_plugin.training.prepare import groups_of, is_held_out

CLIPS_PER_SOURCE = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    groups, taken = groups_of(arguments.data), Counter[str]()
    for name, path in sorted(find_videos(arguments.data).items()):
        group = groups.get(path.name, name)
        if is_held_out(group) and taken[group] < CLIPS_PER_SOURCE:
            taken[group] += 1
            link = arguments.output / path.name
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
            print(path.name)


if __name__ == "__main__":
    main()
