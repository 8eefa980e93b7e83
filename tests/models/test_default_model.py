"""What ``auto`` stands for."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from imf_plugin.errors import ModelError
from imf_plugin.models import registry, weight_files
from imf_plugin.models.weight_files import shipped_folder


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
    registry._default_model.cache_clear()
    yield
    registry._default_model.cache_clear()


def test_the_default_is_the_trained_model() -> None:
    assert registry.resolve_name("auto") == "imf-vfi-lite"
    assert registry.describe_model("auto").parameters > 100_000


def test_the_name_without_a_size_means_the_one_that_there_is() -> None:
    assert registry.resolve_name("imf-vfi") == "imf-vfi-lite"
    assert registry.describe_model("imf-vfi").name == "imf-vfi-lite"


def test_the_environment_may_choose_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMF_MODEL", "flow")
    assert registry.resolve_name("auto") == "flow"
    assert registry.resolve_name("imf-vfi-lite") == "imf-vfi-lite"
    monkeypatch.setenv("IMF_MODEL", "auto")
    assert registry.resolve_name("auto") == "imf-vfi-lite"
    monkeypatch.setenv("IMF_MODEL", "rife")
    with pytest.raises(ModelError, match="no model named 'rife'"):
        registry.resolve_name("auto")


@pytest.mark.parametrize("harm", ["missing", "damaged", "no card"])
def test_without_usable_weights_flow_takes_over_and_says_so(
    harm: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for file in shipped_folder().glob("imf-vfi-lite.*"):
        shutil.copy(file, tmp_path)
    spoilt = tmp_path / f"imf-vfi-lite.{'json' if harm == 'no card' else 'safetensors'}"
    if harm == "damaged":
        content = bytearray(spoilt.read_bytes())
        content[-1] ^= 1
        spoilt.write_bytes(content)
    else:
        spoilt.unlink()
    monkeypatch.setattr(weight_files, "shipped_folder", lambda: tmp_path)
    with caplog.at_level(logging.WARNING):
        assert registry.resolve_name("auto") == "flow"
    assert "going on with flow" in caplog.text
    with pytest.raises(ModelError, match="--model flow"):
        registry.load_interpolator("imf-vfi-lite")
