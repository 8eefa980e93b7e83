from pathlib import Path

import pytest

from imf_plugin.errors import OutputRefused
from imf_plugin.media.output import check_output


def refusal(output: Path, source: Path | None = None, *, overwrite: bool = False) -> str:
    with pytest.raises(OutputRefused) as caught:
        check_output(output, source, overwrite=overwrite)
    assert str(output) in str(caught.value) or str(output.parent) in str(caught.value)
    return str(caught.value)


def test_a_new_file_in_a_folder_is_welcome_and_nothing_is_left_behind(tmp_path: Path) -> None:
    check_output(tmp_path / "new.mp4", tmp_path / "source.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"x")
    assert "is the input itself" in refusal(source, source, overwrite=True)
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    assert "is the input itself" in refusal(link, source, overwrite=True)
    hard = tmp_path / "hard.mp4"
    hard.hardlink_to(source)
    assert "is the input itself" in refusal(hard, source, overwrite=True)
    images = tmp_path / "images"
    images.mkdir()
    assert "is the input itself" in refusal(images, images, overwrite=True)
    assert "is the input itself" in refusal(images, images / "%06d.png", overwrite=True)


def test_an_existing_file_needs_the_users_word(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"x")
    assert "--overwrite" in refusal(output)
    check_output(output, None, overwrite=True)


def test_only_folders_of_numbered_images_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    check_output(folder, None)
    (folder / "000001.png").write_bytes(b"x")
    assert "--overwrite" in refusal(folder)
    check_output(folder, None, overwrite=True)
    (folder / "holiday.jpg").write_bytes(b"x")
    assert "holds other files" in refusal(folder, overwrite=True)


def test_missing_and_unwritable_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "does not exist: create it first" in refusal(tmp_path / "no" / "out.mp4")
    (tmp_path / "file").write_bytes(b"x")
    assert "is no folder" in refusal(tmp_path / "file" / "out.mp4")
    assert "cannot be written to" in refusal(Path("/proc/out.mp4"))


def test_kinds_that_do_not_match_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dir.mp4").mkdir()
    assert "is a folder" in refusal(tmp_path / "dir.mp4")
    (tmp_path / "plain").write_bytes(b"x")
    assert "a folder of images is meant" in refusal(tmp_path / "plain", overwrite=True)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "choose another name" in refusal(tmp_path / ("x" * 300 + ".mp4"))
