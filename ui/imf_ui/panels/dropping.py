"""What a person means by the files that they drop: looks at names and folders, opens nothing."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROJECT_ENDING = ".imfp"
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_ENDINGS = (
    ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts",
    ".wmv", ".flv", ".ogv", ".3gp", ".mxf", ".gif", ".y4m",
)  # fmt: skip
_MOST_FILES = 1000


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Files, by what can be done with them."""

    projects: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    """Videos, and folders of images; also what is of no known kind, to say why it cannot be."""
    images: tuple[str, ...] = ()
    """Single images."""


def sorted_out(paths: Iterable[str]) -> Dropped:
    """Return files by kind; a folder of videos stands for its videos."""
    projects, clips, images = [], [], []
    for path in paths:
        ending = Path(path).suffix.lower()
        if ending == PROJECT_ENDING:
            projects.append(path)
        elif ending in IMAGE_ENDINGS and "%" not in path:
            images.append(path)
        else:
            clips += videos_of(Path(path)) or [path]
    return Dropped(projects=tuple(projects), clips=tuple(clips), images=tuple(images))


def videos_of(folder: Path) -> list[str]:
    """Return the videos of a folder in order; none when it is a sequence of images, or a file."""
    if not folder.is_dir():
        return []
    endings = {file: file.suffix.lower() for file in sorted(folder.iterdir())[:_MOST_FILES]}
    if any(ending in IMAGE_ENDINGS for ending in endings.values()):
        return []
    return [str(file) for file, ending in endings.items() if ending in VIDEO_ENDINGS]


def sequence_of(images: Iterable[str], home: Path) -> Path:
    """Return a folder in which the images stand one after the other, as a clip.

    Args:
        images: Files, in their order.
        home: Where the folder is made.
    """
    files = [Path(image).absolute() for image in images]
    digest = hashlib.sha256("\n".join(map(str, files)).encode()).hexdigest()[:8]
    folder = home / "sequences" / f"{files[0].stem}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        place = folder / f"{number:06}{file.suffix.lower()}"
        if place.is_symlink() and place.resolve() == file.resolve():
            continue
        place.unlink(missing_ok=True)
        try:
            place.symlink_to(file)
        except OSError:
            # Windows asks for rights that not everybody has.
            shutil.copyfile(file, place)
    return folder
