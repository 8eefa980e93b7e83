"""Compile every Triton kernel to sm_80 and sm_90 without a GPU, and say what ptxas says.

Run as a program, in a process of its own: Triton's interpreter, which other tests switch on, cannot
be switched off again. Prints one JSON object per kernel and target.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from imf_kernels.align import kernel as align
from imf_kernels.splat import kernel as splat
from imf_kernels.warp import kernel as warp

POINTERS = {
    "source", "flow", "out", "source0", "source1", "flow0", "flow1", "mask", "gradient", "metric",
    "top", "landed", "norm", "total", "by_weight", "offset", "to_source", "to_flow", "to_metric",
    "query", "key", "value", "query_xy", "key_xy", "centre", "values", "displacement", "confidence",
    "lse", "best", "gradient_xy", "gradient_sure", "to_query", "to_key", "to_value",
}  # fmt: skip
EXACT = {
    "top", "landed", "norm", "total", "by_weight", "offset", "query_xy", "key_xy", "displacement",
    "confidence", "lse", "gradient_xy", "gradient_sure",
}  # fmt: skip
WHOLE = {"centre": "*i32", "best": "*i32"}

PLANES = {"s_w": 1, "r_w": 1, "f_w": 1, "g_w": 1, "m_w": 1, "o_w": 1}
ROWS = {"s_c": 1, "o_c": 1, "f_w": 1, "m_w": 1, "g_c": 1}
SEQUENCES = {"q_d": 1, "k_d": 1, "v_d": 1, "c_xy": 1}
# What the launcher finds out by itself: sizes and strides that are multiples of 16.
EVEN = {"C", "W", "g_p", "Nq", "Nk"} | {
    f"{tensor}_{axis}" for tensor in "srfgmoqkv" for axis in "bchwn"
}


def _sizes(sizes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**sizes, **more}


def specimens() -> list[tuple[str, Any, str, dict[str, Any]]]:
    """Name, kernel, dtype of the data, and constants (block sizes, strides of 1, options)."""
    few = {"BLOCK_P": 256, "BLOCK_C": 1, "ZEROS": False, **PLANES}
    many = {"BLOCK_P": 16, "BLOCK_C": 32, "ZEROS": True, **ROWS}
    rows = {"BLOCK_P": 16, "BLOCK_C": 32, **ROWS}
    found = [
        ("warp_fwd planes", warp.warp_fwd_kernel, "fp16", few),
        ("warp_fwd planes, odd size", warp.warp_fwd_kernel, "fp16", {**few, "UNEVEN": True}),
        ("warp_fwd rows", warp.warp_fwd_kernel, "fp32", many),
        ("warp_blend_fwd", warp.warp_blend_fwd_kernel, "fp16", few),
        ("warp_bwd_flow", warp.warp_bwd_flow_kernel, "fp32", many),
        ("warp_bwd_source", warp.warp_bwd_source_kernel, "fp32", many),
        ("splat_top", splat.splat_top_kernel, "fp32", {"BLOCK_P": 256, **PLANES}),
        ("splat_fwd sum", splat.splat_fwd_kernel, "fp16", {**rows, "SOFTMAX": False}),
        ("splat_fwd softmax", splat.splat_fwd_kernel, "fp32", {**rows, "SOFTMAX": True}),
        ("splat_finish", splat.splat_finish_kernel, "fp32", {**rows, "DIVIDE": True}),
        ("splat_bwd", splat.splat_bwd_kernel, "fp32", {**rows, "DIVIDE": True, "SOFTMAX": True}),
    ]
    for name, dtype, d, dv, windowed in (
        ("align_fwd 64/96", "fp16", 64, 96, False),
        ("align_fwd 128/128", "bf16", 128, 128, False),
        ("align_fwd 64/96 windowed", "fp16", 64, 96, True),
        ("align_fwd 64/96", "fp32", 64, 96, False),
        ("align_fwd 128/128 windowed", "fp32", 128, 128, True),
    ):
        kind = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[dtype]
        sizes = align.forward_sizes(d, dv, kind, windowed)
        more = {"WINDOWED": windowed, "KEEP": False, "SIDE": 8, "D": d, "DV": dv, **SEQUENCES}
        found.append((f"{name} {dtype}", align.align_fwd_kernel, dtype, _sizes(sizes, **more)))
    for dtype, kind in (("fp16", torch.float16), ("fp32", torch.float32)):
        sizes = align.backward_sizes(64, 96, kind)
        heads = {"D": 64, "DV": 96, **SEQUENCES}
        more = {"WINDOWED": dtype == "fp16", "SIDE": 8, **heads}
        query = _sizes(sizes, **more)
        found.append((f"align_bwd_query {dtype}", align.align_bwd_query_kernel, dtype, query))
        key = _sizes(sizes, **heads)
        found.append((f"align_bwd_key {dtype}", align.align_bwd_key_kernel, dtype, key))
    # The launcher compiles sizes of 1 as constants, which Triton's language treats unlike numbers.
    pixel = {"C": 1, "H": 1, "W": 1, "UNEVEN": True}
    found += [
        ("warp_fwd one pixel", warp.warp_fwd_kernel, "fp32", {**few, **pixel}),
        ("warp_blend_fwd one pixel", warp.warp_blend_fwd_kernel, "fp32", {**few, **pixel}),
        ("warp_bwd_flow one pixel", warp.warp_bwd_flow_kernel, "fp32", {**few, **pixel}),
        ("warp_bwd_source one pixel", warp.warp_bwd_source_kernel, "fp32", {**few, **pixel}),
        ("splat_top one pixel", splat.splat_top_kernel, "fp32", {"BLOCK_P": 512, **pixel}),
    ]
    single = {"BLOCK_P": 512, "BLOCK_C": 1, **pixel}
    found += [
        ("splat_fwd one pixel", splat.splat_fwd_kernel, "fp32", {**single, "SOFTMAX": True}),
        ("splat_finish one pixel", splat.splat_finish_kernel, "fp32", {**single, "DIVIDE": True}),
        (
            "splat_bwd one pixel",
            splat.splat_bwd_kernel,
            "fp32",
            {**single, "DIVIDE": True, "SOFTMAX": True},
        ),
    ]
    lone = dict.fromkeys(("h", "Nq", "Nk", "q_rows", "q_columns", "radius", "rows", "columns"), 1)
    for windowed in (False, True):
        options = {"WINDOWED": windowed, "KEEP": True, "SIDE": 8, "D": 16, "DV": 16, **SEQUENCES}
        sizes = align.forward_sizes(16, 16, torch.float16, windowed)
        forward = _sizes(sizes, **options, **lone)
        found.append((f"align_fwd lone {windowed}", align.align_fwd_kernel, "fp16", forward))
    backward = _sizes(align.backward_sizes(16, 16, torch.float16), **options, **lone)
    found.append(("align_bwd_query lone", align.align_bwd_query_kernel, "fp16", backward))
    found.append(("align_bwd_key lone", align.align_bwd_key_kernel, "fp16", backward))
    return found


def build(kernel: Any, dtype: str, constants: dict[str, Any], arch: int) -> dict[str, int]:
    """Registers and spilled bytes of one kernel."""
    options = {key: constants[key] for key in ("num_warps", "num_stages") if key in constants}
    names = kernel.arg_names
    signature, constexprs, attributes = {}, {}, {}
    for place, name in enumerate(names):
        if name in constants and name in names:
            signature[name] = "constexpr"
            constexprs[(place,)] = constants[name]
        elif name in POINTERS:
            exact = name in EXACT and name not in {"gradient", "source"}
            signature[name] = WHOLE.get(name, "*fp32" if exact else f"*{dtype}")
            attributes[(place,)] = [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32" if name == "scale" else "i32"
            if name in EVEN and not constants.get("UNEVEN"):
                attributes[(place,)] = [["tt.divisibility", 16]]
    for name in ("to_key", "to_value"):
        if constants.get("WINDOWED") and name in signature:
            signature[name] = "*fp32"
    source = ASTSource(kernel, signature, constexprs, attributes)
    target = GPUTarget("cuda", arch, 32)
    compiled = triton.compile(source, target=target, options=options)
    return {**ptxas(compiled.asm["ptx"]), "shared": compiled.metadata.shared}


def ptxas(code: str) -> dict[str, int]:
    """What the assembler reports for PTX text."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
    arch = re.search(r"\.target (\w+)", code)
    assert arch is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(code)
        command = [str(tool), "-v", f"--gpu-name={arch[1]}", str(path), "-o", f"{folder}/cubin"]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = {"registers": int(re.search(r"Used (\d+) registers", report)[1])}  # type: ignore[index]
    for word in ("stack frame", "spill stores", "spill loads"):
        found[word] = int(re.search(rf"(\d+) bytes {word}", report)[1])  # type: ignore[index]
    return found


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, kernel, dtype, constants in specimens():
        if wanted not in name:
            continue
        for arch in (80, 90):
            result = {"kernel": name, "arch": arch, **build(kernel, dtype, constants, arch)}
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()
