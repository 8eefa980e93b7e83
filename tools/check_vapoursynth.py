"""Run the checker of ../shared over every VapourSynth function, format, factor and kind of rate.

    python tools/check_vapoursynth.py [--only interpolate] [--formats RGBS] [--jobs 2]

Of every case and format it is shown that the checker, `run_vpy.sh`, passes, which runs the real
vspipe with 1, 4 and 8 requests and fails if bytes differ, if source frames are not passed through,
if durations or properties are wrong, and if nothing comes for five minutes; that in one forward
pass no keyframe is encoded twice; and that frames asked for in a shuffled order are the same.
Shuffling is done here, in one process, and by the checker for the first format only: each of its
processes takes a second to import PyTorch.
"""

import argparse
import hashlib
import os
import random
import runpy
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROOTS = [str(ROOT / root) for root in ("", "kernels", "host_integrations")]
CHECKER = ROOT.parent / "shared" / "tools" / "vapoursynth" / "run_vpy.sh"
SCRIPT = Path(__file__).with_suffix(".vpy")
FORMATS = ("YUV420P8", "YUV420P10", "YUV444P16", "RGBS", "RGBH", "GRAY16")

STATED = ["-p", "IMFInterpolated,IMFSourceIndex,IMFTimeNum,IMFTimeDen"]
RATE = "24000/1001 to 60000/1001"
REPAIRED = "0 0,2 2,4 4,6 6,8 8"
REPLACED = "0 0,1 1,2 2,4 4,5 5,8 8,9 9"
MERGED = "0 0,2 2,3 4,4 4,6 6,8 8"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call of a function, and what the checker is to expect of it."""

    name: str
    """The function and how it is called, as `SCRIPT` understands it."""
    options: tuple[str, ...]
    """Options of the checker."""
    frames: str = ""
    """Which output frames are which source frames, where the factor does not say."""
    is_variable: bool = False
    """Whether every source frame has a duration of its own."""

    @property
    def title(self) -> str:
        """The name as it stands in the table."""
        return f"{self.name}, variable rate" if self.is_variable else self.name

    @property
    def script_arguments(self) -> dict[str, str]:
        """What the script is told, but for the format."""
        return {"case": self.name, **({"variable": "1"} if self.is_variable else {})}


def cases() -> Iterator[Case]:
    """Return all cases."""
    for factor in ("2", "3", "5/2"):
        told = ("-f", factor, *STATED)
        yield Case(name=f"interpolate x{factor}", options=told)
        yield Case(name=f"slow_motion x{factor}", options=(*told, "--slow"))
    told = ("-f", "5/2", *STATED)
    yield Case(name="interpolate x5/2", options=told, is_variable=True)
    yield Case(name="slow_motion x5/2", options=(*told, "--slow"), is_variable=True)
    yield Case(name=f"interpolate {RATE}", options=("-f", "5/2", "-F", "60000/1001"))
    yield Case(name=f"slow_motion {RATE}", options=("-f", "5"))
    yield Case(name="interpolate x3 over a cut", options=("-f", "3", "-c", "0.4"))
    yield Case(name="interpolate x3 with a mask", options=("-f", "3"))
    yield Case(
        name="retime a ramp", options=("-f", "3/2", "--slow"), frames="0 0,1 1,5 5,7 6,9 7,13 9"
    )
    yield Case(name="retime backwards", options=("-f", "19/10", "--slow"), frames="0 9,2 8,18 0")
    yield Case(name="retime motion blur", options=("-f", "2", "--slow"), frames="19 9")
    yield Case(name=f"retime {RATE}", options=("-f", "5/2", "-F", "60000/1001"))
    for is_variable in (False, True):
        for name, frames in (
            ("repair_duplicates first", REPAIRED),
            ("repair_duplicates centre", "0 0"),
            ("replace_frames", REPLACED),
            ("merge", MERGED),
            ("retarget at rest", ""),
            ("retarget in motion", "0 0"),
            ("detect_scenes", ""),
            ("detect_duplicates", ""),
        ):
            told = ("-p", "IMFDuplicate,IMFDupScore") if name == "detect_duplicates" else ()
            yield Case(
                name=name, options=("-f", "1", *told), frames=frames, is_variable=is_variable
            )


def counting(model: Any, method: str, encoded: Counter[bytes]) -> Any:
    """Return a model whose encoding method notes each picture that it is given."""
    encode = getattr(model, method)

    def counted(frames: Any, *args: Any) -> Any:
        encoded[hashlib.sha1(frames.cpu().numpy().tobytes()).digest()] += 1
        return encode(frames, *args)

    setattr(model, method, counted)
    return model


def passes(case: Case, form: str) -> tuple[int, bool]:
    """Run through a case in this process, in order and in a shuffled one.

    Returns:
        How often the most encoded keyframe of the pass in order was encoded, and whether the
        frames of both passes are the same.
    """
    import vapoursynth as vs

    from imf_plugin.models.registry import load_interpolator, load_retargeter

    encoded: Counter[bytes] = Counter()
    flow = load_interpolator("flow", device="cpu", precision="fp32")
    transport = load_retargeter("transport", device="cpu", precision="fp32")
    models = {
        "model": counting(flow, "encode", encoded),
        "puppeteer": counting(transport, "encode_tokens", encoded),
    }
    given = case.script_arguments | {"form": form} | models

    def build() -> Any:
        runpy.run_path(str(SCRIPT), init_globals=given, run_name="__vapoursynth__")
        made = vs.get_output(0).clip
        vs.clear_outputs()
        return made

    def samples(frame: Any) -> bytes:
        with frame:
            return hashlib.sha1(b"".join(bytes(plane) for plane in frame)).digest()

    ordered = build()
    # What a script itself encodes, such as the frame that stands as the reference stands, is done.
    encoded.clear()
    wanted = [samples(frame) for frame in ordered.frames(prefetch=4)]
    most = max(encoded.values(), default=0)
    anew, numbers = build(), [*range(len(wanted))] * 2
    random.Random(len(wanted)).shuffle(numbers)
    is_same = True
    for start in range(0, len(numbers), 4):
        asked = [(n, anew.get_frame_async(n)) for n in numbers[start : start + 4]]
        is_same &= all([samples(future.result()) == wanted[n] for n, future in asked])
    return most, is_same


def check(checker: Path, case: Case, form: str, more: Sequence[str]) -> list[str]:
    """Run the checker and return the lines that it wrote, its verdict last."""
    given = [*more]
    given += [
        part
        for name, value in (case.script_arguments | {"form": form}).items()
        for part in ("-a", f"{name}={value}")
    ]
    with tempfile.TemporaryDirectory(prefix="imf-vpy-") as folder:
        if case.frames:
            listed = Path(folder, "map.txt")
            listed.write_text(case.frames.replace(",", "\n") + "\n")
            given += ["-m", str(listed)]
        done = subprocess.run(
            ["bash", str(checker), *given, *case.options, sys.executable, str(SCRIPT)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(ROOTS), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    return (done.stdout.splitlines() or done.stderr.splitlines() or ["no answer"])[-40:]


def main() -> int:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checker", type=Path, default=CHECKER)
    parser.add_argument("--only", default="", help="cases whose name holds one of these")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--jobs", type=int, default=2, help="cases run at a time")
    args = parser.parse_args()
    if not args.checker.is_file():
        print(f"the checker {args.checker} is not here: give --checker", file=sys.stderr)
        return 2
    began, formats = time.monotonic(), args.formats.split(",")
    chosen = [case for case in cases() if any(part in case.title for part in args.only.split(","))]
    failures: list[str] = []
    print("| case | " + " | ".join(formats) + " |\n" + "|---" * (len(formats) + 1) + "|")
    with ThreadPoolExecutor(args.jobs) as pool:
        told = {
            (case, form): pool.submit(
                check, args.checker, case, form, () if form == formats[0] else ("--seek", "0")
            )
            for case in chosen
            for form in formats
        }
        for case in chosen:
            cells = []
            for form in formats:
                lines = told[case, form].result()
                found = [] if lines[-1].startswith("PASS") else [lines[-1], *lines[:-1]]
                encodes, is_same = passes(case, form)
                if encodes > 1:
                    found.append(f"a keyframe was encoded {encodes} times")
                if not is_same:
                    found.append("frames depend on the order in which they are asked for")
                cells.append("FAILS" if found else "ok")
                failures += [f"{case.title}, {form}: {line}" for line in found]
            print(f"| {case.title} | " + " | ".join(cells) + " |", flush=True)
    minutes = (time.monotonic() - began) / 60
    print("\n".join(failures), file=sys.stderr)
    print(
        f"\n{len(chosen) * len(formats)} runs of {len(chosen)} cases, {len(failures)} complaints, "
        f"{minutes:.1f} minutes"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.path[:0] = ROOTS
    sys.exit(main())
