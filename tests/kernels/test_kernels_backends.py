import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import imf_kernels
from imf_kernels import align, backends, splat, warp, warp_blend

KERNELS = str(Path(__file__).parents[2] / "kernels")
SOURCE, FLOW, METRIC = torch.ones(1, 3, 4, 5), torch.zeros(1, 2, 4, 5), torch.zeros(1, 1, 4, 5)
ROWS, XY = torch.ones(1, 2, 6, 16), torch.zeros(6, 2)


def run(code: str, **environment: str) -> str:
    """Output of a fresh interpreter."""
    names = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**names, "PYTHONPATH": KERNELS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WITHOUT_TRITON = """
import sys, torch
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "triton":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "triton" else real(name, *more)
import imf_kernels
"""


def test_importing_the_package_does_not_import_triton() -> None:
    assert run("import sys, imf_kernels; print('triton' in sys.modules)").strip() == "False"


def test_everything_works_where_triton_is_not_installed() -> None:
    code = WITHOUT_TRITON + (
        "s = torch.ones(1, 2, 3, 4, requires_grad=True)\n"
        "f = torch.zeros(1, 2, 3, 4)\n"
        "imf_kernels.splat(imf_kernels.warp(s, f), f)[0].sum().backward()\n"
        "print(s.grad.sum().item())\n"
    )
    assert run(code).strip() == "24.0"


def test_asking_for_triton_where_there_is_none_says_how_to_get_it() -> None:
    code = WITHOUT_TRITON + (
        "try:\n"
        "    imf_kernels.warp(torch.ones(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), backend='triton')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    assert "pip install triton" in run(code)


def test_asking_for_triton_on_a_processor_says_what_it_needs() -> None:
    pytest.importorskip("triton")
    code = (
        "import torch, imf_kernels\n"
        "try:\n"
        "    imf_kernels.warp(torch.ones(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), backend='triton')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    assert "CUDA device, got cpu" in run(code)


def test_the_environment_can_force_torch_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "triton_installed", lambda: True)
    cuda = torch.device("cuda")
    monkeypatch.delenv("IMF_KERNELS", raising=False)
    assert backends.resolve("auto", cuda, torch.float32) == "triton"
    assert backends.resolve("auto", cuda, torch.float64) == "torch"
    assert backends.resolve("auto", torch.device("cpu"), torch.float32) == "torch"
    monkeypatch.setenv("IMF_KERNELS", "torch")
    assert backends.resolve("auto", cuda, torch.float32) == "torch"
    assert backends.resolve("triton", cuda, torch.float32) == "torch"
    monkeypatch.setenv("IMF_KERNELS", "fast")
    with pytest.raises(ValueError, match="IMF_KERNELS must be one of auto, torch, triton"):
        backends.resolve("auto", cuda, torch.float32)


def test_triton_refuses_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "triton_installed", lambda: True)
    monkeypatch.delenv("IMF_KERNELS", raising=False)
    with pytest.raises(TypeError, match=r"got torch\.float64"):
        backends.resolve("triton", torch.device("cuda"), torch.float64)


def test_wrong_shapes_are_refused_with_what_was_got_and_what_is_needed() -> None:
    with pytest.raises(
        ValueError, match=r"flow must have shape \[1, 2, 4, 5\], got .*\[1, 3, 4, 5\]"
    ):
        warp(SOURCE, SOURCE)
    with pytest.raises(ValueError, match=r"mask must have shape \[1, 1, 4, 5\]"):
        warp_blend(SOURCE, SOURCE, FLOW, FLOW, SOURCE)
    with pytest.raises(ValueError, match=r"metric must have shape \[1, 1, 4, 5\]"):
        splat(SOURCE, FLOW, FLOW, "softmax")
    with pytest.raises(ValueError, match=r"key must have shape \[1, 2, any, 16\]"):
        align(ROWS, ROWS[..., :8], ROWS, XY, XY)
    with pytest.raises(ValueError, match=r"key_xy must have shape \[6, 2\]"):
        align(ROWS, ROWS, ROWS, XY, XY[:5])


def test_wrong_types_are_refused_with_what_was_got_and_what_is_needed() -> None:
    with pytest.raises(
        TypeError, match=r"source must be float16.*got source\.dtype = torch\.uint8"
    ):
        warp(SOURCE.byte(), FLOW)
    with pytest.raises(TypeError, match="flow must be a tensor, got list"):
        warp(SOURCE, [0.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"one dtype is needed, got query\.dtype"):
        align(ROWS, ROWS.half(), ROWS, XY, XY)


def test_tensors_on_two_devices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one device is needed, got source\.device = cpu, flow"):
        warp(SOURCE, FLOW.to("meta"))


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="padding must be one of border, zeros, got padding = 'wrap'"
    ):
        warp(SOURCE, FLOW, "wrap")
    with pytest.raises(ValueError, match="mode must be one of sum, average, softmax"):
        splat(SOURCE, FLOW, mode="max")
    with pytest.raises(ValueError, match="backend must be one of auto, torch, triton"):
        warp(SOURCE, FLOW, backend="cuda")


def test_softmax_and_metric_belong_together() -> None:
    with pytest.raises(ValueError, match="metric missing"):
        splat(SOURCE, FLOW, mode="softmax")
    with pytest.raises(ValueError, match="metric given"):
        splat(SOURCE, FLOW, METRIC)


def test_a_window_needs_the_grid_that_it_is_counted_in() -> None:
    with pytest.raises(ValueError, match="window needs key_grid"):
        align(ROWS, ROWS, ROWS, XY, XY, 1)
    with pytest.raises(ValueError, match="key_grid must hold all 6 keys"):
        align(ROWS, ROWS, ROWS, XY, XY, 1, key_grid=(2, 2))
    with pytest.raises(ValueError, match="window must be a radius of 0 or more"):
        align(ROWS, ROWS, ROWS, XY, XY, -1, key_grid=(2, 3))


def test_the_public_surface_is_four_functions() -> None:
    assert imf_kernels.__all__ == ["align", "splat", "warp", "warp_blend"]
