"""The last step of every render: finished parts become one file, with sound."""

from collections.abc import Sequence
from pathlib import Path

from imf_plugin.engine.options import AudioMode
from imf_plugin.engine.progress import CancelToken
from imf_plugin.media.audio import AudioPlan, AudioSegment
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.join import join_parts
from imf_plugin.media.mux import finish
from imf_plugin.timeline.plan import RenderPlan


def assemble(
    plan: RenderPlan,
    files: Sequence[Path],
    work_folder: Path,
    output: Path,
    source: MediaInfo,
    *,
    audio: AudioMode | None,
    cancel: CancelToken | None,
) -> tuple[str, ...]:
    """Join parts at the plan's exact times, add sound, and give the output its name.

    Args:
        plan: The times, and how the sound follows.
        files: The parts in order.
        work_folder: Where the joined file lies until it is complete.
        output: The final name.
        source: Where sound and the rest come from.
        audio: ``keep``, ``stretch`` or ``drop``; None stretches if the speed changes.
        cancel: Stops before the joining.

    Returns:
        What could not be carried over, one sentence each.

    Raises:
        ImfError: If a part or the output is in the way.
    """
    if cancel:
        cancel.check()
    times = [frame.time for frame in plan.frames]
    ends = [*times[1:], plan.duration]
    joined = join_parts(
        files,
        times,
        [end - start for start, end in zip(times, ends, strict=True)],
        work_folder / f"tmp-joined{output.suffix}",
    )
    return finish(joined, source, output, audio=_audio_plan(plan, audio))


def _audio_plan(plan: RenderPlan, mode: AudioMode | None) -> AudioPlan:
    unchanged = all(
        span.source_end - span.source_start == span.output_duration for span in plan.audio
    )
    return AudioPlan(
        mode=mode or ("keep" if unchanged else "stretch"),
        segments=tuple(
            AudioSegment(
                source_start=span.source_start,
                source_end=span.source_end,
                output_duration=span.output_duration,
            )
            for span in plan.audio
        ),
    )
