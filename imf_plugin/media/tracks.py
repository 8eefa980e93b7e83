"""Which audio and subtitle streams go into which container, and how."""

from dataclasses import dataclass
from typing import Final

_PCM: Final = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_s16be"})
_MP4_AUDIO: Final = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "flac"})
_MOV_AUDIO: Final = (_MP4_AUDIO - {"opus", "flac"}) | _PCM
_MKV_SUBTITLES: Final = frozenset(
    {"subrip", "srt", "ass", "ssa", "webvtt", "pgssub", "dvdsub", "dvbsub"}
)
_WEBM_AUDIO: Final = frozenset({"opus", "vorbis"})


@dataclass(frozen=True, kw_only=True)
class ContainerRules:
    """What a container takes."""

    audio_codecs: frozenset[str] | None
    """Codecs that can be copied; None for any."""
    audio_encoder: str
    """What other sound, and stretched sound, is encoded with."""
    subtitle_codecs: frozenset[str]
    """Codecs that can be copied."""
    text_encoder: str
    """What other text subtitles are converted to."""
    keeps_priming: bool
    """Whether sound before time 0 can be stored and skipped by an edit list."""


CONTAINER_RULES: Final = {
    ".mp4": ContainerRules(
        audio_codecs=_MP4_AUDIO,
        audio_encoder="aac",
        subtitle_codecs=frozenset({"mov_text"}),
        text_encoder="mov_text",
        keeps_priming=True,
    ),
    ".mov": ContainerRules(
        audio_codecs=_MOV_AUDIO,
        audio_encoder="aac",
        subtitle_codecs=frozenset({"mov_text"}),
        text_encoder="mov_text",
        keeps_priming=True,
    ),
    ".webm": ContainerRules(
        audio_codecs=_WEBM_AUDIO,
        audio_encoder="libopus",
        subtitle_codecs=frozenset({"webvtt"}),
        text_encoder="webvtt",
        keeps_priming=False,
    ),
    ".mkv": ContainerRules(
        audio_codecs=None,
        audio_encoder="flac",
        subtitle_codecs=_MKV_SUBTITLES,
        text_encoder="srt",
        keeps_priming=False,
    ),
}
TEXT_SUBTITLES: Final = frozenset(
    {"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text", "microdvd", "subviewer"}
)
_BITS_PER_CHANNEL: Final = {"aac": 96_000, "libopus": 80_000}


def audio_encoding(encoder: str, channels: int) -> tuple[tuple[str, str], ...]:
    """Options of ffmpeg that encode sound with this encoder, into a container with exact times."""
    options = [("acodec", encoder), ("format", "mp4" if encoder == "aac" else "matroska")]
    if encoder in _BITS_PER_CHANNEL:
        options.append(("b:a", str(_BITS_PER_CHANNEL[encoder] * max(1, min(channels, 8)))))
    if encoder == "libopus" and channels > 2:
        options.append(("mapping_family", "1"))
    if encoder == "flac":
        options.append(("sample_fmt", "s16"))
    return tuple(options)
