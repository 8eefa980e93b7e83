"""The subcommand demo: slow motion of a rendered scene whose truth is known, or of your clip."""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imf_plugin.cli.console import ProgressDisplay
from imf_plugin.cli.options import add_quiet
from imf_plugin.cli.retiming import Subparsers
from imf_plugin.engine.functions import slow_motion
from imf_plugin.engine.progress import ProgressCallback, ProgressMeter
from imf_plugin.errors import OutputRefused
from imf_plugin.timeline.rational import parse_factor

type Picture = NDArray[np.uint8]

_TALLEST_PX = 360
_ROW = "{:28} {:>9} {:>8} {:>8}"


def add_commands(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "demo",
        help="see slow motion of a rendered scene, or of your own clip",
        description="Make slow motion of a rendered scene, score it against the true frames that "
        "only a renderer knows, and show both side by side; or do the same with your own clip.",
        epilog="examples:\n  imf demo\n  imf demo holiday.mp4 --factor 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", nargs="?", metavar="CLIP", help="your own clip")
    parser.add_argument("-x", "--factor", default="4", metavar="N", help="default 4")
    parser.add_argument("-o", "--output-dir", default="demo", metavar="DIR", help="default ./demo")
    parser.add_argument("--model", default="auto", metavar="NAME", help="see 'imf models'")
    add_quiet(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    factor = parse_factor(args.factor)
    folder = Path(args.output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(f"the folder {folder} cannot be made: {error.strerror}") from None
    with ProgressDisplay(quiet=args.quiet) as display:
        clip = Path(args.clip) if args.clip else _render_scene(folder / "scene.mp4", display)
        mark = str(factor).replace("/", "-")
        slow = folder / f"{clip.stem}_x{mark}.mp4"
        slow_motion(clip, slow, factor=factor, model=args.model, overwrite=True, progress=display)
        both = folder / f"{clip.stem}_x{mark}_side_by_side.mp4"
        if args.clip:
            _write_video(both, _beside_held(clip, slow, factor))
            legend = "left: every source frame held; right: imf"
        else:
            _print_scores(slow, clip, factor, both, display)
            legend = "left: every source frame held; middle: imf; right: the truth"
    print(f"slow motion: {slow}\nside by side ({legend}): {both}")
    return 0


def _render_scene(path: Path, progress: ProgressCallback) -> Path:
    """Render the demo scene at its normal speed."""
    from imf_plugin.training.scenes import DEMO_FRAME_RATE, DEMO_SECONDS, demo_scene, render

    scene, count = demo_scene(), DEMO_SECONDS * DEMO_FRAME_RATE
    meter = ProgressMeter("scene", count, progress)

    def frames() -> Iterator[Picture]:
        for number in range(count):
            yield _to_8_bit(render(scene, number / DEMO_FRAME_RATE))
            meter.advance()

    _write_video(path, frames(), rate=Fraction(DEMO_FRAME_RATE))
    return path


def _print_scores(
    slow: Path, clip: Path, factor: Fraction, both: Path, progress: ProgressCallback
) -> None:
    """Compare with the truth, print the scores and write the three pictures side by side."""
    from imf_plugin.bench.metrics import Score, mean_score, score
    from imf_plugin.media.read import open_media
    from imf_plugin.training.scenes import DEMO_FRAME_RATE, demo_scene, render

    scene = demo_scene()
    ours: list[Score] = []
    blends: list[Score] = []
    with open_media(slow) as made, open_media(clip) as source:
        last = source.info.frame_count - 1
        meter = ProgressMeter("compare", made.info.frame_count, progress)

        def panels() -> Iterator[Picture]:
            for frame in made.frames():
                position = min(frame.index / factor, Fraction(last))
                before = _rgb(source.frame(int(position)).rgb())
                truth = _to_8_bit(render(scene, float(position / DEMO_FRAME_RATE)))
                result = _rgb(frame.rgb())
                if position.denominator != 1:
                    after = _rgb(source.frame(int(position) + 1).rgb())
                    share = float(position % 1)
                    blend = np.rint(before * (1 - share) + after * share).astype(np.uint8)
                    ours.append(score(result, truth))
                    blends.append(score(blend, truth))
                yield np.hstack([before, result, truth])
                meter.advance()

        _write_video(both, panels(), rate=Fraction(DEMO_FRAME_RATE))
    print(_ROW.format(f"{len(ours)} in-between frames", "PSNR dB", "SSIM", "IE"))
    for name, scores in (("imf", ours), ("frame blending", blends)):
        mean = mean_score(scores)
        figures = f"{mean.psnr_db:.2f}", f"{mean.ssim:.4f}", f"{mean.interpolation_error:.2f}"
        print(_ROW.format(name, *figures))


def _beside_held(clip: Path, slow: Path, factor: Fraction) -> Iterator[Picture]:
    """Yield the source with held frames and the slow motion, side by side, reduced if large."""
    import cv2

    from imf_plugin.media.read import open_media

    with open_media(slow) as made, open_media(clip) as source:
        height = min(_TALLEST_PX, made.info.height) // 2 * 2
        width = round(made.info.width * height / made.info.height / 2) * 2
        last = source.info.frame_count - 1
        for frame in made.frames():
            held = source.frame(min(int(frame.index / factor), last)).rgb()
            pair = [
                np.asarray(cv2.resize(_rgb(pixels), (width, height), interpolation=cv2.INTER_AREA))
                for pixels in (held, frame.rgb())
            ]
            yield np.hstack(pair).astype(np.uint8)


def _write_video(path: Path, frames: Iterable[Picture], rate: Fraction = Fraction(24)) -> None:
    """Encode pictures as H.264 that plays everywhere."""
    from imf_plugin.media.codecs import EncodeSettings
    from imf_plugin.media.color import array_to_packed
    from imf_plugin.media.info import ColorTags
    from imf_plugin.media.join import join_parts
    from imf_plugin.media.mux import finish
    from imf_plugin.media.write import PartWriter, PictureShape

    settings = EncodeSettings(
        codec="h264",
        encoder="libx264",
        pixel_format="yuv420p",
        options=(("preset", "medium"), ("crf", "12")),
    )
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".imf-demo-") as work:
        part, writer, count = Path(work, "part.mkv"), None, 0
        for picture in frames:
            if writer is None:
                shape = PictureShape(
                    width=picture.shape[1],
                    height=picture.shape[0],
                    frame_rate=rate,
                    color=ColorTags(),
                )
                writer = PartWriter(part, shape=shape, settings=settings)
            writer.write(array_to_packed(picture))
            count += 1
        if writer is None:
            raise OutputRefused(f"{path} would have no frames")
        writer.close()
        times = [number / rate for number in range(count)]
        joined = join_parts([part], times, [1 / rate] * count, Path(work, "joined.mp4"))
        finish(joined, None, path)


def _to_8_bit(picture: NDArray[np.float32]) -> Picture:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _rgb(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Picture:
    """Return pixels as 8-bit RGB without alpha."""
    colours = pixels[..., :3]
    shift = 0 if colours.dtype == np.uint8 else 8
    return (colours >> shift).astype(np.uint8)
