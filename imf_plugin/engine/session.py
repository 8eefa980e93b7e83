"""The device session: on what, and how precisely, a model runs."""

from dataclasses import dataclass

from imf_plugin.errors import DeviceError

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
_CPU_WORKING_BYTES = 1536 * 2**20
_GPU_SHARE = 0.6


@dataclass(frozen=True, kw_only=True)
class DeviceSession:
    """A resolved device, precision and memory budget."""

    device: str
    """``cpu`` or ``cuda:N``."""
    precision: str
    """``fp32``, ``fp16`` or ``bf16``."""
    working_bytes: int
    """Memory that one pair of pictures may take while it is worked on."""


def open_session(device: str = "auto", precision: str = "auto") -> DeviceSession:
    """Choose the device and precision.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``; auto is fp32 on a CPU, where half
            precision is several times slower, and fp16 on a GPU.

    Raises:
        DeviceError: If the device is unknown or absent, or cannot work in that precision.
    """
    if precision not in PRECISIONS:
        raise DeviceError(
            f"there is no precision named {precision!r}; give one of {', '.join(PRECISIONS)}"
        )
    resolved = _resolve_device(device)
    if resolved == "cpu":
        if precision not in ("auto", "fp32"):
            raise DeviceError(
                f"a CPU is slower in {precision} than in fp32: leave out --precision, "
                "or choose a GPU with --device cuda"
            )
        return DeviceSession(device="cpu", precision="fp32", working_bytes=_CPU_WORKING_BYTES)
    import torch

    free_bytes, _ = torch.cuda.mem_get_info(torch.device(resolved))
    return DeviceSession(
        device=resolved,
        precision="fp16" if precision == "auto" else precision,
        working_bytes=int(free_bytes * _GPU_SHARE),
    )


def _resolve_device(device: str) -> str:
    kind, colon, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (colon and (kind != "cuda" or not number.isdigit())):
        raise DeviceError(f"there is no device named {device!r}; give auto, cpu, cuda or cuda:N")
    if kind == "cpu":
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "auto":
        return "cuda:0" if count else "cpu"
    if not count:
        raise DeviceError(
            f"the device {device} was asked for, but PyTorch sees no NVIDIA GPU here; "
            "use --device cpu, or see 'imf doctor'"
        )
    if int(number or 0) >= count:
        raise DeviceError(
            f"the device {device} was asked for, but there are only {count} GPUs: "
            f"give cuda:0 to cuda:{count - 1}"
        )
    return f"cuda:{int(number or 0)}"
