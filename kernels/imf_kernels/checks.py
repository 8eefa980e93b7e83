"""Argument checks that every operation shares; each message prints what was got and is needed."""

import torch

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def floating(**tensors: torch.Tensor) -> None:
    """Refuse what is no floating-point tensor.

    Raises:
        TypeError: If an argument is no tensor, or holds no float16, bfloat16, float32 or float64.
    """
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
        if tensor.dtype not in FLOATS:
            raise TypeError(
                f"{name} must be float16, bfloat16, float32 or float64, "
                f"got {name}.dtype = {tensor.dtype}"
            )


def shaped(shape: tuple[int | None, ...], **tensors: torch.Tensor) -> None:
    """Refuse tensors of another shape; None in `shape` allows any size there.

    Raises:
        ValueError: If a shape differs.
    """
    for name, tensor in tensors.items():
        fits = len(shape) == tensor.dim() and all(
            want in (None, have) for want, have in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            want = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"{name} must have shape [{want}], got {name}.shape = {list(tensor.shape)}"
            )


def alike(**tensors: torch.Tensor) -> None:
    """Refuse tensors of different dtype.

    Raises:
        TypeError: If the dtypes differ.
    """
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        got = ", ".join(f"{name}.dtype = {tensor.dtype}" for name, tensor in tensors.items())
        raise TypeError(f"one dtype is needed, got {got}")


def together(**tensors: torch.Tensor) -> None:
    """Refuse tensors on different devices.

    Raises:
        ValueError: If the devices differ.
    """
    if len({tensor.device for tensor in tensors.values()}) > 1:
        got = ", ".join(f"{name}.device = {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(f"one device is needed, got {got}")


def choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not on the list.

    Raises:
        ValueError: If `value` is none of `allowed`.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {name} = {value!r}")
