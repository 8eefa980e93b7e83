"""Long tasks of the worker: renders and analyses that report, pause and stop."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from imf_plugin.engine.options import RenderOptions
from imf_plugin.engine.planning import Retime, make_plan
from imf_plugin.engine.progress import CancelToken, Progress
from imf_plugin.errors import Cancelled
from imf_plugin.timeline.plan import OnCut, RenderPlan, excerpt
from imf_ui.model.queue import JobOptions, RetargetSpec, RetimeSpec
from imf_ui.model.values import from_json
from imf_ui.services.faking import Faults, fake_interpolator
from imf_ui.services.pictures import small_jpeg

_REPORT_SECONDS = 0.1
_PICTURE_SECONDS = 0.7

type Send = Callable[..., None]


class LongTask:
    """One render or analysis.

    Args:
        command: What to do.
        send: Writes events.
        faults: What shall go wrong, for tests.
    """

    def __init__(self, command: dict[str, Any], send: Send, faults: Faults | None) -> None:
        self._command = command
        self._send = send
        self._faults = faults
        self._token = CancelToken()
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._reported = 0.0
        self._last: tuple[str, int] = ("", -1)
        self._pictured = 0.0

    def cancel(self) -> None:
        """Stop within a frame."""
        self._token.cancel()
        self._goes_on.set()

    def pause(self) -> None:
        """Stand still after the frame under way, holding everything."""
        self._goes_on.clear()
        self._send("paused", id=self._command["id"])

    def resume(self) -> None:
        """Go on."""
        self._goes_on.set()
        self._send("resumed", id=self._command["id"])

    def run(self) -> None:
        """Do the work and tell the result."""
        {"render": self._render, "retarget": self._retarget, "analyse": self._analyse}[
            self._command["cmd"]
        ]()

    def _progress(self, event: Progress) -> None:
        self._goes_on.wait()
        self._token.check()
        now = time.monotonic()
        changed_stage = event.stage != self._last[0]
        ends = event.done >= event.total
        if not (event.note or changed_stage or ends or now - self._reported > _REPORT_SECONDS):
            return
        self._reported, self._last = now, (event.stage, event.done)
        self._send(
            "progress",
            id=self._command["id"],
            stage=event.stage,
            done=event.done,
            total=event.total,
            note=event.note,
        )

    def _watch(self, picture: Callable[[], Any]) -> None:
        """Send a small copy of the frame that was made last, now and then."""
        now = time.monotonic()
        if now - self._pictured >= _PICTURE_SECONDS:
            self._pictured = now
            jpeg = b64encode(small_jpeg(picture())).decode()
            self._send("picture", id=self._command["id"], jpeg=jpeg)

    def _options(self) -> RenderOptions:
        wanted = asdict(from_json(JobOptions, self._command["options"]))
        options = RenderOptions(**wanted, watch=self._watch)
        if self._faults is not None and self._command["cmd"] == "render":
            model = fake_interpolator(self._faults, tile=options.tile, device=options.device)
            options = replace(options, model=model)
        return options

    def _render(self) -> None:
        from imf_plugin.engine.render import check_request, render

        spec = from_json(RetimeSpec, self._command["retime"])
        output, options = Path(self._command["output"]), self._options()
        check_request(spec.source, output, options)
        plan = plan_of(spec, progress=self._progress, cancel=self._token)
        result = render(plan, output, options=options, progress=self._progress, cancel=self._token)
        self._done(result, plan.warnings)

    def _retarget(self) -> None:
        from imf_plugin.engine.retarget_functions import retarget

        spec = from_json(RetargetSpec, self._command["retarget"])
        wanted = self._options()
        options = {
            member.name: getattr(wanted, member.name)
            for member in fields(wanted)
            if member.name != "model"
        }
        result = retarget(
            spec.reference,
            spec.driving,
            self._command["output"],
            model=spec.model,
            mode=spec.mode,  # type: ignore[arg-type]
            anchor="best" if spec.anchor is None else spec.anchor,
            reference_frame=spec.reference_frame,
            strength=float(spec.strength),
            smooth=spec.smooth,
            mask=spec.mask or None,
            keep_background=spec.keep_background,
            progress=self._progress,
            cancel=self._token,
            **options,
        )
        self._done(result, ())

    def _done(self, result: Any, warnings: tuple[str, ...]) -> None:
        self._send(
            "done",
            id=self._command["id"],
            output=str(result.output),
            frames=result.frames,
            rendered=result.rendered,
            seconds=result.seconds,
            warnings=[*warnings, *result.warnings],
        )

    def _analyse(self) -> None:
        from imf_plugin.engine.analysis import analyse
        from imf_plugin.engine.progress import ProgressMeter
        from imf_plugin.media.read import open_media

        number = self._command["id"]
        with open_media(Path(self._command["source"])) as reader:
            meter = ProgressMeter("analyse", len(reader.info.frame_times), self._progress)
            found = analyse(
                reader,
                find_cuts=self._command["cuts"],
                find_duplicates=self._command["dedup"],
                on_frame=meter.advance,
            )
        try:
            self._token.check()
        except Cancelled:
            self._send("error", id=number, code="cancelled", text="cancelled")
            return
        self._send("analysed", id=number, cuts=list(found.cuts), duplicates=list(found.duplicates))


def plan_of(spec: RetimeSpec, **callbacks: Any) -> RenderPlan:
    """Return the engine's plan of a job."""
    retime = Retime(
        curve=spec.curve.engine_curve() if spec.curve else None,
        factor=spec.factor,
        curve_rate=spec.rate if spec.curve else None,
        cuts=spec.cuts,
        find_cuts=spec.find_cuts,
        on_cut=OnCut(spec.on_cut),
        dedup=spec.dedup,
    )
    plan = make_plan(spec.source, retime, **callbacks)
    count = len(plan.frames)
    first = min(spec.first or 0, count - 1)
    last = count - 1 if spec.last is None else min(spec.last, count - 1)
    return excerpt(plan, first, max(first, last) + 1)
