"""Opening media and reading its frames in threads: the newest wish first, thumbnails last.

Every method returns at once; answers come as signals in the thread of the receiver.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from imf_plugin.engine.planning import source_timing
from imf_plugin.errors import ImfError
from imf_plugin.media.color import picture_to_rgb
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.read import Reader, open_again, open_media
from imf_plugin.timeline.timemap import SourceTiming
from imf_ui.model.document import MediaRef
from imf_ui.model.errors import explain_exception
from imf_ui.model.timebase import ticks_of
from imf_ui.services.framecache import FrameCache, source_key
from imf_ui.services.pictures import bgra_of

_MOST_READERS = 3
_HASTE_SECONDS = 0.12
"""Wishes that follow each other faster than this are a drag, not a look at each frame."""
_REST_SECONDS = 0.08
"""How long a hurried wish must stand before its frame is decoded exactly."""
_QUICK_FRAMES = 12
"""A frame so few after the last one, or after a keyframe, is decoded at once in any case."""


@dataclass(frozen=True, kw_only=True)
class OpenedMedia:
    """What is known about media once it is open."""

    ref: MediaRef
    timing: SourceTiming
    info: MediaInfo


@dataclass(frozen=True, kw_only=True)
class FrameWish:
    """A frame that somebody wants."""

    path: str
    index: int
    scale: int = 1


class MediaService(QObject):
    """Opens media, reads frames for the viewer, and makes thumbnails."""

    opened = pyqtSignal(str, object)
    """A path, and what is known about it: `OpenedMedia`."""
    failed = pyqtSignal(str, object)
    """A path, and why it cannot be used: `Explained`."""
    firstPicture = pyqtSignal(str, object)
    """A path, and its first picture as an array, before the media is listed."""
    frameReady = pyqtSignal(str, int, int)
    """Path, frame and scale of a picture that is now in the cache."""
    standInReady = pyqtSignal(str, int, int, int)
    """Path, a frame that was wanted, one near it that is in the cache until then, and scale."""
    frameFailed = pyqtSignal(str, int, object)
    """Path, frame and why: `Explained`."""
    thumbnailsReady = pyqtSignal(str, object)
    """A path, and a list of frame numbers with arrays ``[h, w, 4]``."""

    def __init__(self, cache: FrameCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.cache = cache
        self._known: dict[str, OpenedMedia] = {}
        self._listed: dict[str, Reader] = {}
        self._scrub = _Reading("imf-scrub", self._read_or_stand_in, self._another_reader)
        self._ahead = _Reading("imf-ahead", self._read, self._another_reader)
        self._thumbs = _Tasks("imf-thumbs")
        self._opening = _Tasks("imf-open")

    def media(self, path: str) -> OpenedMedia | None:
        """Return what is known about media that is open."""
        return self._known.get(path)

    def identity(self, path: str) -> str:
        """Return what stands for the media in the keys of the cache."""
        known = self._known.get(path)
        about = known.ref if known else MediaRef(path=path)
        return f"{path}|{about.size_bytes}|{about.modified_ns}"

    def open(self, path: str) -> None:
        """Open media; `opened` or `failed` follows."""
        self._opening.add(lambda: self._open(path))

    def open_made(self, make: Callable[[], str]) -> None:
        """Open media that is made first, in the thread that opens."""
        self._opening.add(lambda: self._open(make()))

    def want_frame(self, wish: FrameWish, wanter: str = "viewer") -> None:
        """Ask for a frame now; a wish of the same wanter that was not begun yet is forgotten."""
        self._scrub.want([wish], wanter)

    def want_ahead(self, wishes: Sequence[FrameWish]) -> None:
        """Ask for frames that will be needed soon; replaces what was asked before."""
        self._ahead.want(list(wishes))

    def want_thumbnails(self, path: str, count: int, height_px: int) -> None:
        """Ask for pictures spread over the clip; `thumbnailsReady` follows, first ones early."""
        self._thumbs.clear()
        self._thumbs.add(lambda: self._make_thumbnails(path, count, height_px))

    def close(self) -> None:
        """Stop all threads and release the files."""
        for worker in (self._scrub, self._ahead, self._thumbs, self._opening):
            worker.stop()

    def _open(self, path: str) -> None:
        try:
            self._show_first(path)
            with open_media(path) as reader:
                known = _describe(path, reader.info)
                self._listed[path] = reader
        except (ImfError, OSError, ValueError) as error:
            self.failed.emit(path, explain_exception(error, file=path))
            return
        self._known[path] = known
        self.opened.emit(path, known)

    def _show_first(self, path: str) -> None:
        """Show a long file's first picture before all of it is listed."""
        if not Path(path).is_file():
            return
        from imf_plugin.media.decode import StreamDecoder
        from imf_plugin.media.upright import Uprighter, orientation_of

        with StreamDecoder(Path(path)) as decoder:
            for picture in decoder.pictures():
                upright = Uprighter(orientation_of(picture))(picture)
                self.firstPicture.emit(path, bgra_of(picture_to_rgb(upright)))
                return

    def _another_reader(self, path: str) -> Reader:
        """Return a reader for one thread; listing a long file's frames is done only once."""
        listed = self._listed.get(path)
        return open_media(path) if listed is None else open_again(listed)

    def _read_or_stand_in(self, readers: "_Readers", wish: FrameWish) -> None:
        """Read a frame; while the wish changes quickly, only the keyframe before it."""
        stands_in = self._scrub.is_hurried and self._stand_in(readers, wish)
        if not (stands_in and self._scrub.is_outdated_after(_REST_SECONDS)):
            self._read(readers, wish)

    def _stand_in(self, readers: "_Readers", wish: FrameWish) -> bool:
        """Show the keyframe before a frame if that is much quicker; say whether it was."""
        identity = self.identity(wish.path)
        if source_key(identity, wish.index, wish.scale) in self.cache:
            return False
        try:
            reader, near = readers.get(wish.path), readers.last(wish.path)
            entry = reader.entry_before(wish.index)
            if 0 <= wish.index - max(near, entry) <= _QUICK_FRAMES:
                return False
            key = source_key(identity, entry, wish.scale)
            if key not in self.cache:
                self.cache.put(key, bgra_of(reader.frame(entry).rgb(), wish.scale))
                readers.note(wish.path, entry)
        except (ImfError, OSError, IndexError, ValueError):
            return False  # the frame itself will tell
        self.standInReady.emit(wish.path, wish.index, entry, wish.scale)
        return True

    def _read(self, readers: "_Readers", wish: FrameWish) -> None:
        key = source_key(self.identity(wish.path), wish.index, wish.scale)
        if key not in self.cache:
            try:
                frame = readers.get(wish.path).frame(wish.index)
            except (ImfError, OSError, IndexError, ValueError) as error:
                found = explain_exception(error, file=wish.path)
                self.frameFailed.emit(wish.path, wish.index, found)
                return
            self.cache.put(key, bgra_of(frame.rgb(), wish.scale))
            readers.note(wish.path, wish.index)
        self.frameReady.emit(wish.path, wish.index, wish.scale)

    def _make_thumbnails(self, path: str, count: int, height_px: int) -> None:
        known = self._known.get(path)
        if known is None:
            return
        frames = known.info.frame_count
        wanted = sorted({round(n * (frames - 1) / max(count - 1, 1)) for n in range(count)})
        made: list[tuple[int, NDArray[np.uint8]]] = []
        try:
            with self._another_reader(path) as reader:
                for number, index in enumerate(wanted):
                    if self._thumbs.is_outdated:
                        return
                    made.append((index, _thumbnail(reader, index, height_px)))
                    if number in (0, 3):
                        self.thumbnailsReady.emit(path, list(made))
        except (ImfError, OSError, IndexError, ValueError):
            return  # images of a sequence that vanished meanwhile, for instance
        self.thumbnailsReady.emit(path, made)


def _thumbnail(reader: Reader, index: int, height_px: int) -> NDArray[np.uint8]:
    picture = reader.frame(index).picture
    width = max(2, round(picture.width * height_px / picture.height))
    small = picture.reformat(width=width, height=height_px, format="bgra")
    return np.ascontiguousarray(small.to_ndarray(), dtype=np.uint8)


def _describe(path: str, info: MediaInfo) -> OpenedMedia:
    file = Path(path)
    about = file.stat() if file.exists() else None
    ref = MediaRef(
        path=path,
        size_bytes=about.st_size if about and file.is_file() else 0,
        modified_ns=about.st_mtime_ns if about else 0,
        width=info.width,
        height=info.height,
        frame_count=info.frame_count,
        rate=info.frame_rate,
        duration=ticks_of(info.duration),
        is_constant_rate=info.is_constant_rate,
        has_audio=info.audio_streams > 0,
    )
    return OpenedMedia(ref=ref, timing=source_timing(info), info=info)


class _Readers:
    """A few open files of one thread."""

    def __init__(self, open_reader: Callable[[str], Reader]) -> None:
        self._open_reader = open_reader
        self._open: OrderedDict[str, Reader] = OrderedDict()
        self._last: dict[str, int] = {}

    def last(self, path: str) -> int:
        """Return the frame that was read last, -1 when there was none."""
        return self._last.get(path, -1)

    def note(self, path: str, index: int) -> None:
        """Remember the frame that was read last."""
        self._last[path] = index

    def get(self, path: str) -> Reader:
        if path not in self._open:
            self._open[path] = self._open_reader(path)
            while len(self._open) > _MOST_READERS:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def close(self) -> None:
        for reader in self._open.values():
            reader.close()


class _Reading:
    """A thread that reads the wishes of everybody's latest list, in its order."""

    def __init__(
        self,
        name: str,
        read: Callable[[_Readers, FrameWish], None],
        open_reader: Callable[[str], Reader],
    ) -> None:
        self._read = read
        self._open_reader = open_reader
        self._wishes: dict[str, list[FrameWish]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._wished: dict[str, tuple[FrameWish, float]] = {}
        self._wanter = ""
        self._haste: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_hurried(self) -> bool:
        """Whether the one whose wish is being read changed it shortly before."""
        return self._wanter in self._haste

    def is_outdated_after(self, seconds: float) -> bool:
        """Wait for another wish of the same wanter; False when none comes in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._wanter in self._wishes or self._stopped, timeout=seconds
            )

    def want(self, wishes: list[FrameWish], wanter: str = "") -> None:
        with self._changed:
            self._note_haste(wishes, wanter)
            self._wishes.pop(wanter, None)
            if wishes:
                self._wishes[wanter] = wishes
            self._changed.notify()

    def _note_haste(self, wishes: list[FrameWish], wanter: str) -> None:
        """Note whether a wish follows another one so soon that only a drag can be the cause."""
        if not wishes:
            return
        before, at = self._wished.get(wanter, (None, 0.0))
        now = time.monotonic()
        if wishes[0] != before:
            hurried = now - at < _HASTE_SECONDS
            self._haste.add(wanter) if hurried else self._haste.discard(wanter)
            self._wished[wanter] = (wishes[0], now)

    def _next_wish(self) -> FrameWish:
        """Take the first wish of the one who asked first and still waits."""
        wanter, wishes = next(iter(self._wishes.items()))
        self._wanter = wanter
        wish = wishes.pop(0)
        if not wishes:
            del self._wishes[wanter]
        return wish

    def stop(self) -> None:
        with self._changed:
            self._stopped, self._wishes = True, {}
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        readers = _Readers(self._open_reader)
        while True:
            with self._changed:
                while not self._wishes and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    break
                wish = self._next_wish()
            try:
                self._read(readers, wish)
            except RuntimeError:
                break  # the window is gone, and its signals with it
        readers.close()


class _Tasks:
    """A thread that carries out tasks one after another."""

    def __init__(self, name: str) -> None:
        self._tasks: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self.is_outdated = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, task: Callable[[], None]) -> None:
        with self._changed:
            self._tasks.append(task)
            self._changed.notify()

    def clear(self) -> None:
        """Forget what was not begun, and let the task under way know that nobody waits."""
        with self._changed:
            self._tasks.clear()
            self.is_outdated = True

    def stop(self) -> None:
        with self._changed:
            self._stopped, self.is_outdated = True, True
            self._tasks.clear()
            self._changed.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._tasks and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                task = self._tasks.pop(0)
                self.is_outdated = False
            try:
                task()
            except RuntimeError:
                return
