"""The commands as a user types them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from imf_plugin.cli.main import build_parser, main
from imf_plugin.models.weight_files import shipped_folder

type ClipMaker = Callable[..., Path]


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_without_an_output_the_result_lies_beside_the_input(make_clip: ClipMaker) -> None:
    clip = make_clip(count=3)
    assert main(["slowmo", str(clip), "-x", "2"]) == 0
    assert frames_in(clip.with_name("clip_x2.mp4")) == 6
    assert main(["fps", str(clip), "--to", "50/1"]) == 0
    assert frames_in(clip.with_name("clip_50-1fps.mp4")) == 6


def test_plan_and_render_are_slowmo_in_two_steps(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip, plan, out = make_clip(count=3), tmp_path / "plan.json", tmp_path / "out.mp4"
    assert main(["plan", str(clip), "-x", "3", "-o", str(plan)]) == 0
    data = json.loads(plan.read_text())
    assert [frame["decision"] for frame in data["frames"][:4]] == [
        "real",
        "interpolate",
        "interpolate",
        "real",
    ]
    assert main(["render", str(plan), "-o", str(out)]) == 0
    assert frames_in(out) == 9


def test_an_edited_plan_is_rendered_as_edited(make_clip: ClipMaker, tmp_path: Path) -> None:
    clip, plan, out = make_clip(count=3), tmp_path / "plan.json", tmp_path / "out.mkv"
    main(["plan", str(clip), "-x", "2", "-o", str(plan), "--quiet"])
    data = json.loads(plan.read_text())
    data["frames"] = data["frames"][:4]
    data["duration"] = "4/25"
    plan.write_text(json.dumps(data))
    assert main(["render", str(plan), "-o", str(out), "--quiet"]) == 0
    assert frames_in(out) == 4


def test_plan_wants_to_know_what_to_do(
    make_clip: ClipMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(make_clip())
    assert main(["plan", clip, "-o", str(tmp_path / "p.json")]) == 1
    assert main(["plan", clip, "-x", "2", "--to", "60", "-o", str(tmp_path / "p.json")]) == 1
    assert not (tmp_path / "p.json").exists()
    capsys.readouterr()


def test_quiet_says_nothing(make_clip: ClipMaker, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slowmo", str(make_clip(count=3)), "-x", "2", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.out == said.err == ""


def test_progress_is_plain_lines_when_nobody_watches(
    make_clip: ClipMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["slowmo", str(make_clip(count=3)), "-x", "2"])
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("imf: ") for line in lines)
    assert "3 frames become 6" in "".join(lines)


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("slowmo", "fps", "retime", "plan", "render", "bench", "demo"):
        with pytest.raises(SystemExit) as caught:
            build_parser().parse_args([command, "--help"])
        assert caught.value.code == 0
        assert f"imf {command}" in capsys.readouterr().out


def test_models_are_listed_described_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "flow" in capsys.readouterr().out
    assert main(["models", "info", "flow"]) == 0
    assert "no trained weights" in capsys.readouterr().out
    assert main(["models", "verify"]) == 0
    assert "flow: works" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["imf", "latent-motion"])
def test_what_a_trained_retargeter_is_made_of_is_told(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "info", name]) == 0
    rows = capsys.readouterr().out.splitlines()
    told = {row[:22].strip(): row[22:].strip() for row in rows}
    for wanted in ("training data", "licences", "training", "hardware", "scores"):
        assert told[wanted]
    assert int(told["parameters"].replace(",", "")) > 100_000
    assert "hours" in told["training"]
    assert len(told["SHA-256 of the weights"]) == 64


def test_retargeters_are_listed_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    for name in ("transport", "imf", "latent-motion"):
        assert f"  {name} " in listed
        assert main(["models", "verify", name]) == 0
        assert f"{name}: works" in capsys.readouterr().out
    assert main(["models", "info", "transport"]) == 0
    assert "nothing is trained" in capsys.readouterr().out
    assert main(["models", "info", "imf2"]) == 1
    assert "latent-motion" in capsys.readouterr().err


def test_weights_of_ones_own_are_described_and_damage_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".json", ".safetensors"):
        shutil.copy(shipped_folder() / f"imf-compact{suffix}", tmp_path)
    weights = tmp_path / "imf-compact.safetensors"
    assert main(["models", "info", str(weights)]) == 0
    assert "32 numbers a frame" in capsys.readouterr().out
    content = bytearray(weights.read_bytes())
    content[5000] ^= 1
    weights.write_bytes(content)
    assert main(["models", "verify", str(weights)]) == 1
    said = capsys.readouterr().err
    assert "are damaged or not the ones released" in said
    assert len(said.strip().splitlines()) == 1
    weights.with_suffix(".json").unlink()
    assert main(["models", "info", str(weights)]) == 1
    assert "is missing or damaged" in capsys.readouterr().err


def test_doctor_names_what_is_here_and_how_to_get_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("Python", "torch", "ffmpeg", "--codec h264", "GPU"):
        assert word in said


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, imf_plugin\n"
        "heavy = {'torch', 'cv2', 'av', 'ffmpeg', 'PyQt6', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert sorted(imf_plugin.__all__) == imf_plugin.__all__\n"
        "for name in imf_plugin.__all__: getattr(imf_plugin, name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
