"""Frames on their way to the viewer: exact reads, a bounded cache, previews, the player."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

from imf_plugin.media.read import open_media
from imf_plugin.timeline.plan import Beyond, Decision, PlannedFrame
from imf_ui.model.curve_edits import at_speed, with_key, with_key_speed
from imf_ui.model.document import Marks
from imf_ui.model.errors import ErrorCode, Explained
from imf_ui.model.ops import Macro, SetCurve, SetCuts, SetMarks, SetRender
from imf_ui.services.app_services import Services
from imf_ui.services.framecache import FrameCache, FrameKey, key_of, source_key
from imf_ui.services.images import image_of_bgra
from imf_ui.services.pictures import bgra_of
from imf_ui.services.player import FakeClock, Player
from imf_ui.services.reading import FrameWish

F = Fraction
type Wait = Callable[..., None]
type Build = Callable[..., Services]


class Viewer:
    """Notes what would be seen."""

    def __init__(self, services: Services) -> None:
        self.shown: list[tuple[int, PlannedFrame, bool]] = []
        self.result: QImage | None = None
        self.failures: list[Explained] = []
        services.preview.frameShown.connect(self._show)
        services.failed.connect(self.failures.append)

    def _show(
        self, number: int, source: QImage, result: QImage, frame: PlannedFrame, final: bool
    ) -> None:
        self.shown.append((number, frame, final))
        self.result = result

    def sees(self, number: int) -> bool:
        return bool(self.shown) and self.shown[-1][0] == number and self.shown[-1][2]


@pytest.fixture
def build(app: QApplication, tmp_path: Path) -> Iterator[Build]:
    made: list[Services] = []

    def services(engine: str | None = "fake", **options: object) -> Services:
        made.append(Services(engine=engine, home=tmp_path / "home", warm=False, **options))  # type: ignore[arg-type]
        return made[-1]

    yield services
    for one in made:
        one.close()
    app.processEvents()


@pytest.fixture
def opened(build: Build, make_clip: Callable[..., Path], wait_until: Wait) -> Build:
    def open_clip(engine: str | None = "fake", scale: int = 1, **clip: object) -> Services:
        services = build(engine)
        services.session.set_view(preview_scale=scale)
        services.open_path(make_clip(**{"count": 24, **clip}))
        wait_until(lambda: services.session.schedule() is not None)
        return services

    return open_clip


def pixels(image: QImage | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    assert image is not None
    return np.asarray(image._pixels)  # type: ignore[attr-defined]


CLIPS: dict[str, dict[str, object]] = {
    "long groups with B-frames": {"options": {"crf": "20", "g": "60", "bf": "3"}},
    "variable rate": {
        "name": "vfr.mkv",
        "times": [F(n * n % 7 + n * 10, 100) for n in range(60)],
    },
    "matroska": {"name": "clip.mkv", "rate": F(30000, 1001)},
    "with sound": {"audio": True},
    "odd size": {"width": 98, "height": 66, "rate": F(24)},
    "ten bits": {"name": "deep.mkv", "codec": "libx265", "pixel_format": "yuv420p10le"},
}


@pytest.mark.parametrize("kind", CLIPS)
def test_random_frames_are_those_of_reading_on(
    kind: str, build: Build, make_clip: Callable[..., Path], wait_until: Wait
) -> None:
    path = make_clip(**{"count": 60, **CLIPS[kind]})
    with open_media(path) as reader:
        truth = [bgra_of(frame.rgb()) for frame in reader.frames()]
    services = build()
    services.open_path(path)
    wait_until(lambda: services.media.media(str(path)) is not None)
    assert services.media.media(str(path)).info.frame_count == len(truth)  # type: ignore[union-attr]
    random = np.random.default_rng(3)
    for index in map(int, random.integers(0, len(truth), 40)):
        services.cache.clear()
        key = source_key(services.media.identity(str(path)), index, 1)
        services.media.want_frame(FrameWish(path=str(path), index=index), wanter="test")
        wait_until(lambda key=key: key in services.cache)
        assert np.array_equal(services.cache.get(key), truth[index])  # type: ignore[arg-type]


def test_only_the_newest_wish_is_read(opened: Build, wait_until: Wait) -> None:
    services = opened(count=200, width=320, height=180)
    path = services.session.document.clip().media.path
    read: list[int] = []
    services.media.frameReady.connect(lambda where, index, scale: read.append(index))
    # The last wish is a frame that no earlier one asks for.
    wanted = [*map(int, np.random.default_rng(1).integers(0, 199, 200)), 199]
    for index in wanted:
        services.media.want_frame(FrameWish(path=path, index=index))
    wait_until(lambda: 199 in read)
    assert len(read) < 60


def test_a_quick_drag_shows_keyframes_and_its_end_the_very_frame(
    opened: Build, wait_until: Wait
) -> None:
    options = {"crf": "20", "g": "50", "bf": "2", "sc_threshold": "0"}
    services = opened(count=200, width=320, height=180, options=options)
    seen, read, stood_in = Viewer(services), list[int](), list[int]()
    services.media.frameReady.connect(lambda _path, index, _scale: read.append(index))
    services.media.standInReady.connect(
        lambda _path, _wanted, index, _scale: stood_in.append(index)
    )
    wait_until(lambda: seen.sees(0))
    wait_until(lambda: not services.preview.busy)
    services.cache.clear()
    places = [30, 80, 130, 180, 140, 90, 40, 190, 120, 70, 170, 33]
    for place in places:
        services.player.seek(place)
        end = time.monotonic() + 0.03
        wait_until(lambda end=end: time.monotonic() > end)
    wait_until(lambda: seen.sees(33))
    assert stood_in
    assert set(stood_in) <= {0, 50, 100, 150}
    early = [number for number, _, final in seen.shown if not final and number in places]
    assert early
    with open_media(services.session.document.clip().media.path) as reader:
        truth = bgra_of(reader.frame(33).rgb())
    assert np.array_equal(pixels(seen.result), truth)


def test_single_steps_and_rests_are_read_without_a_stand_in(
    opened: Build, wait_until: Wait
) -> None:
    services = opened(count=120, width=320, height=180, options={"crf": "20", "g": "50"})
    seen, stood_in = Viewer(services), list[int]()
    services.media.standInReady.connect(lambda *wish: stood_in.append(wish[2]))
    for place in (0, 1, 2, 3):
        services.player.seek(place)
        wait_until(lambda place=place: seen.sees(place))
    for place in (90, 20):
        end = time.monotonic() + 0.3
        wait_until(lambda end=end: time.monotonic() > end)
        services.player.seek(place)
        wait_until(lambda place=place: seen.sees(place))
    assert stood_in == []


def test_a_wish_of_one_wanter_is_not_lost_to_the_wish_of_another(
    opened: Build, wait_until: Wait
) -> None:
    services = opened(count=60)
    path = services.session.document.clip().media.path
    read: list[int] = []
    services.media.frameReady.connect(lambda where, index, scale: read.append(index))
    # In one breath, so that the thread that reads has not begun the first.
    services.media.want_frame(FrameWish(path=path, index=40), wanter="retarget")
    for index in (20, 30, 50):
        services.media.want_frame(FrameWish(path=path, index=index))
    wait_until(lambda: {40, 50} <= set(read))


def test_a_file_that_is_none_is_explained_with_a_way_out(
    build: Build, tmp_path: Path, wait_until: Wait
) -> None:
    services = build()
    seen = Viewer(services)
    (tmp_path / "notes.mp4").write_text("not a video", encoding="utf-8")
    services.open_path(tmp_path / "notes.mp4")
    wait_until(lambda: seen.failures)
    assert seen.failures[0].code is ErrorCode.MEDIA_UNREADABLE
    services.open_path(tmp_path / "gone.mp4")
    wait_until(lambda: len(seen.failures) == 2)
    assert seen.failures[1].code is ErrorCode.MEDIA_MISSING
    assert seen.failures[1].actions[0].id == "locate"


def test_the_cache_never_holds_more_than_its_budget_and_drops_the_oldest() -> None:
    cache = FrameCache(budget_bytes=1000)

    def key(number: int) -> FrameKey:
        return source_key("clip", number, 1)

    for number in range(30):
        cache.put(key(number), np.zeros(150 + number * 3, np.uint8))
        cache.get(key(0))
        assert cache.used_bytes <= 1000
    assert cache.highest_bytes <= 1000
    assert key(0) in cache
    assert key(1) not in cache
    cache.put(key(99), np.zeros(2000, np.uint8))
    assert key(99) not in cache
    cache.set_budget(100)
    assert cache.used_bytes <= 100


def test_an_image_keeps_its_pixels_alive(app: QApplication) -> None:
    image = image_of_bgra(bgra_of(np.full((4, 6, 3), (10, 20, 30), np.uint8)))
    assert image.pixelColor(3, 2).getRgb()[:3] == (10, 20, 30)


def test_a_made_frame_replaces_the_nearest_real_one(opened: Build, wait_until: Wait) -> None:
    services = opened("fake:slow=30")
    seen = Viewer(services)
    clip = services.session.document.clip()
    services.session.do(SetCurve(id=clip.id, curve=at_speed(F(1, 4), 0, clip.media.duration)))
    services.player.seek(20)
    wait_until(lambda: seen.sees(20))
    seen.shown.clear()
    services.player.seek(22)
    wait_until(lambda: seen.sees(22))
    assert [final for _, _, final in seen.shown] == sorted(final for _, _, final in seen.shown)
    assert seen.shown[-1][1].decision is Decision.INTERPOLATE
    wait_until(lambda: not services.preview.busy)
    states = services.preview.states()
    assert len(states) == 96
    assert (states[22], states[80]) == (2, 0)


def test_scrubbing_all_over_while_frames_are_made_ends_with_the_wanted_one(
    opened: Build, wait_until: Wait
) -> None:
    services = opened("fake:slow=5")
    seen = Viewer(services)
    clip = services.session.document.clip()
    services.session.do(SetCurve(id=clip.id, curve=at_speed(F(1, 4), 0, clip.media.duration)))
    for number in map(int, np.random.default_rng(5).integers(0, 96, 200)):
        services.player.seek(number)
        time.sleep(0.002)
        QApplication.processEvents()
    services.player.seek(41)
    wait_until(lambda: seen.sees(41))
    # Whatever comes later from the worker must not be shown any more.
    wait_until(lambda: not services.preview.busy)
    assert seen.shown[-1][0] == 41
    order = [number for number, _, _ in seen.shown]
    assert order[-1] == 41


def test_frames_that_a_curve_still_needs_are_not_made_again(
    opened: Build, wait_until: Wait
) -> None:
    services = opened()
    clip = services.session.document.clip()
    duration = clip.media.duration
    slow = at_speed(F(1, 2), 0, duration)
    services.session.do(SetCurve(id=clip.id, curve=slow))
    services.preview.set_range(0, 47)
    wait_until(lambda: services.preview.states().count(2) == 23)
    wait_until(lambda: not services.preview.busy)
    made: list[str] = []
    services.worker.stateChanged.connect(made.append)
    # The second half gets faster; the first half's frames are the same as before.
    keyed = with_key(slow, slow.duration // 2)
    edited = with_key_speed(keyed, 2, F(1, 2))
    assert edited == keyed
    services.session.do(SetCurve(id=clip.id, curve=keyed))
    assert services.preview.states()[:24].count(2) == 12
    services.preview.set_range(0, 23)
    wait_until(lambda: not services.preview.busy)
    assert made == []


def test_memory_that_runs_out_is_told_once_and_tiles_help(opened: Build, wait_until: Wait) -> None:
    services = opened("fake:oom=1")
    seen = Viewer(services)
    clip = services.session.document.clip()
    services.session.do(SetCurve(id=clip.id, curve=at_speed(F(1, 2), 0, clip.media.duration)))
    services.player.seek(5)
    wait_until(lambda: seen.failures)
    assert seen.failures[0].code is ErrorCode.OUT_OF_MEMORY
    assert seen.failures[0].actions[0].id == "retry_tiles"
    clip = services.session.document.clip()
    services.session.do(SetRender(id=clip.id, render=replace(clip.render, tile="512")))
    wait_until(lambda: seen.sees(5))
    assert len(seen.failures) == 1


def test_a_crash_of_the_engine_is_told_and_the_next_frame_is_made(
    opened: Build, wait_until: Wait, tmp_path: Path
) -> None:
    services = opened(f"fake:crash=1,once={tmp_path / 'once'}")
    seen = Viewer(services)
    clip = services.session.document.clip()
    services.session.do(SetCurve(id=clip.id, curve=at_speed(F(1, 2), 0, clip.media.duration)))
    services.player.seek(5)
    wait_until(lambda: seen.failures)
    assert seen.failures[0].code is ErrorCode.WORKER_CRASHED
    services.preview.retry()
    wait_until(lambda: seen.sees(5))


def test_a_preview_at_full_size_is_the_exported_frame_to_the_bit(
    opened: Build, wait_until: Wait, tmp_path: Path
) -> None:
    # Two shots, so that frames beside the cut have keyframes beyond them on one side only.
    services = opened(None, count=10, seeds=[1] * 5 + [2] * 5, speed_px=3.0)
    seen = Viewer(services)
    clip = services.session.document.clip()
    services.session.do(
        Macro(
            ops=(
                SetCuts(id=clip.id, cuts=replace(clip.cuts, manual=(5,))),
                SetCurve(id=clip.id, curve=at_speed(F(3, 8), 0, clip.media.duration)),
            ),
            name_of_edit="Two shots, slowly",
        )
    )
    schedule = services.session.schedule()
    assert schedule is not None
    frames = [schedule.frame(number) for number in range(schedule.count)]
    made = [n for n, frame in enumerate(frames) if frame.decision is Decision.INTERPOLATE]
    # Without context, with it on one side and on both; a held frame at the cut; a real one.
    sides = {(frames[n].earlier is None, frames[n].later is None): n for n in made}
    assert len(sides) >= 3
    held = [n for n, frame in enumerate(frames) if frame.decision is Decision.HOLD]
    numbers = [*sides.values(), *held[:1], 0]
    found = {}
    for number in numbers[::-1]:
        services.player.seek(number)
        wait_until(lambda number=number: seen.sees(number))
        found[number] = pixels(seen.result)[..., 2::-1]
    job = services.export(output=str(tmp_path / "frames"))
    wait_until(lambda: services.queue.job(job).state in ("done", "failed"))
    assert services.queue.error(job) is None
    with open_media(tmp_path / "frames") as reader:
        for number, picture in found.items():
            assert np.array_equal(reader.frame(number).rgb(), picture), number


def test_frames_with_other_keyframes_beyond_them_are_other_pictures() -> None:
    alone = PlannedFrame(
        time=F(0), before=3, after=4, timestep=F(1, 2), decision=Decision.INTERPOLATE, reason=""
    )
    between = replace(alone, earlier=Beyond(keyframe=2, distance=F(1)))
    assert key_of(alone, "clip", "flow", 1) != key_of(between, "clip", "flow", 1)
    blended = replace(between, decision=Decision.BLEND)
    assert key_of(blended, "clip", "flow", 1) == key_of(blended.without_context(), "clip", "", 1)


def player_with(services: Services) -> tuple[Player, FakeClock, list[int]]:
    clock, wanted = FakeClock(), list[int]()
    player = Player(services.session, clock)
    player.frameWanted.connect(wanted.append)
    return player, clock, wanted


def run(player: Player, clock: FakeClock, seconds: float, steps: int = 100) -> None:
    for _ in range(steps):
        clock.advance(seconds / steps)
        player.tick()


def test_l_doubles_k_stops_and_j_plays_backwards(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=100))
    player.key_l()
    run(player, clock, 0.4)
    assert wanted == list(range(1, 11))
    player.key_l()
    assert player.rate == 2
    run(player, clock, 0.4)
    assert player.position == 30
    player.key_k()
    assert player.rate == 0
    run(player, clock, 1.0)
    assert player.position == 30
    wanted.clear()
    player.key_j()
    run(player, clock, 0.4)
    assert wanted == list(range(29, 19, -1))
    player.key_k()
    player.key_l()
    assert player.rate == 1


def test_playing_stops_at_the_out_mark_and_loops_from_the_in_mark(opened: Build) -> None:
    services = opened(count=50)
    clip = services.session.document.clip()
    services.session.do(SetMarks(id=clip.id, marks=Marks(first=10, last=19)))
    player, clock, wanted = player_with(services)
    player.seek(10)
    player.play()
    run(player, clock, 2.0)
    assert (player.position, player.rate) == (19, 0)
    player.loop = True
    player.play()
    run(player, clock, 2.0, steps=400)
    assert player.rate == 1
    assert set(wanted) == set(range(10, 20))


def test_what_begins_with_playing_may_take_a_while_and_no_frame_is_dropped(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=100))
    # Sound is started by this signal, and a device may need a moment.
    player.rateChanged.connect(lambda _rate: clock.advance(0.5))
    player.play()
    run(player, clock, 0.2)
    assert wanted == [1, 2, 3, 4, 5]
    assert player.dropped == 0


def test_what_comes_too_late_is_dropped_and_counted(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=100))
    player.play()
    clock.advance(1.0)
    player.tick()
    assert wanted == [25]
    assert player.dropped == 24


def test_a_frame_that_is_a_little_late_is_shown_and_the_next_ones_catch_up(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=100, rate=F(60)))
    player.play()
    clock.advance(0.045)
    for _ in range(4):
        player.tick()
        clock.advance(0.008)
    assert wanted == [1, 2, 3, 4]
    assert player.dropped == 0


def test_the_player_wakes_when_the_next_frame_is_due(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=100))
    player.play()
    clock.advance(0.03)
    player.tick()
    assert (wanted, player._timer.interval()) == ([], 10)
    clock.advance(0.04)
    player.tick()
    assert wanted == [1]
    assert player._timer.interval() in (10, 11)


def test_a_little_late_at_the_end_still_shows_every_frame(opened: Build) -> None:
    player, clock, wanted = player_with(opened(count=10, rate=F(60)))
    player.play()
    run(player, clock, 7 / 60 + 0.001)
    clock.advance(0.045)
    for _ in range(3):
        player.tick()
        clock.advance(0.008)
    assert (wanted, player.rate) == ([*range(1, 10)], 0)


def test_while_playing_nothing_older_is_searched_for_garbage(opened: Build) -> None:
    player = opened(count=100).player
    known = len(gc.get_objects())
    player.play()
    player.play(2.0)
    assert len(gc.get_objects()) < known / 10
    player.pause()
    assert len(gc.get_objects()) > known / 2


def test_a_program_that_froze_its_objects_itself_keeps_them_frozen(opened: Build) -> None:
    player = opened(count=100).player
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        player.play()
        player.pause()
        assert gc.get_freeze_count() > frozen / 2
    finally:
        gc.unfreeze()
