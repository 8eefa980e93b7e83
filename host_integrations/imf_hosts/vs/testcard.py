"""A moving picture that needs no file, for examples and first tries."""

from collections.abc import Sequence

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray


def moving_card(
    moments: Sequence[float] = tuple(range(24)),
    *,
    width: int = 320,
    height: int = 180,
    format: int = vs.YUV420P8,
    fps_num: int = 24000,
    fps_den: int = 1001,
) -> vs.VideoNode:
    """Return a clip of a striped ball that rolls past a soft pattern.

    Args:
        moments: What each frame shows, in frames of even motion; repeat one to hold a drawing, as
            in animation on twos.
        width: In pixels.
        height: In pixels.
        format: Any 8- to 16-bit or float format; YUV and gray are tagged BT.709.
        fps_num: Frame rate, with ``fps_den``.
        fps_den: Likewise.
    """
    shown = list(moments)
    blank = vs.core.std.BlankClip(
        width=width,
        height=height,
        format=vs.RGBS,
        length=len(shown),
        fpsnum=fps_num,
        fpsden=fps_den,
    )

    def paint(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        made = f.copy()
        for plane, colour in enumerate(_picture(shown[n], width, height)):
            np.asarray(made[plane])[...] = colour
        return made

    # Alone, ModifyFrame would paint one frame at a time whatever the number of threads.
    card = blank.std.FrameEval(lambda n: blank.std.ModifyFrame(blank, paint))
    family = vs.core.get_video_format(format).color_family
    return card.resize.Bicubic(
        format=format, **({} if family == vs.RGB else {"matrix": vs.MATRIX_BT709})
    )


def _picture(moment: float, width: int, height: int) -> NDArray[np.float32]:
    """Return ``[3, H, W]``: what is seen at a moment."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pan = x + moment
    waves = 0.45 + 0.15 * np.sin(pan * 0.09) * np.cos(y * 0.11) + 0.1 * np.sin((pan + y) * 0.23)
    picture = np.stack([waves, waves * 0.9 + 0.05, 1 - waves])
    radius = height * 0.22
    centre_x = width * 0.2 + 3 * moment
    dx, dy = x - centre_x, y - height * 0.5
    inside = np.clip(radius - np.hypot(dx, dy) + 0.5, 0, 1)
    turn = 3 * moment / radius
    stripes = 0.5 + 0.4 * np.sin((dx * np.cos(turn) + dy * np.sin(turn)) * 8 / radius)
    ball = np.stack([0.3 + 0.6 * stripes, 0.2 + 0.2 * stripes, 0.15 * np.ones_like(stripes)])
    return np.asarray(picture * (1 - inside) + ball * inside, np.float32)
