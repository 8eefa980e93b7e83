"""From what a document says to the job that renders it."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from imf_ui.model.document import Clip, Document
from imf_ui.model.errors import ErrorCode, Explained, explain
from imf_ui.model.queue import Job, JobOptions, RetimeSpec, spec_of_retarget
from imf_ui.model.schedule import Findings


def failure_of(job: Job) -> Explained:
    """Return why a job failed, in words."""
    facts = {"file": Path(job.source).name}
    if job.error_code == ErrorCode.DISK_FULL:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(Path(job.output).parent).free
            facts["free"] = f"{free / 2**20:,.0f} MB"
    return explain(job.error_code, job.error_text, details=job.error_details, **facts)


def free_path(path: Path) -> Path:
    """Return the path, or the next numbered one that does not exist yet."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free


def job_of_clip(
    clip: Clip, output: str, *, findings: Findings | None = None, **options: Any
) -> Job:
    """Return the job that renders a clip."""
    cuts = clip.cuts.manual
    if cuts is None and findings is not None and clip.cuts.find:
        cuts = findings.cuts
    marks = clip.marks
    render = clip.render
    return Job(
        id="",
        name=clip.name,
        output=output,
        retime=RetimeSpec(
            source=clip.media.path,
            curve=clip.curve,
            rate=clip.output_rate,
            first=marks.first,
            last=marks.last,
            find_cuts=clip.cuts.find,
            cuts=cuts,
            on_cut=clip.cuts.on_cut,
            dedup=clip.cuts.dedup,
        ),
        options=JobOptions(
            **{
                "model": render.model,
                "device": render.device,
                "precision": render.precision,
                "tile": render.tile,
                "codec": render.codec,
                "crf": render.crf,
                "audio": render.audio,
                **options,
            }
        ),
    )


def job_of_retarget(document: Document, output: str, **options: Any) -> Job:
    """Return the job that renders the retargeting of a document."""
    setup = document.retarget
    return Job(
        id="",
        name=Path(setup.reference).stem,
        output=output,
        retarget=spec_of_retarget(setup),
        options=JobOptions(**options),
    )
