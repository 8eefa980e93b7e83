"""Sound follows the picture where time runs normally, and its absence stops nothing."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication

from imf_ui.model.ops import SetCurve
from imf_ui.model.presets import apply_preset, preset_named
from imf_ui.services.app_services import Services
from imf_ui.services.audio import SAMPLE_RATE, NullAudio, Sound, SoundFeed, samples_from
from imf_ui.services.player import FakeClock, Player

type Wait = Callable[..., None]


class Notes:
    """Notes what would be heard."""

    def __init__(self) -> None:
        self.heard: list[float | None] = []

    def start(self, path: str, seconds: float) -> None:
        self.heard.append(seconds)

    def stop(self) -> None:
        self.heard.append(None)


@pytest.fixture
def services(
    app: QApplication, tmp_path: Path, make_clip: Callable[..., Path], wait_until: Wait
) -> Iterator[Services]:
    made = Services(engine="fake", home=tmp_path / "home", warm=False)
    made.open_path(make_clip(count=50, audio=True))
    wait_until(lambda: made.session.schedule() is not None)
    yield made
    made.close()
    app.processEvents()


def play_all(player: Player, clock: FakeClock) -> None:
    player.play()
    for _ in range(400):
        clock.advance(0.02)
        player.tick()


def test_sound_plays_in_the_parts_of_normal_speed_only(services: Services) -> None:
    clip = services.session.document.clip()
    curve = apply_preset(preset_named("slow_quarter"), clip.curve, clip.media.duration)
    services.session.do(SetCurve(id=clip.id, curve=curve))
    clock, notes = FakeClock(), Notes()
    player = Player(services.session, clock)
    sound = Sound(services.session, services.media, player, notes)
    play_all(player, clock)
    begun = [moment for moment in notes.heard if moment is not None]
    assert begun[0] == 0
    # The clip lasts two seconds, and runs normally again in its last quarter.
    assert begun[1] == pytest.approx(1.5, abs=0.1)
    assert notes.heard[1] is None
    assert notes.heard[-1] is None
    sound.close()


def test_playing_fast_or_backwards_is_silent(services: Services) -> None:
    clock, notes = FakeClock(), Notes()
    player = Player(services.session, clock)
    sound = Sound(services.session, services.media, player, notes)
    player.seek(30)
    player.key_j()
    assert notes.heard == []
    player.play(2.0)
    assert notes.heard == []
    sound.close()


def test_without_a_device_it_says_so_once_and_plays_on(services: Services) -> None:
    clock, told = FakeClock(), list[int]()
    player = Player(services.session, clock)
    sound = Sound(services.session, services.media, player, NullAudio())
    sound.silenced.connect(lambda: told.append(1))
    play_all(player, clock)
    assert player.position == 49
    player.seek(0)
    play_all(player, clock)
    assert told == [1]


def test_sound_begins_at_the_wanted_sample(make_clip: Callable[..., Path]) -> None:
    path = str(make_clip(count=50, audio=True))
    whole = np.frombuffer(b"".join(samples_from(path, 0.0)), np.int16).reshape(-1, 2)
    later = np.frombuffer(b"".join(samples_from(path, 1.0)), np.int16).reshape(-1, 2)
    assert len(whole) - len(later) == pytest.approx(SAMPLE_RATE, abs=1100)
    crossing = np.abs(whole[SAMPLE_RATE:][: len(later)].astype(int)[:20000])
    assert crossing.max() > 5000
    silent = str(make_clip("silent.mp4", count=3, rate=Fraction(25)))
    assert list(samples_from(silent, 0.0)) == []


class Feeding:
    """An output that decodes as the real one does, and plays nothing."""

    def __init__(self) -> None:
        self.feed: SoundFeed | None = None

    def start(self, path: str, seconds: float) -> None:
        self.feed = SoundFeed(path, seconds)

    def stop(self) -> None:
        if self.feed is not None:
            self.feed.stop()


def test_closing_ends_every_thread_of_the_editor(services: Services) -> None:
    def running() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith("imf-")]

    player = Player(services.session, FakeClock())
    sound = Sound(services.session, services.media, player, Feeding())
    player.play()
    services.player.seek(30)
    assert {"imf-sync", "imf-scrub", "imf-ahead", "imf-thumbs", "imf-sound"} <= set(running())
    sound.close()
    services.close()
    assert running() == []
