"""Which pictures are made next, and which one is shown: the wanted frame first, always.

A picture is shown because its key is the one wanted now, so nothing stale can appear. Source frames
are there at once; a made frame replaces the nearest source frame when it comes.
"""

from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QImage

from imf_plugin.timeline.plan import Decision, PlannedFrame
from imf_ui.model.document import Clip
from imf_ui.model.errors import Explained, explain
from imf_ui.model.schedule import Schedule
from imf_ui.services.framecache import FrameCache, FrameKey, key_of, source_key
from imf_ui.services.images import image_of_bgra
from imf_ui.services.making import command_of
from imf_ui.services.media import MediaService
from imf_ui.services.reading import FrameWish
from imf_ui.services.session import Session
from imf_ui.services.worker import WorkerClient

_AHEAD = 8
_MOST_AHEAD = 24
_AHEAD_SHARE = 8
"""Source frames are read ahead until they fill this fraction of the cache."""
_UNDER_WAY = 2
_STATE_MS = 300
_STATE_SAMPLES = 1000


class PreviewScheduler(QObject):
    """Shows output frames of the active clip."""

    frameShown = pyqtSignal(int, object, object, object, bool)
    """Output frame, source picture and result picture (`QImage` or None), what the frame is
    (`PlannedFrame`), and whether that is final."""
    stateChanged = pyqtSignal()
    """Other frames than before are in the cache."""
    busyChanged = pyqtSignal(bool)
    """Whether a frame is being made."""
    rangeProgress = pyqtSignal(int, int)
    """How many frames of the wanted range are there, and of how many."""
    failed = pyqtSignal(object)
    """Frames cannot be made: `Explained`."""

    def __init__(
        self,
        session: Session,
        media: MediaService,
        cache: FrameCache,
        worker: WorkerClient,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._media, self._cache, self._worker = session, media, cache, worker
        self.number = 0
        """The output frame that is wanted."""
        self._direction = 1
        self._under_way: dict[FrameKey, int] = {}
        self._bad: set[FrameKey] = set()
        self._told: set[str] = set()
        self._range: list[int] = []
        self._range_total = 0
        self._last: tuple[Any, ...] = ()
        self._stand_in: tuple[int, FrameKey] | None = None
        self._images: dict[FrameKey, QImage] = {}
        self._busy = False
        self.makes = True
        """Whether in-betweens are made; off while the user drags fast, for instance."""
        self._state_timer = QTimer(self)
        self._state_timer.setSingleShot(True)
        self._state_timer.setInterval(_STATE_MS)
        self._state_timer.timeout.connect(self.stateChanged)
        media.frameReady.connect(self._on_source)
        media.standInReady.connect(self._on_stand_in)
        media.frameFailed.connect(self._on_source_failed)
        session.scheduleChanged.connect(self._on_schedule)
        session.documentChanged.connect(self._on_document)

    @property
    def busy(self) -> bool:
        """Whether a frame is being made."""
        return self._busy

    @property
    def scale(self) -> int:
        """Previews are made at 1/n of the clip's size."""
        return self._session.document.view.preview_scale

    def show(self, number: int) -> None:
        """Show an output frame of the active clip."""
        schedule = self._session.schedule()
        if schedule is None:
            return
        number = min(max(number, 0), schedule.count - 1)
        if number != self.number:
            self._direction = 1 if number > self.number else -1
        self.number = number
        self._present()
        self._pump()

    def refresh(self) -> None:
        """Show the wanted frame again."""
        self._last = ()
        self.show(self.number)

    def retry(self) -> None:
        """Try again what failed."""
        self._bad.clear()
        self._told.clear()
        self.refresh()

    def set_range(self, first: int, last: int) -> None:
        """Make all frames of a range, when there is time; `rangeProgress` tells how far it is."""
        self._range = list(range(first, last + 1))
        self._range_total = len(self._range)
        self._pump()

    def stop_range(self) -> None:
        """Make only what is looked at."""
        self._range, self._range_total = [], 0

    def states(self) -> bytes:
        """Return for each output frame 0: missing, 1: a source frame is there, 2: a made one."""
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return b""
        step = max(1, -(-schedule.count // _STATE_SAMPLES))
        keys = [self._key(schedule, clip, n) for n in range(0, schedule.count, step)]
        states = self._cache.states(keys)
        if step == 1:
            return states
        return bytes(states[n // step] for n in range(schedule.count))

    def key(self, number: int) -> FrameKey | None:
        """Return the cache's key of an output frame."""
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return None
        return self._key(schedule, clip, number)

    def _key(self, schedule: Schedule, clip: Clip, number: int) -> FrameKey:
        identity = self._media.identity(clip.media.path)
        return key_of(schedule.frame(number), identity, maker_of(clip), self.scale)

    def _present(self) -> None:
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return
        frame = schedule.frame(self.number)
        identity = self._media.identity(clip.media.path)
        source = self._picture(source_key(identity, schedule.source_frame(self.number), self.scale))
        result = self._picture(self._key(schedule, clip, self.number))
        final = result is not None and source is not None
        if result is None:
            result = self._nearest(frame, identity)
        if (source is None or result is None) and self._stand_in is not None:
            number, key = self._stand_in
            near = self._picture(key) if number == self.number else None
            source, result = source or near, result or near
        shown = (self.number, id(source), id(result), final)
        if shown != self._last:
            self._last = shown
            self.frameShown.emit(self.number, source, result, frame, final)

    def _nearest(self, frame: PlannedFrame, identity: str) -> QImage | None:
        order = (frame.before, frame.after)
        if frame.timestep > frame.timestep.__class__(1, 2):
            order = (frame.after, frame.before)
        for index in order:
            picture = self._picture(source_key(identity, index, self.scale))
            if picture is not None:
                return picture
        return None

    def _picture(self, key: FrameKey) -> QImage | None:
        pixels = self._cache.get(key)
        if pixels is None:
            self._images.pop(key, None)
            return None
        image = self._images.get(key)
        if image is None:
            # A few images at hand keep their identity, so that an unchanged view is not repainted.
            if len(self._images) > 16:
                self._images.clear()
            image = self._images[key] = image_of_bgra(pixels)
        return image

    def _pump(self) -> None:
        """Ask for what is missing, in the order in which it is needed."""
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None:
            return
        self._want_sources(schedule, clip)
        if self.makes:
            self._want_made(schedule, clip)
        busy = bool(self._under_way)
        if busy != self._busy:
            self._busy = busy
            self.busyChanged.emit(busy)

    def _want_sources(self, schedule: Schedule, clip: Clip) -> None:
        identity, path = self._media.identity(clip.media.path), clip.media.path
        frame = schedule.frame(self.number)
        single = frame.decision in (Decision.REAL, Decision.HOLD)
        first = frame.before if single else schedule.source_frame(self.number)
        wanted = [first, schedule.source_frame(self.number)]
        if source_key(identity, first, self.scale) not in self._cache:
            self._media.want_frame(FrameWish(path=path, index=first, scale=self.scale))
        ahead = self.number
        frame_bytes = max(clip.media.width * clip.media.height * 4 // self.scale**2, 1)
        fitting = self._cache.budget_bytes // (_AHEAD_SHARE * frame_bytes)
        for _ in range(min(max(fitting, _AHEAD), _MOST_AHEAD)):
            ahead += self._direction
            if 0 <= ahead < schedule.count:
                wanted.append(schedule.source_frame(ahead))
        missing = [
            FrameWish(path=path, index=index, scale=self.scale)
            for index in dict.fromkeys(wanted)
            if source_key(identity, index, self.scale) not in self._cache
        ]
        self._media.want_ahead(missing)

    def _want_made(self, schedule: Schedule, clip: Clip) -> None:
        current = self._is_missing(schedule, clip, self.number)
        if current is not None:
            self._make(clip, schedule.frame(self.number), current)
        for number in self._candidates(schedule):
            if len(self._under_way) >= _UNDER_WAY:
                return
            key = self._is_missing(schedule, clip, number)
            if key is not None:
                self._make(clip, schedule.frame(number), key)

    def _candidates(self, schedule: Schedule) -> list[int]:
        ahead = [self.number + self._direction * step for step in range(1, _AHEAD + 1)]
        near = [number for number in ahead if 0 <= number < schedule.count]
        if not self._range:
            return near
        clip = self._session.clip
        assert clip is not None  # a schedule has a clip
        self._range = [
            number
            for number in self._range
            if number < schedule.count and not self._is_there(schedule, clip, number)
        ]
        self.rangeProgress.emit(self._range_total - len(self._range), self._range_total)
        return near + self._range

    def _is_there(self, schedule: Schedule, clip: Clip, number: int) -> bool:
        key = self._key(schedule, clip, number)
        return not key.maker or key in self._cache or key in self._bad

    def _is_missing(self, schedule: Schedule, clip: Clip, number: int) -> FrameKey | None:
        key = self._key(schedule, clip, number)
        there = not key.maker or key in self._cache or key in self._under_way or key in self._bad
        return None if there else key

    def _make(self, clip: Clip, frame: PlannedFrame, key: FrameKey) -> None:
        media, render = clip.media, clip.render
        self._worker.reserve(max(media.width * media.height * 4, 4))
        command = {
            "cmd": "make",
            "source": media.path,
            **command_of(frame),
            "scale": self.scale,
            "model": render.model,
            "device": render.device,
            "precision": render.precision,
            "tile": render.tile,
        }
        self._under_way[key] = 0
        self._under_way[key] = self._worker.request(
            command, lambda event: self._on_event(key, event)
        )

    def _on_event(self, key: FrameKey, event: dict[str, Any]) -> None:
        self._under_way.pop(key, None)
        if event["event"] == "frame":
            self._cache.put(key, self._worker.picture(event))
            self._state_timer.start()
        else:
            self._bad.add(key)
            clip = self._session.clip
            # What was asked for with other settings is nobody's concern any more.
            is_current = clip is not None and key.maker in ("blend", maker_of(clip))
            if event["code"] != "cancelled" and is_current:
                details = event.get("details", "")
                self._tell(explain(event["code"], event["text"], details=details))
        self._present()
        self._pump()

    def _tell(self, why: Explained) -> None:
        if why.code not in self._told:
            self._told.add(why.code)
            self.failed.emit(why)

    def _on_source(self, path: str, index: int, scale: int) -> None:
        clip = self._session.clip
        if clip is not None and clip.media.path == path and scale == self.scale:
            self._present()
            if not self._state_timer.isActive():
                self._state_timer.start()

    def _on_stand_in(self, path: str, wanted: int, shown: int, scale: int) -> None:
        """Show a frame near the wanted one, which a quick drag leaves no time to decode."""
        schedule, clip = self._session.schedule(), self._session.clip
        if schedule is None or clip is None or clip.media.path != path or scale != self.scale:
            return
        frame = schedule.frame(self.number)
        if wanted in (frame.before, schedule.source_frame(self.number)):
            key = source_key(self._media.identity(path), shown, scale)
            self._stand_in = (self.number, key)
            self._present()

    def _on_source_failed(self, path: str, index: int, why: Explained) -> None:
        self._tell(why)

    def _on_schedule(self) -> None:
        self._bad.clear()
        self._told.clear()
        self.stop_range()
        if self._session.schedule() is not None:
            self.refresh()
        self._state_timer.start()

    def _on_document(self, aspects: frozenset[str]) -> None:
        if "render" in aspects:
            self._bad.clear()
            self._told.clear()
            self.refresh()
        elif "view" in aspects and self._last:
            self._present()
            self._pump()


def maker_of(clip: Clip) -> str:
    """Return what stands for a clip's method in the keys of the cache."""
    render = clip.render
    return f"{render.model}|{render.device}|{render.precision}|{render.tile}"
