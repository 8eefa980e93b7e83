"""Kill a render at five random moments and check that it ends in the same file.

    python tools/check_resume.py clip.mp4

Renders `imf slowmo CLIP -x 4 --codec ffv1` once in peace, and once killed (SIGKILL) five times at
random moments and started again; compares the two frame by frame, decoded by the ffmpeg binary.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from check_source_frames import frame_digests

_KILLS = 5


def main() -> None:
    """Check one clip; exit 1 if the files differ."""
    with tempfile.TemporaryDirectory() as work:
        whole, killed = Path(work, "whole.mkv"), Path(work, "killed.mkv")
        command = [sys.executable, "-m", "imf_plugin.cli.main", "slowmo", sys.argv[1], "-x", "4"]
        command += ["--codec", "ffv1", "--quiet", "-o"]
        started = time.monotonic()
        subprocess.run([*command, str(whole)], check=True)
        seconds = time.monotonic() - started
        for number in range(_KILLS):
            process = subprocess.Popen([*command, str(killed)])
            moment = random.uniform(0.1, 0.8) * seconds / (number + 1) + 0.5
            time.sleep(moment)
            process.kill()
            process.wait()
            parts = len(list(Path(work, ".killed.mkv.imf-parts").glob("part-*")))
            print(f"killed after {moment:.1f} s of {seconds:.1f} s; {parts} parts are finished")
        if not killed.exists():
            subprocess.run([*command, str(killed)], check=True)
        first, second = frame_digests(whole), frame_digests(killed)
    same = first == second
    print(f"{len(first)} frames: {'identical' if same else 'DIFFERENT'}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
