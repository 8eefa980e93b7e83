"""Nodes that store and read motion tokens."""

import os
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from imf_hosts.comfyui import inputs
from imf_hosts.comfyui.node_tokens import ALIASES
from imf_hosts.comfyui.running import clear_errors
from imf_hosts.comfyui.tokens import describe

_EXTENSION = ".safetensors"


class SaveTokens(io.ComfyNode):
    """Stores tokens in the output folder."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_SaveTokens",
            display_name="Save Tokens (IMF)",
            description="Stores motion tokens as a safetensors file in the output folder.",
            search_aliases=ALIASES,
            is_output_node=True,
            inputs=[
                inputs.Tokens.Input("tokens", tooltip="The motion."),
                io.String.Input(
                    "filename_prefix",
                    default="tokens/IMF",
                    tooltip="Start of the file's name; a number is added, nothing is overwritten.",
                ),
            ],
            outputs=[io.String.Output("file", tooltip="Where it was stored.")],
        )

    @classmethod
    def execute(cls, tokens: Any, filename_prefix: str) -> Any:
        """Write the file."""
        from imf_plugin.motion.tracks import save_track

        folder, name, number, _, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{name}_{number:05}_{_EXTENSION}"
        with clear_errors():
            save_track(tokens, path)
        return io.NodeOutput(str(path), ui={"text": (f"{path}\n{describe(tokens)}",)})


class LoadTokens(io.ComfyNode):
    """Reads stored tokens."""

    @classmethod
    def define_schema(cls) -> Any:
        """Describe the node."""
        return inputs.make_schema(
            node_id="IMF_LoadTokens",
            display_name="Load Tokens (IMF)",
            description="Reads motion tokens that Save Tokens stored, from the input or output "
            "folder.",
            search_aliases=ALIASES,
            inputs=[
                io.String.Input(
                    "file",
                    default="tokens/IMF_00001_.safetensors",
                    tooltip="Name of the file in the output or input folder.",
                )
            ],
            outputs=[
                inputs.Tokens.Output("tokens", tooltip="The motion."),
                io.String.Output("info", tooltip="How many, of which model."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """Check that the file is there before anything runs."""
        if file is None or _find(file):
            return True
        return (
            f"{file} is neither in {folder_paths.get_output_directory()} nor in "
            f"{folder_paths.get_input_directory()}: store tokens with Save Tokens (IMF) first"
        )

    @classmethod
    def fingerprint_inputs(cls, file: str) -> str:
        """Read again when the file has changed."""
        path = _find(file)
        if path is None:
            return ""
        about = os.stat(path)
        return f"{path} {about.st_mtime_ns} {about.st_size}"

    @classmethod
    def execute(cls, file: str) -> Any:
        """Read the file."""
        from imf_plugin.motion.tracks import load_track

        path = _find(file)
        if path is None:
            raise ValueError(f"{file} is gone: it is neither in the output nor the input folder")
        with clear_errors():
            track = load_track(path)
        return io.NodeOutput(track, describe(track))


def _find(file: str) -> Path | None:
    """Return the file's path if it lies within the output or input folder."""
    for folder in (folder_paths.get_output_directory(), folder_paths.get_input_directory()):
        root = Path(folder).resolve()
        path = (root / file).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
    return None
