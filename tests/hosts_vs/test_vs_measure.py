"""The figures beside the classic filters."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

vs = pytest.importorskip("vapoursynth")
from imf_hosts.vs import measure  # noqa: E402
from imf_hosts.vs.measure import Figures, blend, by_model, flow_inter  # noqa: E402


@pytest.mark.skipif(
    not (hasattr(vs.core, "bs") and hasattr(vs.core, "mvu")),
    reason="vapoursynth-bestsource or vapoursynth-mvutensils is not installed",
)
def test_motion_compensation_beats_a_blend_on_even_motion(make_clip: Callable[..., Path]) -> None:
    clip = make_clip(count=9, width=160, height=96, speed_px=4.0, rate=Fraction(25))
    methods = {"blend": blend, "FlowInter": flow_inter, "flow": by_model("flow")}
    found = measure.measure(clip, methods, most=3, with_minterpolate=True)

    assert list(found) == ["blend", "FlowInter", "flow", "minterpolate"]
    assert found["flow"].psnr_db > found["blend"].psnr_db + 3
    assert found["minterpolate"].psnr_db > found["blend"].psnr_db
    assert all(0 < figures.ssim <= 1 and figures.frame_ms >= 0 for figures in found.values())


def test_the_table_ends_with_the_means() -> None:
    rows = measure.table(
        {
            "a": {"blend": Figures(psnr_db=20, ssim=0.8, frame_ms=2)},
            "b": {"blend": Figures(psnr_db=30, ssim=0.9, frame_ms=4)},
        }
    ).splitlines()
    assert rows[0] == "| clip | blend |"
    assert rows[-1] == "| **mean** | 25.00 / 0.850 / 3 |"
