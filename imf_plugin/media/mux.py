"""Finishing a render: sound, subtitles, chapters and metadata join the video, then it appears.

The file is built under a temporary name and takes its final name only when it is complete.
"""

import errno
import os
import shutil
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from imf_plugin.errors import MediaError, OutputRefused
from imf_plugin.media._open import alpha_mark, as_fraction, file_url, open_input, video_stream
from imf_plugin.media.audio import AudioPlan, AudioSegment
from imf_plugin.media.ffmpeg import Ffmpeg, locate_ffmpeg, run_ffmpeg
from imf_plugin.media.info import MediaInfo
from imf_plugin.media.join import container_format
from imf_plugin.media.muxer import Track, write_tracks
from imf_plugin.media.stretch import stretch_audio
from imf_plugin.media.tracks import (
    CONTAINER_RULES,
    TEXT_SUBTITLES,
    ContainerRules,
    audio_encoding,
)
from imf_plugin.media.write_images import write_failure

_DROPPED_METADATA = {"encoder", "duration", "handler_name", "vendor_id", "rotate", "timecode"}
_DROPPED_METADATA |= {"major_brand", "minor_version", "compatible_brands"}
_DROPPED_METADATA |= {"number_of_frames", "number_of_bytes", "bps"}
_OPUS_PRE_SKIP: Final = Fraction(1, 100)


def finish(
    video: Path,
    source: MediaInfo | None,
    destination: Path,
    *,
    audio: AudioPlan | None = None,
    ffmpeg: Ffmpeg | None = None,
) -> tuple[str, ...]:
    """Complete a joined video, or folder of images, and give it its final name.

    Sound follows the plan. Subtitles, chapters and metadata are carried over where the container
    takes them and output times can be told from source times.

    Args:
        video: What `join_parts` made; it is used up.
        source: Where sound and the rest come from; None for video alone.
        destination: The final name; what has it is replaced.
        audio: What becomes of the sound, and how time was bent; None keeps both as they are.
        ffmpeg: The binary for what has to be re-encoded; None for the one that is found.

    Returns:
        What could not be carried over, one sentence each.

    Raises:
        OutputRefused: If the file cannot be written.
        EncoderFailed: If ffmpeg is needed and fails.
    """
    if video.is_dir():
        _put_folder(video, destination)
        return ()
    work = _work_folder(video, destination)
    finished = work / f"tmp-finished{destination.suffix}"
    try:
        with ExitStack() as files:
            muxing = _Muxing(files, video, source, destination, audio or AudioPlan(), work)
            if source is not None and source.kind == "video":
                muxing.add_source(source, ffmpeg)
            muxing.write(finished)
        _put_file(finished, destination)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputRefused(write_failure(destination, error)) from error
    finally:
        finished.unlink(missing_ok=True)
    video.unlink(missing_ok=True)
    return tuple(muxing.warnings)


class _Muxing:
    """Collects the tracks of one output."""

    def __init__(
        self,
        files: ExitStack,
        video: Path,
        source: MediaInfo | None,
        destination: Path,
        plan: AudioPlan,
        work: Path,
    ) -> None:
        self._files, self._destination, self._plan, self._work = files, destination, plan, work
        self._rules: ContainerRules = CONTAINER_RULES[destination.suffix.lower()]
        self.warnings: list[str] = []
        self._metadata: dict[str, str] = {}
        self._chapters: list[Any] = []
        container = files.enter_context(open_input(video))
        self._video = container.streams.video[0]
        self._video_track = Track(
            container=container,
            stream=self._video,
            offset=Fraction(0),
            earliest=Fraction(-(10**9)),
            latest=Fraction(10**9),
            metadata=alpha_mark(self._video),
        )
        self._duration = _stream_duration(video)
        self._tracks: list[Track] = []

    def add_source(self, source: MediaInfo, ffmpeg: Ffmpeg | None) -> None:
        """Take over what the source has beside its pictures."""
        container = self._files.enter_context(open_input(source.path))
        self._metadata = _kept(container.metadata)
        self._chapters = self._placed_chapters(container, source)
        if self._plan.mode != "drop":
            for stream in container.streams.audio:
                self._add_audio(source, stream, ffmpeg)
        can_place = self._plan.runs_forward
        for subtitles in container.streams.subtitles:
            if can_place:
                self._add_subtitles(source, subtitles, ffmpeg)
        if container.streams.subtitles and not can_place:
            self.warnings.append("subtitles are left out, since time runs backwards or jumps")
        video_metadata = _kept(video_stream(container, source.path).metadata)
        # Whether the pictures have alpha is for the new ones to say.
        video_metadata = {k: v for k, v in video_metadata.items() if k.lower() != "alpha_mode"}
        self._video_track.metadata.update(video_metadata)

    def _add_audio(self, source: MediaInfo, stream: Any, ffmpeg: Ffmpeg | None) -> None:
        channels = getattr(stream.codec_context, "channels", None)
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        if not channels:
            self.warnings.append(f"sound of {source.path} in the codec {codec} is left out")
            return
        takes = self._rules.audio_codecs is None or codec in self._rules.audio_codecs
        stretch = self._plan.mode == "stretch" and not self._plan.keeps_time
        if takes and not stretch:
            self._tracks.append(
                self._copied(source.path, stream.index, source.start_time, _kept(stream.metadata))
            )
            return
        file = self._work / f"tmp-audio-{stream.index}.mka"
        self._files.callback(file.unlink, missing_ok=True)
        binary = ffmpeg or locate_ffmpeg()
        encoding = audio_encoding(self._rules.audio_encoder, channels)
        start = (stream.start_time or 0) * (as_fraction(stream.time_base) or Fraction(0))
        segments = self._plan.segments if stretch else _whole(self._duration)
        stretch_audio(
            source.path,
            stream.index,
            delay=start - source.start_time,
            channels=channels,
            segments=segments,
            destination=file,
            encoding=encoding,
            ffmpeg=binary,
        )
        self._tracks.append(self._copied(file, 0, Fraction(0), _kept(stream.metadata)))

    def _add_subtitles(self, source: MediaInfo, stream: Any, ffmpeg: Ffmpeg | None) -> None:
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        takes = codec in self._rules.subtitle_codecs
        path, index, offset = source.path, stream.index, source.start_time
        if not takes:
            if codec not in TEXT_SUBTITLES:
                self.warnings.append(
                    f"subtitles in the format {codec} do not fit into "
                    f"{self._destination.suffix} and are left out: use .mkv to keep them"
                )
                return
            path, index = self._converted_subtitles(source.path, stream.index, ffmpeg), 0
            if path == source.path:
                return
        track = self._copied(path, index, offset, _kept(stream.metadata), is_bent=True)
        self._tracks.append(track)

    def _converted_subtitles(self, path: Path, index: int, ffmpeg: Ffmpeg | None) -> Path:
        suffix = ".mp4" if self._rules.text_encoder == "mov_text" else ".mkv"
        file = self._work / f"tmp-subtitles-{index}{suffix}"
        self._files.callback(file.unlink, missing_ok=True)
        format_ = "mp4" if suffix == ".mp4" else "matroska"
        arguments = ["-copyts", "-i", file_url(path), "-map", f"0:{index}", "-c:s"]
        arguments += [self._rules.text_encoder, "-f", format_, "-y", file_url(file)]
        try:
            run_ffmpeg(ffmpeg or locate_ffmpeg(), arguments, f"convert the subtitles of {path}")
        except MediaError as error:
            self.warnings.append(f"subtitles are left out: {error}")
            return path
        return file

    def _copied(
        self,
        path: Path,
        index: int,
        offset: Fraction,
        metadata: dict[str, str],
        *,
        is_bent: bool = False,
    ) -> Track:
        container = self._files.enter_context(open_input(path))
        stream = container.streams[index]
        return Track(
            container=container,
            stream=stream,
            offset=offset,
            earliest=self._earliest(stream),
            latest=Fraction(10**9) if is_bent else self._duration,
            metadata=metadata,
            is_bent=is_bent,
        )

    def _earliest(self, stream: Any) -> Fraction:
        """From when on packets are wanted; a decoder may need one before time 0 to warm up."""
        if stream.type != "audio":
            return Fraction(-(10**9))
        if self._rules.keeps_priming:
            rate = stream.codec_context.sample_rate or 48000
            return -Fraction(2 * (stream.codec_context.frame_size or 1024), rate)
        return -_OPUS_PRE_SKIP if stream.codec_context.name == "opus" else Fraction(-1, 1000)

    def _placed_chapters(self, container: Any, source: MediaInfo) -> list[Any]:
        chapters = container.chapters()
        if chapters and not self._plan.runs_forward:
            self.warnings.append("chapters are left out, since time runs backwards or jumps")
            return []
        placed = []
        for chapter in chapters:
            base = as_fraction(chapter["time_base"]) or Fraction(1, 1000)
            start, end = (
                min(
                    max(
                        Fraction(0),
                        self._plan.output_time(chapter[edge] * base - source.start_time),
                    ),
                    self._duration,
                )
                for edge in ("start", "end")
            )
            if end > start:
                placed.append(
                    {
                        "id": chapter["id"],
                        "start": round(start * 1000),
                        "end": round(end * 1000),
                        "time_base": Fraction(1, 1000),
                        "metadata": dict(chapter["metadata"]),
                    }
                )
        return placed

    def write(self, path: Path) -> None:
        """Write everything that was collected."""
        write_tracks(
            path,
            container_format(self._destination),
            (self._video_track, *self._tracks),
            metadata=self._metadata,
            chapters=self._chapters,
            plan=self._plan,
            duration=self._duration,
        )


def _stream_duration(video: Path) -> Fraction:
    """The end of the last frame of a joined file."""
    with open_input(video) as container:
        stream = container.streams.video[0]
        base = as_fraction(stream.time_base) or Fraction(1, 1000)
        return base * max(
            (packet.pts or 0) + (packet.duration or 0)
            for packet in container.demux(stream)
            if packet.size
        )


def _whole(duration: Fraction) -> tuple[AudioSegment, ...]:
    return (AudioSegment(source_start=Fraction(0), source_end=duration, output_duration=duration),)


def _kept(metadata: Any) -> dict[str, str]:
    """Metadata that is still true of the output."""
    return {
        key: value
        for key, value in dict(metadata).items()
        if key.lower().split("-")[0] not in _DROPPED_METADATA and not key.startswith("_")
    }


def _work_folder(video: Path, destination: Path) -> Path:
    """Where scratch files go: beside the video if a rename can reach the destination from there."""
    folder = destination.absolute().parent
    return video.parent if video.parent.stat().st_dev == folder.stat().st_dev else folder


def _put_file(finished: Path, destination: Path) -> None:
    with finished.open("rb") as file:
        # What has its final name must survive a power cut.
        os.fsync(file.fileno())
    os.replace(finished, destination)


def _put_folder(folder: Path, destination: Path) -> None:
    """Move a folder of images to its final name; `check_output` saw to what may be replaced."""
    old = destination.with_name(f".{destination.name}.replaced")
    try:
        if destination.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(destination, old)
        try:
            os.replace(folder, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.move(folder, destination)
    except OSError as error:
        raise OutputRefused(write_failure(destination, error)) from error
    shutil.rmtree(old, ignore_errors=True)
