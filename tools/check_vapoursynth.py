"""Run the checker of ../shared over every VapourSynth function, format, factor and kind of rate.

    python tools/check_vapoursynth.py [--only interpolate] [--formats RGBS,GRAY16] [--full]

The checker, `run_vpy.sh`, runs the real vspipe with 1, 4 and 8 requests and asks for frames in a
shuffled order. It fails if bytes differ, if source frames are not passed through, if durations or
properties are wrong, and if nothing comes for five minutes.

Each of its seven processes takes a second to import PyTorch. So every case is run alone in the
first format only; in the others, all cases come one after the other in one clip, of which it is
told which frames are source frames (`--full` runs them alone there as well). Besides, every case is
run in every format in this process: in a forward pass no keyframe may be encoded twice, and frames
asked for in a shuffled order must be the same.
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
from fractions import Fraction
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

    def source_frames(self, count: int) -> list[tuple[int, int]]:
        """Return pairs of output frames and the source frames that they must be.

        Args:
            count: Number of output frames.
        """
        if self.frames:
            pairs = (pair.split() for pair in self.frames.split(","))
            return [(int(made), int(source)) for made, source in pairs]
        factor = Fraction(self.options[self.options.index("-f") + 1])
        positions = ((number, number / factor) for number in range(count))
        return [(number, int(at)) for number, at in positions if at.denominator == 1]


def cases() -> Iterator[Case]:
    """Return all cases."""
    for factor in ("2", "3", "5/2"):
        told = ("-f", factor, *STATED)
        yield Case(name=f"interpolate x{factor}", options=told)
        yield Case(name=f"slow_motion x{factor}", options=(*told, "--slow"))
    yield Case(name=f"interpolate {RATE}", options=("-f", "5/2", "-F", "60000/1001"))
    yield Case(name=f"slow_motion {RATE}", options=("-f", "5"))
    yield Case(name="interpolate x3 over a cut", options=("-f", "3", "-c", "0.4"))
    yield Case(name="interpolate x3 with a mask", options=("-f", "3"))
    yield Case(name="interpolate x3 with context 2", options=("-f", "3"))
    slow = "--slow"
    yield Case(name="retime a ramp", options=("-f", "3/2", slow), frames="0 0,1 1,5 5,7 6,9 7,13 9")
    yield Case(name="retime backwards", options=("-f", "19/10", slow), frames="0 9,2 8,18 0")
    yield Case(name="retime motion blur", options=("-f", "2", slow), frames="19 9")
    yield Case(name=f"retime {RATE}", options=("-f", "5/2", "-F", "60000/1001"))
    for rate in ("", ", variable rate"):
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
            yield Case(name=name + rate, options=("-f", "1", *told), frames=frames)
        if not rate:
            told = ("-f", "5/2", *STATED)
            yield Case(name="interpolate x5/2, variable rate", options=told)
            yield Case(name="slow_motion x5/2, variable rate", options=(*told, "--slow"))


def counting(model: Any, method: str, encoded: Counter[bytes]) -> Any:
    """Return a model whose encoding method notes each picture that it is given."""
    encode = getattr(model, method)

    def counted(frames: Any, *args: Any) -> Any:
        encoded[hashlib.sha1(frames.cpu().numpy().tobytes()).digest()] += 1
        return encode(frames, *args)

    setattr(model, method, counted)
    return model


def passes(case: Case, form: str) -> list[str]:
    """Run through a case in this process, in order and in a shuffled one, and return complaints."""
    import vapoursynth as vs

    from imf_plugin.models.registry import load_interpolator, load_retargeter

    encoded: Counter[bytes] = Counter()
    flow = load_interpolator("flow", device="cpu", precision="fp32")
    transport = load_retargeter("transport", device="cpu", precision="fp32")
    given = {
        "cases": case.name,
        "form": form,
        "model": counting(flow, "encode", encoded),
        "puppeteer": counting(transport, "encode_tokens", encoded),
    }

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
    found = [f"a keyframe was encoded {most} times"] if most > 1 else []
    return found if is_same else [*found, "frames depend on the order in which they are asked for"]


def lengths(chosen: Sequence[Case]) -> list[tuple[int, int]]:
    """Return the numbers of output and source frames of each case."""
    import vapoursynth as vs

    found = []
    for case in chosen:
        given = {"cases": case.name, "form": "GRAY16"}
        runpy.run_path(str(SCRIPT), init_globals=given, run_name="__vapoursynth__")
        found.append((vs.get_output(0).clip.num_frames, vs.get_output(1).clip.num_frames))
        vs.clear_outputs()
    return found


def reel(chosen: Sequence[Case]) -> Case:
    """Return all cases one after the other as one."""
    made = source = 0
    pairs: list[tuple[int, int]] = []
    for case, (made_count, source_count) in zip(chosen, lengths(chosen), strict=True):
        pairs += [(made + out, source + at) for out, at in case.source_frames(made_count)]
        made, source = made + made_count, source + source_count
    return Case(
        name=";".join(case.name for case in chosen),
        options=("-f", "1", "-F", "0", "-n", str(made)),
        frames=",".join(f"{out} {at}" for out, at in pairs),
    )


def check(checker: Path, case: Case, form: str) -> list[str]:
    """Run the checker and return its complaints, the verdict first."""
    given = ["-a", f"cases={case.name}", "-a", f"form={form}"]
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
    if done.returncode == 0:
        return []
    told = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    return told[::-1] + done.stderr.splitlines()[-20:]


def main() -> int:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checker", type=Path, default=CHECKER)
    parser.add_argument("--only", default="", help="cases whose name holds one of these")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--full", action="store_true", help="run cases alone in every format")
    parser.add_argument("--jobs", type=int, default=2, help="checkers run at a time")
    args = parser.parse_args()
    if not args.checker.is_file():
        print(f"the checker {args.checker} is not here: give --checker", file=sys.stderr)
        return 2
    began, formats = time.monotonic(), args.formats.split(",")
    chosen = [case for case in cases() if any(part in case.name for part in args.only.split(","))]
    alone = formats if args.full else formats[:1]
    failures: list[str] = []
    with ThreadPoolExecutor(args.jobs) as pool:
        whole = reel(chosen)
        reels = {f: pool.submit(check, args.checker, whole, f) for f in formats if f not in alone}
        told = {
            (case, form): pool.submit(check, args.checker, case, form)
            for case in chosen
            for form in alone
        }
        print("| case | " + " | ".join(formats) + " |\n" + "|---" * (len(formats) + 1) + "|")
        for case in chosen:
            cells = []
            for form in formats:
                found = told[case, form].result() if form in alone else []
                found = [*found, *passes(case, form)]
                cells.append("FAILS" if found else "ok")
                failures += [f"{case.name}, {form}: {line}" for line in found]
            print(f"| {case.name} | " + " | ".join(cells) + " |", flush=True)
        cells = []
        for form in formats:
            found = reels[form].result() if form in reels else []
            cells.append("FAILS" if found else "ok" if form in reels else "each alone")
            failures += [f"all in one clip, {form}: {line}" for line in found]
        print("| all in one clip | " + " | ".join(cells) + " |")
    minutes = (time.monotonic() - began) / 60
    print("\n".join(failures), file=sys.stderr)
    print(
        f"\n{len(chosen)} cases in {len(formats)} formats, {len(told) + len(reels)} runs of the "
        f"checker, {len(failures)} complaints, {minutes:.1f} minutes"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.path[:0] = ROOTS
    sys.exit(main())
