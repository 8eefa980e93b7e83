"""Check that lossless slow motion gives every source frame back, bit for bit.

    python tools/check_source_frames.py ../shared/data/dev/clips

Renders each clip with `imf slowmo -x 2 --codec ffv1` and compares the output's even frames with
the source's, both decoded by the ffmpeg binary, not by our own reader.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from imf_plugin.media.ffmpeg import locate_ffmpeg


def frame_digests(path: Path) -> list[str]:
    """Return a digest of each frame as ffmpeg decodes it to 8-bit RGB."""
    command = [
        locate_ffmpeg().path,
        "-v",
        "error",
        "-i",
        f"file:{path}",
        "-fps_mode",
        "passthrough",
    ]
    command += ["-pix_fmt", "rgb24", "-f", "framemd5", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split(",")[-1].strip() for line in said.splitlines() if not line.startswith("#")]


def main() -> None:
    """Check every clip below the folder; exit 1 if one fails."""
    failed = False
    folder = Path(sys.argv[1])
    clips = [folder] if folder.is_file() else sorted(folder.rglob("*.mp4"))
    for clip in clips:
        with tempfile.TemporaryDirectory() as work:
            out = Path(work, "out.mkv")
            command = [sys.executable, "-m", "imf_plugin.cli.main", "slowmo", str(clip), "-x", "2"]
            subprocess.run([*command, "--codec", "ffv1", "--quiet", "-o", str(out)], check=True)
            source, made = frame_digests(clip), frame_digests(out)
        exact = made[::2] == source
        counted = len(made) == 2 * len(source)
        failed |= not (exact and counted)
        print(
            f"{clip.name:40} {len(source):4} frames become {len(made):4}; "
            f"source frames {'bit-exact' if exact else 'DIFFER'}"
        )
    print(f"{len(clips)} clips: {'FAILED' if failed else 'all exact'}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
