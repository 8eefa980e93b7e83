"""Memory of a VapourSynth filter over thousands of frames in random order; building a long clip.

    python tools/measure_vapoursynth_memory.py --frames 5000

Prints the resident memory after every tenth of the frames, free pages given back, beside what the
core's own frame cache (limited to 64 MiB here) and the keyframe cache held.
"""

import argparse
import ctypes
import random
import sys
import time

import psutil
import vapoursynth as vs

from imf_hosts.vs import feature_stats, interpolate
from imf_hosts.vs.testcard import moving_card


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--model", default="flow")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=180)
    args = parser.parse_args()
    vs.core.num_threads, vs.core.max_cache_size = 2, 64
    clip = moving_card(range(args.frames // 2), width=args.width, height=args.height)
    made = interpolate(clip, 2, model=args.model)
    process = psutil.Process()
    order = list(range(made.num_frames))
    random.Random(1).shuffle(order)
    step = len(order) // 10
    # Several requests at a time, as a previewer makes them.
    for start in range(0, len(order), 4):
        for future in [made.get_frame_async(number) for number in order[start : start + 4]]:
            future.result().close()
        if start % step < 4:
            held = feature_stats(made)
            ctypes.CDLL(None).malloc_trim(0)
            print(
                f"{start:6d} frames: {process.memory_info().rss / 2**20:6.0f} MiB resident, "
                f"frame cache {vs.core.used_cache_size / 2**20:.0f} MiB, "
                f"{held['kept']} keyframes of {held['kept_bytes'] / 2**20:.1f} MiB"
            )
            sys.stdout.flush()
    began = time.perf_counter()
    endless = interpolate(vs.core.std.Loop(clip, 0)[: 2**31 - 1], 2, model=args.model)
    print(f"{endless.num_frames} frames built in {time.perf_counter() - began:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
