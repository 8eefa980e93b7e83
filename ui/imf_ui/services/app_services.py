"""Everything behind one window: builds the services, joins them, and ends them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from imf_ui.model.document import Clip, RenderSettings, new_clip
from imf_ui.model.errors import ErrorCode, Explained, explain
from imf_ui.model.ops import AddClip, Op
from imf_ui.model.presets import PresetStore
from imf_ui.model.projectfile import SUFFIX, ProjectError, missing_media, relink
from imf_ui.model.schedule import Findings
from imf_ui.services.actions import ActionRegistry
from imf_ui.services.audio import Sound
from imf_ui.services.autosave import Autosave
from imf_ui.services.framecache import FrameCache
from imf_ui.services.job_building import free_path
from imf_ui.services.jobs import RenderQueue
from imf_ui.services.media import MediaService, OpenedMedia
from imf_ui.services.player import Clock, Player
from imf_ui.services.preview import PreviewScheduler
from imf_ui.services.retarget import RetargetService
from imf_ui.services.session import Session
from imf_ui.services.settings import Settings
from imf_ui.services.steady import SteadyPlaying
from imf_ui.services.worker import WorkerClient

_THUMBNAILS, _THUMBNAIL_PX = 12, 54
_SOUND_AFTER_MS = 500
"""When the sound device is opened: not before the clip's first pictures stand."""


class Services(QObject):
    """The services of one window.

    Args:
        settings: The user's settings; read from ``home`` when None.
        engine: ``fake...`` for tests (see `imf_ui.services.faking`), None for the real one.
        home: Folder for settings, journals and the queue; the system's place when None.
        clock: What the player goes by.
        warm: Whether the engine is loaded at once.
    """

    clipOpened = pyqtSignal(str)
    """Id of a clip whose media is open."""
    failed = pyqtSignal(object)
    """Something that a dialog should tell: `Explained`; ``facts["clip"]`` may name the clip."""
    projectOpened = pyqtSignal(object)
    """What was read from a project file: `Loaded`."""
    analysing = pyqtSignal(str, int, int)
    """Path of media that is looked through, frames done, frames in all."""
    findingsChanged = pyqtSignal(str)
    """Path of media whose cuts and repeats are known now."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        engine: str | None = None,
        home: Path | None = None,
        clock: Clock | None = None,
        warm: bool = True,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings or Settings(home, self)
        self.home = self.settings.home
        self.actions = ActionRegistry(self.settings, self)
        self.presets = PresetStore(self.home)
        self.session = Session(self)
        self.cache = FrameCache(self.settings.values.cache_mb * 2**20)
        self.media = MediaService(self.cache, self)
        self.worker = WorkerClient(engine=engine, parent=self)
        self.render_worker = WorkerClient(engine=engine, nice=10, parent=self)
        self.preview = PreviewScheduler(self.session, self.media, self.cache, self.worker, self)
        self.player = Player(self.session, clock, self)
        self._steady = SteadyPlaying(self.player, self)
        self.sound = Sound(self.session, self.media, self.player, parent=self)
        self.queue = RenderQueue(self.home, self.render_worker, self)
        self.retarget = RetargetService(self.media, self.worker, self)
        self.autosave = Autosave(self.session, self.home / "autosave", self)
        self._opening: dict[str, list[str]] = {}
        self._analyses: dict[str, int] = {}
        self._connect()
        self.autosave.start()
        if warm:
            self.worker.start()

    def _connect(self) -> None:
        self.media.opened.connect(self._on_opened)
        self.media.failed.connect(self._on_media_failed)
        self.player.frameWanted.connect(self._on_frame_wanted)
        self.clipOpened.connect(self._on_clip_opened)
        self.preview.failed.connect(self.failed)
        self.session.documentChanged.connect(self._on_document)
        self.session.scheduleChanged.connect(self._on_schedule)
        self.settings.changed.connect(self._on_settings)

    def open_path(self, path: str | Path) -> None:
        """Open a project, a video, a folder or a pattern of images."""
        file = Path(path).absolute()
        if file.suffix == SUFFIX:
            self._open_project(file)
            return
        self.settings.add_recent(str(file))
        self._opening.setdefault(str(file), []).append("")
        self.media.open(str(file))

    def open_document_media(self) -> None:
        """Open the media of all clips, after a project was loaded or media was found again."""
        missing = {clip.id for clip in missing_media(self.session.document)}
        for clip in self.session.document.clips:
            path = clip.media.path
            known = self.media.media(path)
            if known is not None:
                self.session.set_timing(path, known.timing)
            elif clip.id in missing:
                facts = {"file": path, "clip": clip.id}
                self.failed.emit(explain(ErrorCode.MEDIA_MISSING, **facts))
            else:
                self._opening.setdefault(path, []).append(clip.id)
                self.media.open(path)

    def relink(self, clip_id: str, found: str | Path) -> None:
        """Point a clip to its media at another place; others of its folder follow."""
        op = relink(self.session.document, clip_id, Path(found))
        if op is not None:
            self.session.do(op)
            self.open_document_media()

    def recover(self, session_id: str) -> None:
        """Go on with a session that did not end well."""
        document, project = self.autosave.recover(session_id)
        self.session.adopt(document, project)
        self.autosave.discard(session_id)
        self.open_document_media()

    def open_sample(self) -> None:
        """Open a short clip that comes with the editor; it is painted when first asked for."""
        from imf_ui.services.sample import sample_clip

        def paint() -> str:
            path = sample_clip(self.home)
            self._opening.setdefault(path, []).append("")
            return path

        self.media.open_made(paint)

    def analyse(self, clip: Clip | None = None) -> None:
        """Look through a clip for cuts and repeats; `findingsChanged` follows."""
        clip = clip or self.session.clip
        if clip is None or clip.media.path in self._analyses:
            return
        path = clip.media.path
        command = {"cmd": "analyse", "source": path, "cuts": True, "dedup": clip.cuts.dedup}
        self._analyses[path] = self.worker.request(
            command, lambda event: self._on_analysis(path, event)
        )

    def output_for(self, clip: Clip, suffix: str = "") -> str:
        """Return where a clip's result goes: its own choice, or a free name beside the media."""
        if clip.render.output:
            return clip.render.output
        media = Path(clip.media.path)
        if not suffix:
            known = (".mp4", ".mov", ".mkv", ".webm")
            suffix = media.suffix if media.suffix.lower() in known else ".mp4"
        folder = media.parent
        taken = {Path(job.output) for job in self.queue.jobs}
        wanted = folder / f"{clip.name}_retimed{suffix}"
        free, number = free_path(wanted), 2
        while free in taken:
            free = free_path(wanted.with_stem(f"{wanted.stem}_{number}"))
            number += 1
        return str(free)

    def export(self, clip: Clip | None = None, output: str = "", **options: Any) -> str:
        """Put a clip into the queue; returns the job's id."""
        clip = clip or self.session.clip
        if clip is None:
            raise ValueError("there is no clip to export")
        findings = self.session.findings(clip.media.path)
        self.settings.set(last_render=replace(clip.render, output=""))
        return self.queue.add_clip(
            clip, output or self.output_for(clip), findings=findings, **options
        )

    def close(self) -> None:
        """End everything; the journal of a saved or discarded session goes."""
        self.player.pause()
        self.sound.close()
        self.queue.close()
        self.render_worker.close()
        self.worker.close()
        self.media.close()
        self.autosave.close()

    def _open_project(self, file: Path) -> None:
        try:
            loaded = self.session.load(file)
        except ProjectError as error:
            self.failed.emit(explain(ErrorCode.PROJECT_BROKEN, str(error), file=str(file)))
            return
        self.settings.add_recent(str(file))
        self.projectOpened.emit(loaded)
        if loaded.is_read_only:
            self.failed.emit(explain(ErrorCode.PROJECT_NEWER, file=str(file)))
        self.open_document_media()

    def _on_opened(self, path: str, known: OpenedMedia) -> None:
        waiting = self._opening.pop(path, [])
        if not waiting:
            return
        self.session.set_timing(path, known.timing)
        for clip_id in waiting:
            if clip_id == "":
                self._add_clip(path, known)
            elif self.session.document.has(clip_id):
                self.clipOpened.emit(clip_id)
        self.media.want_thumbnails(path, _THUMBNAILS, _THUMBNAIL_PX)
        self.preview.refresh()

    def _add_clip(self, path: str, known: OpenedMedia) -> None:
        document = self.session.document
        last: RenderSettings = replace(self.settings.values.last_render, rate=None, output="")
        clip = new_clip(document, known.ref, Path(path).stem or Path(path).name, render=last)
        op: Op = AddClip(clip=clip)
        self.session.do(op)
        self.player.seek(0)
        self.clipOpened.emit(clip.id)

    def _on_media_failed(self, path: str, why: Explained) -> None:
        waiting = self._opening.pop(path, [])
        if waiting:
            facts = {**why.facts, "clip": waiting[0], "file": path}
            self.failed.emit(replace(why, facts=facts))

    def _on_clip_opened(self, _clip_id: str) -> None:
        QTimer.singleShot(_SOUND_AFTER_MS, self.sound.prepare)

    def _on_frame_wanted(self, number: int) -> None:
        self.preview.show(number)

    def _on_document(self, aspects: frozenset[str]) -> None:
        clip = self.session.clip
        if clip is not None and "active" in aspects and self.media.media(clip.media.path):
            self.media.want_thumbnails(clip.media.path, _THUMBNAILS, _THUMBNAIL_PX)

    def _on_settings(self) -> None:
        self.cache.set_budget(self.settings.values.cache_mb * 2**20)

    def _on_schedule(self) -> None:
        schedule = self.session.schedule()
        if schedule is not None and self.player.position >= schedule.count:
            self.player.seek(schedule.count - 1)

    def _on_analysis(self, path: str, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            self.analysing.emit(path, event["done"], event["total"])
            return
        self._analyses.pop(path, None)
        if event["event"] == "analysed":
            found = Findings(cuts=tuple(event["cuts"]), duplicates=tuple(event["duplicates"]))
            self.session.set_findings(path, found)
            self.findingsChanged.emit(path)
        elif event["code"] != "cancelled":
            details = event.get("details", "")
            self.failed.emit(explain(event["code"], event["text"], details=details, file=path))
