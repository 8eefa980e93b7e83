"""The motion of one clip on the picture of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import vapoursynth as vs
from torch import Tensor

from imf_hosts.vs.arguments import check_flag, check_integer
from imf_hosts.vs.clips import checked, empty_like, frame_rate, is_variable_rate, tagged
from imf_hosts.vs.colour import WorkingFormat, share_of
from imf_hosts.vs.errors import at_source_frames, fault, reports_as_vs_error
from imf_hosts.vs.keyframes import KeyframeCache
from imf_hosts.vs.scenes import NEXT, PREVIOUS
from imf_hosts.vs.workers import Workers, usual_places
from imf_plugin.engine.retargeting import Retargeting, check_request, smooth_tokens
from imf_plugin.engine.session import open_session
from imf_plugin.models.registry import load_retargeter
from imf_plugin.models.retargeting import Retargeter

LONGEST_SMOOTHING = 32
_TIMING = ("_DurationNum", "_DurationDen", NEXT, PREVIOUS)
_KEPT_TOKENS_BYTES = 256 * 2**20


@reports_as_vs_error
def retarget(
    reference: vs.VideoNode,
    driving: vs.VideoNode,
    *,
    frame: int = 0,
    anchor: int = 0,
    mode: Literal["absolute", "relative"] = "relative",
    strength: float = 1.0,
    smooth: int = 0,
    mask: vs.VideoNode | None = None,
    keep_background: bool = False,
    model: str | Retargeter = "auto",
    device: str = "auto",
    precision: str = "auto",
    matrix: int | str | None = None,
    range: int | str | None = None,
    num_streams: int | None = None,
) -> vs.VideoNode:
    """Move a picture as another clip moves.

    The result has the size, format and colour of the reference, and the length, rate and
    durations of the driving clip.

    Args:
        reference: The clip whose frame ``frame`` is moved.
        driving: The clip whose motion is taken.
        frame: Which frame of the reference.
        anchor: The driving frame that stands as the reference stands.
        mode: ``relative`` adds the motion since the anchor; ``absolute`` takes the pose itself.
        strength: Multiplies the motion, 0 to 4.
        smooth: Frames to either side over which the motion is smoothed.
        mask: Gray clip of the reference's size, white where the picture may change.
        keep_background: Whether the picture's border stays as it is.
        model: Name of a retargeting model, or a loaded one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        matrix: YUV matrix, for each of the two clips that is YUV.
        range: ``full`` or ``limited``, for both.
        num_streams: Frames made at a time; 1 on a GPU and up to 4 on the CPU when None.

    Raises:
        vs.Error: If an argument or a clip is wrong.
    """
    reference = checked(reference, "reference", least_frames=1)
    driving = checked(driving, "driving", least_frames=1)
    _check_frame("frame", frame, reference)
    _check_frame("anchor", anchor, driving)
    check_integer("smooth", smooth, 0)
    if smooth > LONGEST_SMOOTHING:
        raise fault(f"smooth must be at most {LONGEST_SMOOTHING}, not {smooth}")
    check_flag("keep_background", keep_background)
    if isinstance(strength, bool) or not isinstance(strength, int | float):
        raise fault(f"strength must be a number, not {strength!r}")
    check_request(mode, strength)
    if num_streams is not None:
        check_integer("num_streams", num_streams, 1)
    session = open_session(device, precision)
    picture = _Input(reference, matrix, range)
    source = _Input(driving, matrix, range)
    allowed = _mask_tensor(mask, reference)
    if isinstance(model, str):
        model = load_retargeter(model, device=session.device, precision=session.precision)
    if not isinstance(model, Retargeter):
        raise fault(f"model must be a name or a loaded retargeting model, not {model!r}")
    workers = Workers(num_streams or usual_places(session.device), session.device)
    with workers.one():
        retargeting = Retargeting(
            model,
            picture.tensor_of(frame, session.device),
            source.tensor_of(anchor, session.device),
            mode=mode,
            strength=strength,
            mask=allowed,
            keep_background=keep_background,
        )
    still = _Still(input=picture, frame=frame)
    return _Retargeted(still, source, retargeting, workers, session.device, smooth).node()


class _Input:
    """A tagged clip and its working format."""

    def __init__(self, clip: vs.VideoNode, matrix: Any, range_: Any) -> None:
        is_yuv = clip.format.color_family == vs.YUV
        self.clip, colour = tagged(clip, matrix if is_yuv else None, range_)
        self.working = WorkingFormat(self.clip, colour)

    def tensor_of(self, index: int, device: str) -> Tensor:
        """Fetch a frame; only while the script runs, never in a callback."""
        with self.working.clip.get_frame(index) as frame:
            return self.working.tensor(frame, device)


@dataclass(frozen=True, kw_only=True)
class _Still:
    """The frame that is moved."""

    input: _Input
    frame: int


@dataclass(frozen=True, kw_only=True)
class _Token:
    """One driving frame's token."""

    values: Tensor

    @property
    def size_bytes(self) -> int:
        return self.values.nbytes


class _Retargeted:
    def __init__(
        self,
        still: _Still,
        driving: _Input,
        retargeting: Retargeting,
        workers: Workers,
        device: str,
        smooth: int,
    ) -> None:
        self._working = still.input.working
        self._picture = still.input.clip[still.frame]
        self._worked = self._working.clip[still.frame]
        self._driving = driving
        self._retargeting = retargeting
        self._workers = workers
        self._device = device
        self._smooth = smooth
        self._tokens: KeyframeCache[_Token] = KeyframeCache(4 * smooth + 16, _KEPT_TOKENS_BYTES)

    def node(self) -> vs.VideoNode:
        driving = self._driving.clip
        rate = None if is_variable_rate(driving) else frame_rate(driving)
        blank = empty_like(self._picture, driving.num_frames, rate)
        return blank.std.FrameEval(self._evaluate, clip_src=[driving])

    def _evaluate(self, n: int) -> vs.VideoNode:
        last = self._driving.clip.num_frames - 1
        # The ends are repeated outwards, as smoothing a whole clip does.
        around = [
            min(max(number, 0), last) for number in range(n - self._smooth, n + self._smooth + 1)
        ]
        needed = sorted(set(around))
        make = partial(self._make, needed, around)
        inputs = [self._worked, *(self._driving.working.clip[number] for number in needed)]
        made = self._working.back(self._worked.std.ModifyFrame(inputs, lambda n, f: make(f)))
        made = made.std.CopyFrameProps(self._picture).std.RemoveFrameProps(
            ["_AbsoluteTime", "_PictType"]
        )
        made = made.std.CopyFrameProps(self._driving.clip[n], props=list(_TIMING))
        return made.std.SetFrameProps(IMFInterpolated=1, IMFSourceIndex=n)

    def _make(
        self, needed: Sequence[int], around: Sequence[int], frames: list[vs.VideoFrame]
    ) -> vs.VideoFrame:
        try:
            found = {
                number: self._token(number, frame)
                for number, frame in zip(needed, frames[1:], strict=True)
            }
            with self._workers.one():
                tokens = torch.stack([found[number] for number in around])
                token = smooth_tokens(tokens, self._smooth)[self._smooth]
                picture = self._retargeting.render(token[None])[0].cpu()
            return self._working.frame(picture, frames[0])
        except Exception as error:
            raise at_source_frames([around[self._smooth]], error) from error

    def _token(self, number: int, frame: vs.VideoFrame) -> Tensor:
        def encode() -> _Token:
            with self._workers.one():
                picture = self._driving.working.tensor(frame, self._device)
                return _Token(values=self._retargeting.tokens(picture[None])[0])

        return self._tokens.get(number, encode).values


def _check_frame(name: str, number: object, clip: vs.VideoNode) -> None:
    check_integer(name, number, 0)
    assert isinstance(number, int)
    if number >= clip.num_frames:
        raise fault(f"{name} is {number}, but the last frame of that clip is {clip.num_frames - 1}")


def _mask_tensor(mask: vs.VideoNode | None, reference: vs.VideoNode) -> Tensor | None:
    if mask is None:
        return None
    mask = checked(mask, "mask", least_frames=1)
    if mask.format.color_family != vs.GRAY:
        raise fault(f"mask must be a gray clip, not {mask.format.name}")
    if (mask.width, mask.height) != (reference.width, reference.height):
        raise fault(
            f"mask must be of the reference's size, {reference.width}x{reference.height}, "
            f"not {mask.width}x{mask.height}"
        )
    with mask.get_frame(0) as frame:
        return share_of(frame)[0]
