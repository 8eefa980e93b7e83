"""Opening media and reading its frames in threads: the newest wish first, thumbnails last.

Every method returns at once; answers come as signals in the thread of the receiver.
"""

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
from imf_ui.services.reading import FrameWish, Readers, Reading, Tasks

_REST_SECONDS = 0.02
"""How long a hurried wish must stand before the decoder sets out for its very frame."""
_STRIDE_FRAMES = 6
"""How far it goes before it looks whether the wish is still the same."""
_QUICK_FRAMES = 12
"""A frame so few after the last one, or after a keyframe, is decoded at once in any case."""


@dataclass(frozen=True, kw_only=True)
class OpenedMedia:
    """What is known about media once it is open."""

    ref: MediaRef
    timing: SourceTiming
    info: MediaInfo


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
        self._scrub = Reading("imf-scrub", self._read_or_stand_in, self._another_reader)
        self._ahead = Reading("imf-ahead", self._read, self._another_reader)
        self._thumbs = Tasks("imf-thumbs")
        self._opening = Tasks("imf-open")

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

    def _read_or_stand_in(self, readers: Readers, wish: FrameWish) -> None:
        """Read a frame; while the wish changes quickly, only the keyframe before it."""
        entry = self._stand_in(readers, wish) if self._scrub.is_hurried else None
        if entry is None or self._comes_near(readers, wish, entry):
            self._read(readers, wish)

    def _comes_near(self, readers: Readers, wish: FrameWish, entry: int) -> bool:
        """Decode from a stand-in towards the wish; False when it changed on the way."""
        if self._scrub.is_outdated_after(_REST_SECONDS):
            return False
        for index in range(entry + _STRIDE_FRAMES, wish.index, _STRIDE_FRAMES):
            try:
                readers.get(wish.path).frame(index)
            except (ImfError, OSError, IndexError, ValueError):
                return True  # the frame itself will tell
            readers.note(wish.path, index)
            if self._scrub.is_outdated_after(0):
                return False
        return True

    def _stand_in(self, readers: Readers, wish: FrameWish) -> int | None:
        """Show the keyframe before a frame if that is much quicker; return its number."""
        identity = self.identity(wish.path)
        if source_key(identity, wish.index, wish.scale) in self.cache:
            return None
        try:
            reader, near = readers.get(wish.path), readers.last(wish.path)
            entry = reader.entry_before(wish.index)
            if 0 <= wish.index - max(near, entry) <= _QUICK_FRAMES:
                return None
            key = source_key(identity, entry, wish.scale)
            if key not in self.cache:
                self.cache.put(key, bgra_of(reader.frame(entry).rgb(), wish.scale))
                readers.note(wish.path, entry)
        except (ImfError, OSError, IndexError, ValueError):
            return None  # the frame itself will tell
        self.standInReady.emit(wish.path, wish.index, entry, wish.scale)
        return entry

    def _read(self, readers: Readers, wish: FrameWish) -> None:
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
