"""What a token track costs in bytes, against H.264 of the same quality.

A track and one JPEG of its anchor frame are a very small video. Both are decoded and compared
with the clip; H.264 (libx264, preset medium) is encoded at the CRF whose PSNR comes nearest.
"""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from imf_plugin.bench.metrics import Score, mean_score, score
from imf_plugin.engine.pixels import Pixels, to_pixels, to_tensor
from imf_plugin.engine.progress import CancelToken, ProgressCallback, ProgressMeter
from imf_plugin.engine.retarget_functions import load_retargeter, model_of_track
from imf_plugin.engine.retargeting import Retargeting
from imf_plugin.errors import PlanError
from imf_plugin.media.codecs import EncodeSettings
from imf_plugin.media.color import array_to_packed
from imf_plugin.media.info import ColorTags
from imf_plugin.media.read import Reader, open_media
from imf_plugin.media.write import PartWriter, PictureShape
from imf_plugin.motion.track_files import TrackFile

JPEG_QUALITY = 75
_BEST_CRF, _WORST_CRF = 10, 51


@dataclass(frozen=True, kw_only=True)
class TrackRate:
    """Bytes and quality of a track with its picture, and of H.264."""

    frames: int
    seconds: float
    track_bytes: int
    """Size of the track's file."""
    picture_bytes: int
    """Size of the anchor frame as JPEG."""
    score: Score
    """The played track against the clip."""
    h264_crf: int
    h264_bytes: int
    """Sum of the packets at that CRF, without container."""
    h264_score: Score

    def __str__(self) -> str:
        """Return it as lines for people."""
        ours = self.track_bytes + self.picture_bytes
        return "\n".join(
            (
                f"track + JPEG  {ours:>9,} bytes ({self.track_bytes:,} + {self.picture_bytes:,}), "
                f"{self._rate(ours)}, PSNR {self.score.psnr_db:.2f} dB, SSIM {self.score.ssim:.4f}",
                f"H.264 crf {self.h264_crf:<3} {self.h264_bytes:>9,} bytes, "
                f"{self._rate(self.h264_bytes)}, PSNR {self.h264_score.psnr_db:.2f} dB, "
                f"SSIM {self.h264_score.ssim:.4f}",
                f"the track needs {ours / self.h264_bytes:.2f} times the bytes of H.264",
            )
        )

    def _rate(self, size_bytes: int) -> str:
        return f"{size_bytes * 8 / 1000 / self.seconds:.1f} kbit/s"


def track_rate(
    track: Path,
    clip: Path,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> TrackRate:
    """Compare a track with H.264 on the clip that it was encoded from.

    Raises:
        PlanError: If the clip is not that of the track.
        ImfError: If anything else of the world is in the way.
    """
    file = TrackFile(track)
    model = model_of_track(file.header, load_retargeter(file.header.model))
    with open_media(clip) as reader:
        if reader.info.frame_count != file.count:
            raise PlanError(
                f"{clip} has {reader.info.frame_count} frames and the track {track} {file.count}; "
                "give the clip that the track was encoded from"
            )
        size, wanted = (reader.info.width, reader.info.height), file.header.driving_size
        if wanted and wanted != size:
            raise PlanError(
                f"{clip} is {size[0]}x{size[1]} and the track {track} was encoded from "
                f"{wanted[0]}x{wanted[1]}; give the clip that the track was encoded from"
            )
        anchor = int(file.header.notes.get("anchor", "0"))
        jpeg, picture = _as_jpeg(_rgb(reader, anchor))
        reference = to_tensor(picture, "cpu")
        retargeting = Retargeting.for_track(model, reference, file.header.anchor_token, reference)
        meter = ProgressMeter("compare", file.count, progress)
        scores = []
        for number, token in enumerate(file.tokens(0, file.count)):
            if cancel:
                cancel.check()
            made = to_pixels(retargeting.render(token[None])[0], deep=False)
            scores.append(score(made, _rgb(reader, number)))
            meter.advance()
        ours = mean_score(scores)
        crf, size_bytes, theirs = _matching_h264(reader, ours.psnr_db, cancel)
        return TrackRate(
            frames=file.count,
            seconds=float(reader.info.duration),
            track_bytes=track.stat().st_size,
            picture_bytes=jpeg,
            score=ours,
            h264_crf=crf,
            h264_bytes=size_bytes,
            h264_score=theirs,
        )


def _rgb(reader: Reader, number: int) -> Pixels:
    pixels = reader.frame(number).rgb()[..., :3]
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels, np.uint8)


def _as_jpeg(pixels: Pixels) -> tuple[int, Pixels]:
    """Return the bytes of a picture's JPEG, and the picture after it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), options)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return len(encoded), np.ascontiguousarray(decoded[..., ::-1], np.uint8)


def _matching_h264(
    reader: Reader, psnr_db: float, cancel: CancelToken | None
) -> tuple[int, int, Score]:
    """Return the CRF whose PSNR is nearest, with its bytes and score; found by halving."""
    tried: dict[int, tuple[int, Score]] = {}
    low, high = _BEST_CRF, _WORST_CRF
    with tempfile.TemporaryDirectory(prefix="imf-rate-") as folder:
        while low <= high:
            middle = (low + high) // 2
            if cancel:
                cancel.check()
            tried[middle] = _h264(reader, middle, Path(folder, f"{middle}.mkv"))
            if tried[middle][1].psnr_db > psnr_db:
                low = middle + 1
            else:
                high = middle - 1
    crf = min(tried, key=lambda one: abs(tried[one][1].psnr_db - psnr_db))
    return crf, *tried[crf]


def _h264(reader: Reader, crf: int, path: Path) -> tuple[int, Score]:
    info = reader.info
    even = info.width % 2 == 0 and info.height % 2 == 0
    writer = PartWriter(
        path,
        shape=PictureShape(
            width=info.width,
            height=info.height,
            frame_rate=Fraction(info.frame_rate),
            color=ColorTags(),
        ),
        settings=EncodeSettings(
            codec="h264",
            encoder="libx264",
            pixel_format="yuv420p" if even else "yuv444p",
            options=(("preset", "medium"), ("crf", str(crf))),
        ),
    )
    for number in range(info.frame_count):
        writer.write(array_to_packed(_rgb(reader, number)))
    writer.close()
    with av.open(str(path)) as container:
        size_bytes = sum(packet.size for packet in container.demux(video=0))
    with open_media(path) as made:
        scores = [score(_rgb(made, n), _rgb(reader, n)) for n in range(info.frame_count)]
    return size_bytes, mean_score(scores)
