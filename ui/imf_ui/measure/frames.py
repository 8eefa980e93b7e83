"""Reading, caching and previewing frames, measured."""

import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from imf_plugin.media.read import open_media
from imf_ui.measure.bench import (
    Figure,
    open_clip,
    paint_clip,
    percentile,
    services,
    wait,
)
from imf_ui.measure.memory import two_hours
from imf_ui.model.curve_edits import at_speed, with_key
from imf_ui.model.ops import SetCurve
from imf_ui.model.presets import apply_preset, preset_named
from imf_ui.services.app_services import Services
from imf_ui.services.framecache import source_key
from imf_ui.services.pictures import bgra_of
from imf_ui.services.reading import FrameWish


def _timed_read(made: Services, path: str, index: int) -> float:
    made.cache.clear()
    key = source_key(made.media.identity(path), index, 1)
    arrived: list[float] = []

    def note(*_: object) -> None:
        arrived.append(time.perf_counter())

    made.media.frameReady.connect(note)
    began = time.perf_counter()
    made.media.want_frame(FrameWish(path=path, index=index), wanter="measure")
    wait(lambda: key in made.cache and arrived)
    made.media.frameReady.disconnect(note)
    return (arrived[-1] - began) * 1000


def seeks(folder: Path) -> Iterator[Figure]:
    """Criterion 2: uncached, exact seeks."""
    options = {"crf": "20", "preset": "veryfast", "g": "60", "bf": "2"}
    path = paint_clip(folder / "hd.mp4", count=600, width=1280, height=720, options=options)
    with services() as made:
        open_clip(made, path)
        random = np.random.default_rng(2)
        times = [_timed_read(made, str(path), int(n)) for n in random.integers(0, 600, 80)]
    p50, p95 = percentile(times, 50), percentile(times, 95)
    yield Figure(
        number="2",
        words="uncached exact seek, 720p, GOP 60, wish to picture in the window's thread, p95",
        limit="150 ms (loaded machine: 300 ms)",
        measured=f"{p95:.0f} ms (p50 {p50:.0f} ms)",
        met=p95 < 300,
        met_undoubled=p95 < 150,
    )


KINDS: dict[str, dict[str, object]] = {
    "b-frames.mp4": {"options": {"crf": "20", "g": "60", "bf": "3"}},
    "intra.mp4": {"options": {"crf": "20", "g": "1"}},
    "vfr.mkv": {"times": [n * 40 + (n * n) % 23 for n in range(60)]},
    "ntsc.mkv": {"rate": Fraction(30000, 1001)},
    "film.mp4": {"rate": Fraction(24000, 1001)},
    "odd.mp4": {"width": 322, "height": 182},
    "deep.mkv": {
        "codec": "libx265",
        "pixel_format": "yuv420p10le",
        "options": {"crf": "20", "x265-params": "log-level=none"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"crf": "30", "b": "0", "cpu-used": "8"}},
    "full.mkv": {"codec": "ffv1", "pixel_format": "yuv444p", "options": {}},
    "prores.mov": {"codec": "prores_ks", "pixel_format": "yuv422p10le", "options": {}},
}


def exactness(folder: Path) -> Iterator[Figure]:
    """Criterion 3: wrong frames on random seeks."""
    wrong = total = 0
    random = np.random.default_rng(3)
    for name, about in KINDS.items():
        path = paint_clip(folder / name, **about)  # type: ignore[arg-type]
        with open_media(path) as reader:
            truth = [bgra_of(frame.rgb()) for frame in reader.frames()]
        with services() as made:
            open_clip(made, path)
            for index in map(int, random.integers(0, len(truth), 50)):
                _timed_read(made, str(path), index)
                key = source_key(made.media.identity(str(path)), index, 1)
                picture = made.cache.get(key)
                wrong += picture is None or not np.array_equal(picture, truth[index])
                total += 1
    yield Figure(
        number="3",
        words=f"wrong frames on random seeks over {len(KINDS)} clips (B-frames, VFR, 10 bit, ...)",
        limit="0 of 500",
        measured=f"{wrong} of {total}",
        met=wrong == 0,
    )


def long_clip(folder: Path) -> Iterator[Figure]:
    """Criterion 12: a clip of two hours."""
    path = two_hours(folder)
    with services() as made:
        began = time.perf_counter()
        moments: dict[str, float] = {}

        def note(name: str) -> None:
            moments.setdefault(name, time.perf_counter() - began)

        made.media.firstPicture.connect(lambda *_: note("first"))
        made.media.thumbnailsReady.connect(lambda *_: note("thumbnails"))
        made.media.opened.connect(lambda *_: note("index"))
        made.open_path(path)
        wait(lambda: len(moments) == 3)
        count = made.session.schedule().count  # type: ignore[union-attr]
    yield Figure(
        number="12",
        words=f"clip of 2 hours, {count:,} frames: first frame; thumbnails; whole index",
        limit="2 s; 3 s; 10 s (loaded machine: 4; 6; 20 s)",
        measured="; ".join(f"{moments[k]:.2f} s" for k in ("first", "thumbnails", "index")),
        met=moments["first"] < 4 and moments["thumbnails"] < 6 and moments["index"] < 20,
        met_undoubled=moments["first"] < 2 and moments["thumbnails"] < 3 and moments["index"] < 10,
    )


def previews(folder: Path) -> Iterator[Figure]:
    """Criteria 19 and 21: previews are exports, and are not made twice."""
    path = paint_clip(folder / "preview.mp4", count=24)
    with services(None) as made:
        open_clip(made, path)
        clip = made.session.document.clip()
        curve = apply_preset(preset_named("slow_quarter"), clip.curve, clip.media.duration)
        made.session.do(SetCurve(id=clip.id, curve=curve))
        count = made.session.schedule().count  # type: ignore[union-attr]
        made.preview.set_range(0, count - 1)
        for number in range(count):
            made.player.seek(number)
            wait(lambda: made.preview.key(made.player.position) in made.cache)
        job = made.export(output=str(folder / "frames"))
        wait(lambda: made.queue.job(job).state in ("done", "failed"), 300)
        largest = 0
        with open_media(folder / "frames") as reader:
            for number, frame in enumerate(reader.frames()):
                key = made.preview.key(number)
                shown = made.cache.get(key) if key else None
                difference = np.abs(shown[..., 2::-1].astype(int) - frame.rgb())  # type: ignore[index]
                largest = max(largest, int(difference.max()))
        yield Figure(
            number="19",
            words=f"preview against export, full size, PNG, method Automatic, all {count} frames",
            limit="difference 0",
            measured=f"largest difference {largest}",
            met=largest == 0,
        )
        yield from _reuse(made)


def _reuse(made: Services) -> Iterator[Figure]:
    clip = made.session.document.clip()
    slow = at_speed(Fraction(1, 2), 0, clip.media.duration)
    made.session.do(SetCurve(id=clip.id, curve=slow))
    count = made.session.schedule().count  # type: ignore[union-attr]
    made.preview.set_range(0, count - 1)
    wait(lambda: made.preview.states().count(2) >= count // 2 - 1)
    before = {made.preview.key(n) for n in range(count)}
    made.session.do(SetCurve(id=clip.id, curve=with_key(slow, slow.duration // 2)))
    needed = [made.preview.key(n) for n in range(count)]
    same = [key for key in needed if key in before and key is not None and key.maker]
    hits = sum(key in made.cache for key in same)
    yield Figure(
        number="21",
        words="made frames that an edited curve still needs, found in the cache",
        limit="100 %",
        measured=f"{hits} of {len(same)}",
        met=hits == len(same) > 0,
    )


def run(wanted: set[str]) -> Iterator[Figure]:
    """Measure what is wanted; everything when nothing is named."""
    parts = ((seeks, {"2"}), (exactness, {"3"}), (long_clip, {"12"}))
    with tempfile.TemporaryDirectory(prefix="imf-measure-") as name:
        for measure, numbers in (*parts, (previews, {"19", "21"})):
            if not wanted or wanted & numbers:
                yield from measure(Path(name))
