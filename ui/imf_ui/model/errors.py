"""Failures in words for people: what happened, why, and buttons that do the fix.

Words are English templates with named facts, so that the widgets can translate them.
"""

import errno
from dataclasses import dataclass, field
from enum import StrEnum

from imf_plugin.errors import (
    Cancelled,
    DeviceError,
    EncoderFailed,
    ModelError,
    OutputRefused,
    PlanError,
    UnreadableMedia,
)


class ErrorCode(StrEnum):
    """The kinds of failure that the editor knows a way out of."""

    MEDIA_MISSING = "media_missing"
    MEDIA_UNREADABLE = "media_unreadable"
    OUTPUT_EXISTS = "output_exists"
    OUTPUT_REFUSED = "output_refused"
    DISK_FULL = "disk_full"
    OUT_OF_MEMORY = "out_of_memory"
    NO_DEVICE = "no_device"
    MODEL_UNUSABLE = "model_unusable"
    PLAN_IMPOSSIBLE = "plan_impossible"
    ENCODER_FAILED = "encoder_failed"
    WORKER_CRASHED = "worker_crashed"
    WORKER_HUNG = "worker_hung"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    PROJECT_BROKEN = "project_broken"
    PROJECT_NEWER = "project_newer"
    PROJECT_UNWRITABLE = "project_unwritable"
    NO_SOUND_DEVICE = "no_sound_device"
    EDIT_IMPOSSIBLE = "edit_impossible"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, kw_only=True)
class Action:
    """A button of an error dialog."""

    id: str
    """What the program does when it is pressed."""
    words: str
    """What stands on it, in English."""


ACTIONS: dict[str, str] = {
    "retry": "Try again",
    "retry_tiles": "Retry with tiles of 512",
    "retry_cpu": "Retry on the CPU",
    "smaller_preview": "Preview at a quarter size",
    "locate": "Locate…",
    "choose_output": "Choose another file…",
    "overwrite": "Replace it",
    "open_folder": "Open folder",
    "restart_worker": "Restart the engine",
    "use_default_model": "Use the default method",
    "save_as": "Save as…",
    "use_backup": "Open the backup",
    "open_settings": "Settings…",
    "show_log": "Show log",
    "undo": "Undo",
    "continue": "Continue",
}

_TABLE: dict[ErrorCode, tuple[str, str, tuple[str, ...]]] = {
    ErrorCode.MEDIA_MISSING: (
        "The video is not where it was",
        "{file} does not exist: it was moved, renamed or is on a drive that is not connected.",
        ("locate", "retry"),
    ),
    ErrorCode.MEDIA_UNREADABLE: (
        "This file cannot be opened",
        "{text}",
        ("locate", "retry"),
    ),
    ErrorCode.OUTPUT_EXISTS: (
        "There is a file of that name already",
        "{text}",
        ("choose_output", "overwrite"),
    ),
    ErrorCode.OUTPUT_REFUSED: (
        "The result cannot be written there",
        "{text}",
        ("choose_output", "retry"),
    ),
    ErrorCode.DISK_FULL: (
        "The disk is full",
        "{text} Free space there: {free}. Finished parts are kept; the export goes on from them.",
        ("retry", "choose_output", "open_folder"),
    ),
    ErrorCode.OUT_OF_MEMORY: (
        "The memory ran out",
        "{text}",
        ("retry_tiles", "retry_cpu", "smaller_preview"),
    ),
    ErrorCode.NO_DEVICE: (
        "The chosen device is not here",
        "{text}",
        ("retry_cpu", "open_settings"),
    ),
    ErrorCode.MODEL_UNUSABLE: (
        "The chosen method cannot be used",
        "{text}",
        ("use_default_model", "open_settings"),
    ),
    ErrorCode.PLAN_IMPOSSIBLE: (
        "This cannot be rendered as it stands",
        "{text}",
        ("undo", "retry"),
    ),
    ErrorCode.ENCODER_FAILED: (
        "Writing the video failed",
        "{text}",
        ("choose_output", "retry", "show_log"),
    ),
    ErrorCode.WORKER_CRASHED: (
        "The engine crashed",
        "The program that makes the frames ended unexpectedly; your project is safe and finished "
        "parts are kept.",
        ("restart_worker", "retry_cpu", "show_log"),
    ),
    ErrorCode.WORKER_HUNG: (
        "The engine does not answer",
        "The program that makes the frames stopped answering and was ended; your project is safe "
        "and finished parts are kept.",
        ("restart_worker", "retry_tiles", "show_log"),
    ),
    ErrorCode.WORKER_LOST: (
        "The engine cannot be started",
        "{text}",
        ("restart_worker", "show_log"),
    ),
    ErrorCode.CANCELLED: (
        "Cancelled",
        "What was finished is kept; start it again to go on from there.",
        ("retry",),
    ),
    ErrorCode.PROJECT_BROKEN: (
        "This project cannot be read",
        "{text}",
        ("use_backup", "locate"),
    ),
    ErrorCode.PROJECT_NEWER: (
        "This project was made by a newer version",
        "It is opened to look at; to change it, save it under another name. What this version does "
        "not know is kept.",
        ("continue", "save_as"),
    ),
    ErrorCode.PROJECT_UNWRITABLE: (
        "The project cannot be saved there",
        "{text}",
        ("save_as", "retry"),
    ),
    ErrorCode.NO_SOUND_DEVICE: (
        "There is no sound device",
        "The picture plays without sound; exports keep their sound.",
        ("continue",),
    ),
    ErrorCode.EDIT_IMPOSSIBLE: (
        "That is not possible",
        "{text}",
        ("continue",),
    ),
    ErrorCode.UNEXPECTED: (
        "Something went wrong inside the editor",
        "{text} Your edits are in the journal; you can go on, or save under another name.",
        ("save_as", "show_log", "continue"),
    ),
}

_IN_GENERAL: dict[ErrorCode, str] = {
    ErrorCode.MEDIA_UNREADABLE: "The file is missing, damaged, or of a kind that cannot be read.",
    ErrorCode.OUTPUT_EXISTS: "Nothing was overwritten.",
    ErrorCode.OUTPUT_REFUSED: "The place or the kind of file does not allow it.",
    ErrorCode.DISK_FULL: "There is no room left where the result goes.",
    ErrorCode.OUT_OF_MEMORY: "The pictures are too large for the memory as it is set up.",
    ErrorCode.NO_DEVICE: "The project asks for a device that this machine does not have.",
    ErrorCode.MODEL_UNUSABLE: "Its files are missing, damaged, or of another kind.",
    ErrorCode.PLAN_IMPOSSIBLE: "The curve, the frame rate and the clip do not fit together.",
    ErrorCode.ENCODER_FAILED: "The program that writes the video gave up.",
    ErrorCode.WORKER_LOST: "The program that makes the frames ended each time that it was started.",
    ErrorCode.PROJECT_BROKEN: "The file is no project, or it is damaged.",
    ErrorCode.PROJECT_UNWRITABLE: "The folder is missing, full, or may not be written to.",
    ErrorCode.EDIT_IMPOSSIBLE: "The clip does not allow it.",
    ErrorCode.UNEXPECTED: "This was not foreseen.",
}
"""What to say first where the engine's own sentence is in a language that the user may not read."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A failure as the user sees it."""

    code: ErrorCode
    title_template: str
    """What happened."""
    why_template: str
    """One sentence with the reason; ``{name}`` stands for a fact."""
    in_general: str = ""
    """The reason without any detail, where the sentence has the engine's own English words."""
    facts: dict[str, str] = field(default_factory=dict)
    """What is put into the templates."""
    actions: tuple[Action, ...] = ()
    """Buttons; the first is the recommended one."""
    details: str = ""
    """For a report."""

    @property
    def title(self) -> str:
        """What happened, in English."""
        return self.title_template.format(**self.facts)

    @property
    def why(self) -> str:
        """The reason, in English."""
        return self.why_template.format(**self.facts)


def explain(code: ErrorCode | str, text: str = "", *, details: str = "", **facts: str) -> Explained:
    """Put a failure into words.

    Args:
        code: Its kind; an unknown one counts as unexpected.
        text: The engine's own sentence about it.
        details: For a report, such as a traceback.
        facts: Named things for the words, such as ``file``.
    """
    known = ErrorCode(code) if code in list(ErrorCode) else ErrorCode.UNEXPECTED
    title, why, actions = _TABLE[known]
    sentence = text.strip()
    if sentence and sentence[-1] not in ".!?…":
        sentence += "."
    return Explained(
        code=known,
        title_template=title,
        why_template=why,
        in_general=_IN_GENERAL.get(known, ""),
        facts={
            "text": sentence[:1].upper() + sentence[1:],
            "file": "",
            "free": "0 MB",
            **facts,
        },
        actions=tuple(Action(id=name, words=ACTIONS[name]) for name in actions),
        details=details,
    )


def explain_exception(error: BaseException, **facts: str) -> Explained:
    """Put an exception into words."""
    return explain(code_of(error), str(error) or type(error).__name__, **facts)


def code_of(error: BaseException) -> ErrorCode:
    """Return the kind of failure that an exception stands for."""
    text = str(error).lower()
    if _is_disk_full(error):
        return ErrorCode.DISK_FULL
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        return ErrorCode.OUT_OF_MEMORY
    if isinstance(error, UnreadableMedia):
        missing = "does not exist" in text
        return ErrorCode.MEDIA_MISSING if missing else ErrorCode.MEDIA_UNREADABLE
    if isinstance(error, OutputRefused):
        return ErrorCode.OUTPUT_EXISTS if "exists" in text else ErrorCode.OUTPUT_REFUSED
    if isinstance(error, DeviceError):
        memory = "memory" in text
        return ErrorCode.OUT_OF_MEMORY if memory else ErrorCode.NO_DEVICE
    for kind, code in (
        (ModelError, ErrorCode.MODEL_UNUSABLE),
        (EncoderFailed, ErrorCode.ENCODER_FAILED),
        (PlanError, ErrorCode.PLAN_IMPOSSIBLE),
        (Cancelled, ErrorCode.CANCELLED),
    ):
        if isinstance(error, kind):
            return code
    return ErrorCode.UNEXPECTED


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        words = str(error).lower()
        if "no space left" in words or "disk is full" in words:
            return True
        error = error.__cause__ or error.__context__
    return False
