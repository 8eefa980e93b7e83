"""Inputs that several nodes have, with their texts, and schemas that older ComfyUIs accept."""

import dataclasses
from typing import Any

from comfy_api.latest import io

from imf_hosts.comfyui import requests

CATEGORY = "video/IMF"
ALIASES = ["imf", "vfi", "frame interpolation", "slow motion", "retime", "rife", "film"]

InterpModel = io.Custom("INTERP_MODEL")
Tokens = io.Custom("IMF_TOKENS")
Features = io.Custom("IMF_FEATURES")
Flow = io.Custom("IMF_FLOW")


def make_schema(**fields: Any) -> Any:
    """Return a schema; fields that this ComfyUI does not know yet are left out."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    fields.setdefault("category", CATEGORY)
    fields.setdefault("search_aliases", ALIASES)
    return io.Schema(**{name: value for name, value in fields.items() if name in known})


def advanced(kind: Any, name: str, **options: Any) -> Any:
    """Return an input that is folded away where ComfyUI can do that."""
    try:
        return kind(name, advanced=True, **options)
    except TypeError:
        return kind(name, **options)


def model_input() -> Any:
    """Return the input for an interpolation model."""
    return InterpModel.Input(
        "model",
        tooltip="From Load IMF Model, or from Load Frame Interpolation Model (RIFE, FILM).",
    )


def images_input(what: str = "The frames, in order. At least two for anything to happen.") -> Any:
    """Return the input for a batch of images."""
    return io.Image.Input("images", tooltip=what)


def video_input() -> Any:
    """Return the input for a video."""
    return io.Video.Input(
        "video",
        tooltip="Read frame by frame while the result is saved, so its length does not matter.",
    )


def retime_input(*, example: str) -> Any:
    """Return the choice between a multiplier, a frame rate and a number of frames."""
    return io.DynamicCombo.Input(
        "retime",
        options=[
            io.DynamicCombo.Option(
                requests.MULTIPLIER,
                [
                    io.Float.Input(
                        "factor",
                        default=2.0,
                        min=1.0,
                        max=64.0,
                        step=0.25,
                        tooltip="New frames for each old one; 2.5 is possible, 1 changes nothing. "
                        + example,
                    )
                ],
            ),
            io.DynamicCombo.Option(
                requests.TARGET_FPS,
                [
                    io.Float.Input(
                        "target_fps",
                        default=60.0,
                        min=0.01,
                        max=1000.0,
                        step=0.001,
                        round=0.001,
                        tooltip="Frames per second wanted, any ratio: 24 to 60, 23.976 to 60. "
                        "23.976, 29.97 and 59.94 mean 24000/1001 and its like exactly.",
                    )
                ],
            ),
            io.DynamicCombo.Option(
                requests.FRAME_COUNT,
                [
                    io.Int.Input(
                        "frames",
                        default=97,
                        min=1,
                        max=1000000,
                        tooltip="Exactly as many frames as this come out, evenly spaced in time.",
                    )
                ],
            ),
        ],
        tooltip="How the number of new frames is given.",
    )


def source_fps_input() -> Any:
    """Return the input for the frame rate of a batch, which does not know its own."""
    return io.Float.Input(
        "source_fps",
        default=24.0,
        min=0.01,
        max=1000.0,
        step=0.001,
        round=0.001,
        tooltip="Frames per second of the images that come in; 16 for Wan, 24 for film.",
    )


def timing_input(default: str) -> Any:
    """Return the choice between smoother and slower."""
    return io.Combo.Input(
        "timing",
        options=[requests.SLOWER, requests.SMOOTHER],
        default=default,
        tooltip="slower: the frame rate stays and the clip lasts longer. smoother: the clip lasts "
        "as long as before at a higher frame rate. Decides the fps output, not the frames.",
    )


def cut_inputs() -> list[Any]:
    """Return the inputs about shot cuts."""
    return [
        io.Combo.Input(
            "scene_cuts",
            options=["auto", "off"],
            default="auto",
            tooltip="auto looks for shot cuts and makes nothing across them. Frames are never lost "
            "at a cut.",
        ),
        io.String.Input(
            "cuts",
            default="",
            optional=True,
            tooltip="Frames that begin a new shot, if you know them: numbers from 0, such as "
            "24, 61. They replace the search. Scene Cuts gives them.",
        ),
        advanced(
            io.Float.Input,
            "cut_threshold",
            default=3.0,
            min=0.1,
            max=100.0,
            step=0.1,
            optional=True,
            tooltip="How far a cut must stand out from the motion around it; higher finds fewer.",
        ),
        advanced(
            io.Combo.Input,
            "on_cut",
            options=["hold", "blend"],
            default="hold",
            optional=True,
            tooltip="What fills the time before a cut: the nearer of the two frames, or a "
            "cross-fade.",
        ),
    ]


def count_outputs() -> list[Any]:
    """Return the outputs about timing."""
    return [
        io.Float.Output("fps", tooltip="Frames per second to show the result at."),
        io.Int.Output("frame_count", tooltip="Exactly how many frames there are."),
    ]


def cuts_error(cuts: str | None) -> bool | str:
    """Check a list of cuts before anything runs."""
    from imf_plugin.errors import PlanError

    try:
        requests.read_cuts(cuts)
    except PlanError as error:
        return str(error)
    return True
