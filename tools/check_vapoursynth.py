"""Run the checker of ../shared over every VapourSynth function, format and factor.

    python tools/check_vapoursynth.py [--only interpolate] [--checker PATH/run_vpy.sh]

Takes about a quarter of an hour on 2 CPU cores; the tests check the same things in process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKER = ROOT.parent / "shared" / "tools" / "vapoursynth" / "run_vpy.sh"
FORMATS = ("YUV420P8", "YUV420P10", "YUV444P16", "RGBS", "RGBH", "GRAY16")

SCRIPT = """
import vapoursynth as vs
from imf_hosts import vs as imf
from imf_hosts.vs.testcard import moving_card

vs.core.num_threads = 2
vs.core.max_cache_size = 512
given = globals()
moments = range(10)
if case in ("repair", "centre"):
    moments = [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
clip = moving_card(moments, width=96, height=64, format=getattr(vs, form))
if case.startswith("variable"):
    parts = [clip[n].std.AssumeFPS(fpsnum=(24, 30, 50)[n % 3]) for n in range(clip.num_frames)]
    clip = vs.core.std.Splice(parts)
if case == "cut":
    clip = clip[:5] + clip[5:].std.Invert()
source = clip
flow = {"model": "flow"}
if case in ("factor", "variable", "cut"):
    made = imf.interpolate(clip, factor, **flow)
elif case == "rate":
    made = imf.interpolate(clip, fps_num=60000, fps_den=1001, **flow)
elif case in ("slow", "variable_slow"):
    made = imf.slow_motion(clip, factor, **flow)
elif case == "ramp":
    made = imf.retime(clip, [(0, 1), (5, "1/2")], ease="step", **flow)
elif case == "backwards":
    made = imf.retime(clip, [(0, 9), (18, 0)], kind="time", ease="linear", length=19, **flow)
elif case in ("repair", "centre"):
    made = imf.repair_duplicates(clip, place="first" if case == "repair" else "centre", **flow)
elif case in ("replace", "variable_replace"):
    made = imf.replace_frames(clip, [3, (6, 7)], **flow)
elif case == "merge":
    source = clip[:-1]
    levels = [
        vs.core.std.BlankClip(width=16, height=16, format=vs.GRAY8, length=1, color=128 * (n % 2))
        for n in range(source.num_frames)
    ]
    made = imf.merge(source, clip[1:], vs.core.std.Splice(levels), **flow)
elif case == "retarget":
    # The checker wants some frames that are known: those of a still driving clip.
    driving = clip[0] * 6
    made = imf.retarget(clip, driving, model="transport", strength=0)
    source = made[0] * 6
elif case == "scenes":
    made = imf.detect_scenes(clip)
elif case == "duplicates":
    made = imf.detect_duplicates(clip)
made.set_output(0)
source.set_output(1)
"""

CASES: dict[str, tuple[list[str], str]] = {
    "factor 2": (["-p", "IMFInterpolated,IMFSourceIndex,IMFTimeNum,IMFTimeDen"], ""),
    "factor 3": ([], ""),
    "factor 5/2": ([], ""),
    "rate": (["-f", "5/2", "-F", "60000/1001"], ""),
    "variable 5/2": (["-f", "5/2"], ""),
    "variable 3": (["-f", "3"], ""),
    "cut 3": (["-c", "0.4"], ""),
    "slow 5/2": (["-f", "5/2", "--slow"], ""),
    "variable_slow 5/2": (["-f", "5/2", "--slow"], ""),
    "ramp": (["-n", "15", "-f", "3/2", "--slow"], "0 0,1 1,5 5,7 6,9 7,13 9"),
    "backwards": (["-n", "19", "-f", "19/10", "--slow"], "0 9,2 8,18 0"),
    "repair": (["-f", "1", "-p", "IMFDuplicate"], "0 0,2 2,4 4,6 6,8 8,9 9"),
    "centre": (["-f", "1"], "0 0,9 9"),
    "replace": (["-f", "1"], "0 0,1 1,2 2,4 4,5 5,8 8,9 9"),
    "variable_replace": (["-f", "1"], "0 0,1 1,2 2,4 4,5 5,8 8,9 9"),
    "merge": (["-f", "1"], "0 0,2 2,4 4,6 6,8 8"),
    "retarget": (["-f", "1"], ""),
    "scenes": (["-f", "1"], ""),
    "duplicates": (["-f", "1", "-p", "IMFDuplicate,IMFDupScore"], ""),
}
"""Options of the checker for each case, and which output frames are which source frames."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checker", type=Path, default=CHECKER)
    parser.add_argument("--only", default="", help="cases whose name holds one of these")
    parser.add_argument("--formats", default=",".join(FORMATS))
    args = parser.parse_args()
    if not args.checker.is_file():
        print(f"the checker {args.checker} is not here: give --checker", file=sys.stderr)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="imf-vpy-") as folder:
        script = Path(folder, "case.vpy")
        script.write_text(SCRIPT)
        for name in (name for name in CASES if any(part in name for part in args.only.split(","))):
            for form in args.formats.split(","):
                told = run_case(args.checker, script, name, form)
                failed += "PASS" not in told[-1:][0][:4]
                print(f"{name:18} {form:10} {told[-1]}")
                for line in told:
                    if line.startswith("FAIL ") and line is not told[-1]:
                        print(f"    {line}")
                sys.stdout.flush()
    print("all passed" if not failed else f"{failed} failed")
    return 1 if failed else 0


def run_case(checker: Path, script: Path, name: str, form: str) -> list[str]:
    options, mapped = CASES[name]
    case, _, factor = name.partition(" ")
    given = ["-a", f"case={case}", "-a", f"form={form}", "-a", f"factor={factor or 1}"]
    if mapped:
        frames = script.with_name("map.txt")
        frames.write_text(mapped.replace(",", "\n") + "\n")
        given += ["-m", str(frames)]
    roots = [str(ROOT / root) for root in ("", "kernels", "host_integrations")]
    done = subprocess.run(
        ["bash", str(checker), *given, *options, sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(roots), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout.splitlines() or done.stderr.splitlines() or ["no answer"])[-40:]


if __name__ == "__main__":
    sys.exit(main())
