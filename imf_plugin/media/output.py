"""Checking early whether an output may and can be written."""

import re
import tempfile
from pathlib import Path
from typing import Final

from imf_plugin.errors import OutputRefused

_OUR_IMAGE: Final = re.compile(r"\d{6,}\.png")


def check_output(output: Path, source: Path | None, *, overwrite: bool = False) -> None:
    """Find out before any slow work whether an output is welcome where it is to go.

    A folder of images is only ever replaced when it holds nothing but numbered images.

    Args:
        output: The file, or the folder for images.
        source: What is read; None if nothing is.
        overwrite: Whether the user allows replacing what is there.

    Raises:
        OutputRefused: With the reason and the way out.
    """
    if source is not None and _is_same(output, source):
        raise OutputRefused(f"{output} is the input itself: give the output another name with -o")
    wants_folder = output.suffix == ""
    try:
        _check_existing(output, wants_folder, overwrite)
        _check_folder(output.absolute().parent)
    except OSError as error:
        raise OutputRefused(
            f"{output} cannot be used as an output ({error.strerror}): choose another name"
        ) from error


def _is_same(output: Path, source: Path) -> bool:
    try:
        if output.exists() and source.exists() and output.samefile(source):
            return True
        folder = source if source.is_dir() or "%" not in source.name else source.parent
        return output.absolute().resolve() == folder.absolute().resolve()
    except OSError:
        return False


def _check_existing(output: Path, wants_folder: bool, overwrite: bool) -> None:
    if output.is_dir():
        names = [file.name for file in output.iterdir()]
        if not wants_folder:
            raise OutputRefused(f"{output} is a folder: give the name of a file")
        if any(not _OUR_IMAGE.fullmatch(name) for name in names):
            raise OutputRefused(f"{output} holds other files: give a new or an empty folder")
        if names and not overwrite:
            raise OutputRefused(f"{output} holds images already: allow replacing with --overwrite")
    elif output.exists() or output.is_symlink():
        if wants_folder:
            raise OutputRefused(
                f"{output} is a file, but without an extension a folder of images is meant: "
                "give another name"
            )
        if not output.is_file() and output.exists():
            raise OutputRefused(f"{output} is no ordinary file: give another name")
        if not overwrite:
            raise OutputRefused(f"{output} exists already: allow replacing it with --overwrite")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise OutputRefused(f"the output folder {folder} {what}: create it first")
    try:
        # Permission bits do not tell about read-only disks and network shares; trying does.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputRefused(
            f"the output folder {folder} cannot be written to ({error.strerror}): "
            "choose another with -o or change its permissions"
        ) from error
