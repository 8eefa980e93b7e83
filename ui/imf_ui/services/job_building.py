"""From what a document says to the job that renders it."""

from pathlib import Path
from typing import Any

from imf_ui.model.document import Clip, Document
from imf_ui.model.queue import Job, JobOptions, RetimeSpec, spec_of_retarget
from imf_ui.model.schedule import Findings


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
