"""The list of models, in one place that a newcomer can read.

A model is added here by one row: its name and a function that builds it. Nothing registers
itself on import.
"""

import functools
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from imf_plugin.errors import ModelError
from imf_plugin.models.base import Interpolator, ModelDescriptor
from imf_plugin.models.retargeting import Retargeter


def _flow(device: str, precision: str) -> Interpolator:
    from imf_plugin.models.flow.interpolator import FlowInterpolator

    return FlowInterpolator()


def _flow_descriptor() -> ModelDescriptor:
    from imf_plugin.models.flow.interpolator import DESCRIPTOR

    return DESCRIPTOR


def _trained(name: str, device: str, precision: str) -> Interpolator:
    from imf_plugin.models.imf_vfi.loading import load

    return load(name, device, precision)


def _trained_descriptor(name: str) -> ModelDescriptor:
    from imf_plugin.models.imf_vfi.loading import describe

    return describe(name)


INTERPOLATORS: dict[str, tuple[Callable[[str, str], Interpolator], Callable[[], ModelDescriptor]]]
INTERPOLATORS = {
    "flow": (_flow, _flow_descriptor),
    "imf-vfi-lite": (
        partial(_trained, "imf-vfi-lite"),
        partial(_trained_descriptor, "imf-vfi-lite"),
    ),
    "imf-vfi-sharp": (
        partial(_trained, "imf-vfi-sharp"),
        partial(_trained_descriptor, "imf-vfi-sharp"),
    ),
}

DEFAULT_MODEL = "imf-vfi-lite"

FALLBACK_MODEL = "flow"
"""What ``auto`` means where the default's weights are missing or damaged."""

FAMILY = "imf-vfi"
"""Our own model, whatever its size."""

ENVIRONMENT = "IMF_MODEL"
"""Environment variable that says what ``auto`` means on this machine."""

_LOG = logging.getLogger(__name__)

WEIGHTS_SUFFIX = ".safetensors"


def _transport(device: str, precision: str) -> Retargeter:
    from imf_plugin.models.transport.retargeter import TransportRetargeter

    return TransportRetargeter()


def _transport_descriptor() -> ModelDescriptor:
    from imf_plugin.models.transport.retargeter import DESCRIPTOR

    return DESCRIPTOR


def _imf(device: str, precision: str) -> Retargeter:
    from imf_plugin.models.imf.retargeter import load

    return load()


def _imf_descriptor() -> ModelDescriptor:
    from imf_plugin.models.imf.retargeter import describe

    return describe()


def _latent_motion(device: str, precision: str) -> Retargeter:
    from imf_plugin.models.latent_motion.retargeter import load

    return load()


def _latent_motion_descriptor() -> ModelDescriptor:
    from imf_plugin.models.latent_motion.retargeter import describe

    return describe()


RETARGETERS: dict[str, tuple[Callable[[str, str], Retargeter], Callable[[], ModelDescriptor]]]
RETARGETERS = {
    "transport": (_transport, _transport_descriptor),
    "imf": (_imf, _imf_descriptor),
    "latent-motion": (_latent_motion, _latent_motion_descriptor),
}

DEFAULT_RETARGETER = "transport"


def model_names() -> list[str]:
    """Return the names that `load_interpolator` accepts, besides ``auto``."""
    return list(INTERPOLATORS)


def describe_model(name: str) -> ModelDescriptor:
    """Return the descriptor of a model without building it.

    Raises:
        ModelError: If there is no such model.
    """
    name = resolve_name(name)
    if is_weights_file(name):
        from imf_plugin.models.imf_vfi.loading import describe_file

        return describe_file(Path(name))
    return INTERPOLATORS[name][1]()


def is_weights_file(name: str) -> bool:
    """Return whether a model's name is the path of weights of one's own."""
    return name.endswith(WEIGHTS_SUFFIX)


def resolve_name(name: str) -> str:
    """Return the real name behind ``name``; ``auto`` stands for the default.

    `FAMILY` stands for the size of our own model that suits the machine; so far there is one.
    The default is `DEFAULT_MODEL`, or what the environment variable ``IMF_MODEL`` names.
    The path of a ``.safetensors`` file, as `imf train interpolation` writes it, is a name too.

    Raises:
        ModelError: If there is no such model.
    """
    if name == "auto":
        name = os.environ.get(ENVIRONMENT, "auto")
    if name == "auto":
        return _default_model()
    if name == FAMILY:
        return DEFAULT_MODEL
    if is_weights_file(name):
        if not Path(name).is_file():
            raise ModelError(f"there are no weights in {name}; 'imf train' writes them")
        return name
    if name not in INTERPOLATORS:
        known = ", ".join(model_names())
        raise ModelError(f"there is no model named {name!r}; the models here are: {known}")
    return name


@functools.cache
def _default_model() -> str:
    from imf_plugin.models.imf_vfi.loading import check

    try:
        check(DEFAULT_MODEL)
    except ModelError as error:
        _LOG.warning("%s; going on with %s", error, FALLBACK_MODEL)
        return FALLBACK_MODEL
    return DEFAULT_MODEL


def load_interpolator(
    name: str = "auto", *, device: str = "cpu", precision: str = "fp32"
) -> Interpolator:
    """Build an interpolation model, with its weights loaded.

    Args:
        name: A name of `model_names`, the path of weights of one's own, or ``auto``.
        device: A resolved torch device, ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        ModelError: If there is no such model or its weights are unusable.
    """
    name = resolve_name(name)
    if is_weights_file(name):
        from imf_plugin.models.imf_vfi.loading import load_file

        return load_file(Path(name), device, precision)
    return INTERPOLATORS[name][0](device, precision)


def retargeter_names() -> list[str]:
    """Return the names that `load_retargeter` accepts, besides ``auto``."""
    return list(RETARGETERS)


def describe_retargeter(name: str) -> ModelDescriptor:
    """Return the descriptor of a retargeting model without building it.

    Raises:
        ModelError: If there is no such model.
    """
    name = resolve_retargeter(name)
    if is_weights_file(name):
        from imf_plugin.models.imf.retargeter import describe_file as describe_own

        return describe_own(Path(name))
    return RETARGETERS[name][1]()


def resolve_retargeter(name: str) -> str:
    """Return the real name behind ``name``; ``auto`` stands for the default.

    Raises:
        ModelError: If there is no such retargeting model.
    """
    if name == "auto":
        return DEFAULT_RETARGETER
    if is_weights_file(name):
        if not Path(name).is_file():
            raise ModelError(f"there are no weights in {name}; 'imf train retarget' writes them")
        return name
    if name not in RETARGETERS:
        known = ", ".join(retargeter_names())
        raise ModelError(f"there is no retargeting model named {name!r}; there are: {known}")
    return name


def load_retargeter(
    name: str = "auto", *, device: str = "cpu", precision: str = "fp32"
) -> Retargeter:
    """Build a retargeting model, with its weights loaded.

    Args:
        name: A name of `retargeter_names`, the path of weights of one's own, or ``auto``.
        device: A resolved torch device, ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``fp16`` or ``bf16``.

    Raises:
        ModelError: If there is no such model or its weights are unusable.
    """
    name = resolve_retargeter(name)
    if is_weights_file(name):
        from imf_plugin.models.imf.retargeter import load_file as load_own

        return load_own(Path(name))
    return RETARGETERS[name][0](device, precision)
