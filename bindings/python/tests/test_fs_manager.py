"""Several recordings at once: in step, and with what the callbacks say of all of them."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Cameras, Poll, Printed, play
from recordings import INTERVAL_MS, START, Picture, Stream, make_pictures, write_recording
from valkka import core
from valkka.fs import ValkkaFSManager, ValkkaMultiFS, ValkkaSingleFS
from valkka.fs.base import ValkkaFS
from valkka.fs.manager import union

# A minute: time enough to look at what is played.
COUNT = 600
LENGTH = (COUNT - 1) * INTERVAL_MS
END = START + LENGTH

Managed = Callable[..., ValkkaFSManager]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "pictures.h264", COUNT)


@pytest.fixture
def recorded(tmp_path: Path, pictures: list[Picture]) -> Callable[..., ValkkaFS]:
    """A recording of stream 7: `recorded(start=..., blocksize=...)`."""
    count = iter(range(100))

    def make(start: int = START, **options: Any) -> ValkkaFS:
        directory = tmp_path / f"rec{next(count)}"
        write_recording(directory, [Stream(7, pictures, start)], **options)
        return ValkkaSingleFS.loadFromDirectory(str(directory))

    return make


@pytest.fixture
def managed(recorded: Callable[..., ValkkaFS]) -> Iterator[Managed]:
    """A manager of recordings with these beginnings, each played into a slot from 101 on: `managed(START, START)`."""
    made: list[ValkkaFSManager] = []

    def make(*starts: int, **options: Any) -> ValkkaFSManager:
        recordings = [recorded(start, **options) for start in starts]
        made.append(ValkkaFSManager(recordings))
        for index, valkkafs in enumerate(recordings):
            out = core.BriefInfoFrameFilter(f"out{index}")
            made[-1].map_(valkkafs=valkkafs, read_slot=101 + index, _id=7, framefilter=out)
        return made[-1]

    yield make
    for one in made:
        one.close()


def stamps(printed: Printed, slot: int) -> list[int]:
    """The time stamps of the pictures of a slot."""
    return [int(found) for found in printed.find(rf"<BasicFrame: timestamp=(\d+) .* slot={slot} .* slice_type=[15]>")]


def in_step(manager: ValkkaFSManager) -> bool:
    """Whether both recordings are played, less than a picture apart."""
    first, second = (group.position() for group in manager.fsgroups)
    return all(group.playing for group in manager.fsgroups) and abs(first - second) < INTERVAL_MS


def test_before_anything_is_known(managed: Managed) -> None:
    manager = managed(START, START)
    assert manager.getTimeRange() == manager.getTimerange() == (0, 0)
    assert manager.getCurrentTime() == 0 and manager.getCurrentTimerange() == (0, 0)
    assert manager.getTimeRangeByValkkaFS(manager.fsgroups[0].valkkafs) is None
    assert not manager.started and not manager.is_playing
    assert manager.play() is False and not manager.is_playing
    manager.stop()
    assert manager.state_interval == 1


def test_ranges_are_those_of_all(managed: Managed) -> None:
    manager = managed(START, START + 5_000)
    manager.start()
    assert manager.started
    assert manager.getTimeRange() == (START, END + 5_000)
    one, other = (group.valkkafs for group in manager.fsgroups)
    assert manager.getTimeRangeByValkkaFS(one) == (START, END)
    assert manager.timerange_by_valkkafs == {one: (START, END), other: (START + 5_000, END + 5_000)}
    assert manager.fsgroup_by_valkkafs == dict(zip([one, other], manager.fsgroups))


def test_union() -> None:
    assert union([]) is None and union([None, (0, 0)]) is None
    assert union([None, (5, 6), (0, 0), (2, 3)]) == (2, 6)


def test_two_are_played_in_step(managed: Managed, printed: Printed, poll: Poll) -> None:
    manager = managed(START, START)
    manager.start()
    assert manager.seek(START + 3_050) is True
    poll(lambda: stamps(printed, 101) and stamps(printed, 102))
    assert manager.play() is True and manager.is_playing
    poll(lambda: min(len(stamps(printed, slot)) for slot in (101, 102)) > 20)
    # Pictures that were recorded at the same moment come out at the same moment.
    pairs = list(zip(stamps(printed, 101), stamps(printed, 102)))[5:20]
    assert all(abs(a - b) < INTERVAL_MS for a, b in pairs), pairs
    poll(lambda: in_step(manager))
    # Also where it is not in memory yet, and at once.
    for target in (START + 35_000, START + 1_000, START + 20_000):
        asked = time.monotonic()
        manager.seek(target)

        def plays_on(target: int = target, asked: float = asked) -> bool:
            """Whether both go on from there, and no faster than they should."""
            gone = [group.position() - target for group in manager.fsgroups]
            return all(0 < one <= (time.monotonic() - asked) * 1000 + INTERVAL_MS for one in gone)

        poll(plays_on)
        poll(lambda: in_step(manager))
    manager.stop()
    assert not manager.is_playing and not any(group.playing for group in manager.fsgroups)


def test_one_that_is_slow_is_waited_for(managed: Managed, poll: Poll, monkeypatch: pytest.MonkeyPatch) -> None:
    # For as long as this takes.
    monkeypatch.setattr("valkka.fs.manager.PATIENCE_SECONDS", 600.0)
    manager = managed(START, START)
    manager.start()
    slow = manager.fsgroups[1]
    pulls: list[Any] = []
    reader, slow.reader = slow.reader, type("Slow", (), {"_pullBlocksInsteadPyCall": pulls.append})()
    manager.seek(START + 3_000)
    manager.play()
    fast = manager.fsgroups[0]
    poll(fast.isReady)
    assert not fast.playing and manager.is_playing
    slow.reader = reader
    reader.pullBlocksPyCall(pulls[-1])
    poll(lambda: fast.playing and slow.playing)
    poll(lambda: in_step(manager))


def test_one_that_is_broken_is_not_waited_for_for_ever(managed: Managed, printed: Printed, poll: Poll) -> None:
    manager = managed(START, START)
    manager.start()
    broken = manager.fsgroups[1]
    reader, broken.reader = broken.reader, type("Broken", (), {"_pullBlocksInsteadPyCall": print})()
    manager.seek(START + 3_000)
    manager.play()
    poll(lambda: manager.fsgroups[0].playing)
    assert not broken.playing
    # When it is well again, it joins in.
    broken.reader = reader
    poll(lambda: broken.playing)
    poll(lambda: stamps(printed, 102) and in_step(manager))


def test_one_that_begins_later_joins_in(managed: Managed, printed: Printed, poll: Poll) -> None:
    manager = managed(START, START + 4_000)
    manager.start()
    first, second = manager.fsgroups
    manager.seek(START + 2_000)
    assert second.getCurrentTime() == 0
    manager.play()
    poll(lambda: first.playing)
    poll(lambda: second.playing)
    assert second.position() >= START + 4_000
    poll(lambda: stamps(printed, 102) and in_step(manager))


def test_one_ends_and_the_other_goes_on(managed: Managed, poll: Poll) -> None:
    manager = managed(START, START + 30_000)
    manager.start()
    first, second = manager.fsgroups
    manager.seek(END - 8_000)
    manager.play()
    poll(lambda: first.playing and second.playing)
    poll(lambda: first.getCurrentTime() == 0)
    assert second.playing and manager.is_playing
    # And that one ends, too.
    manager.seek(END + 29_000)
    poll(lambda: not manager.is_playing)
    assert not second.playing
    poll(lambda: manager.getCurrentTime() == 0)


def test_what_callbacks_are_told(managed: Managed, poll: Poll, capfd: pytest.CaptureFixture[str]) -> None:
    manager = managed(START, START + 1_000)
    calls: dict[str, list[Any]] = {"time": [], "limits": [], "block": []}
    ticks: list[float] = []

    # As programs write them.
    def on_time(valkkafs: Any = None, mstime: Any = None) -> None:
        assert valkkafs is None
        ticks.append(time.monotonic())
        calls["time"].append(mstime)
        raise ValueError("raised on purpose")

    def on_limits(valkkafs: Any = None, timerange: Any = None) -> None:
        calls["limits"].append(timerange)

    manager.setTimeCallback(on_time)
    manager.setTimeLimitsCallback(on_limits)
    manager.setBlockCallback(lambda timerange: calls["block"].append(timerange))
    began = time.monotonic()
    manager.start()
    # Each second, they are told the same.
    assert set(calls["time"]) == {0} and set(calls["limits"]) == {(0, 0)} and (START, END + 1_000) in calls["block"]
    count = len(calls["time"])
    manager.update()
    assert len(calls["time"]) > count

    def moved() -> set[int]:
        return {mstime for mstime in calls["time"] if mstime > 0}

    manager.seek(START + 5_000)
    manager.play()
    poll(lambda: len(moved()) >= 4)
    manager.close()
    # Each thread may have been stopped between one callback and the next; none comes any more.
    counts = [len(calls[name]) for name in ("time", "limits", "block")]
    assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 2
    manager.update()
    assert [len(calls[name]) for name in ("time", "limits", "block")] == counts
    assert min(moved()) >= START + 5_000
    first, last = next(limits for limits in calls["limits"] if limits != (0, 0))
    assert START <= first < START + 5_000 < last <= END + 1_000
    # But for start() and update(), they come once a second at most.
    assert len(ticks) <= 3 + (max(ticks) - began) / 0.95
    assert "raised on purpose" in capfd.readouterr().err


def test_nothing_is_recorded_yet(tmp_path: Path, poll: Poll) -> None:
    valkkafs = ValkkaMultiFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=64 << 10, n_blocks=4)
    manager = ValkkaFSManager([valkkafs])
    told: list[Any] = []
    manager.setBlockCallback(lambda timerange: told.append(timerange))
    manager.start()
    assert set(told) == {None} and manager.getTimeRange() is None
    assert manager.seek(START) is False and manager.play() is False
    manager.close()


def test_inputs_and_mappings(managed: Managed, recorded: Callable[..., ValkkaFS]) -> None:
    manager = managed(START, START)
    one, other = (group.valkkafs for group in manager.fsgroups)
    assert isinstance(manager.getInputFilter(valkkafs=one), core.FrameFilter)
    with pytest.raises(AssertionError, match="2 recordings"):
        manager.getInputFilter()
    with pytest.raises(AssertionError, match="none of the recordings"):
        manager.getInputFilter(valkkafs=recorded())
    assert [found for found, _ in manager.iterateFsInput()] == [one, other]
    assert all(isinstance(found, core.FrameFilter) for _, found in manager.iterateFsInput())
    manager.unmap(valkkafs=one, _id=7)
    with pytest.raises(AssertionError, match="not mapped"):
        manager.unmap(valkkafs=one, _id=7)
    with pytest.raises(AssertionError, match="_id"):
        manager.unmap(valkkafs=one)
    with pytest.raises(AssertionError, match="2 recordings"):
        manager.map_(_id=7)
    single = ValkkaFSManager([recorded()])
    assert isinstance(single.getInputFilter(), core.FrameFilter)
    single.map_(_id=7)
    single.unmap(_id=7)


@pytest.mark.parametrize("state", ["new", "started", "sought", "playing", "requested"])
def test_it_can_be_closed_in_any_state(managed: Managed, state: str) -> None:
    manager = managed(START, START)
    if state != "new":
        manager.start()
    if state in ("sought", "playing"):
        manager.seek(START + 3_000)
    if state == "playing":
        manager.play()
    if state == "requested":
        manager.requestClose()
        manager.waitClose()
        assert not manager.started
    manager.close()
    manager.close()
    manager.waitClose()
    # Nobody carries this out, and nothing hangs.
    manager.seek(START + 5_000)
    manager.play()
    manager.update()


def test_callbacks_may_close_it(managed: Managed) -> None:
    manager = managed(START, START)
    closed = threading.Event()

    def close(mstime: int) -> None:
        if mstime > 0:
            manager.close()
            closed.set()

    manager.setTimeCallback(close)
    manager.start()
    manager.seek(START + 3_000)
    manager.play()
    assert closed.wait(60)
    manager.close()


def test_a_callback_that_takes_long_does_not_hold_up_the_end(managed: Managed) -> None:
    manager = managed(START, START)
    lock, inside = threading.Lock(), threading.Event()

    def wait(mstime: int) -> None:
        inside.set()
        with lock:
            manager.getCurrentTime()

    manager.start()
    with lock:
        manager.setTimeCallback(wait)
        assert inside.wait(60)
        # Others go on meanwhile.
        assert manager.seek(START + 3_000)
        manager.requestClose()
    manager.close()


def test_calls_from_all_sides(managed: Managed) -> None:
    """Callbacks, and calls from several threads, while it plays."""
    manager = managed(START, START, blocksize=4096)
    manager.setTimeCallback(lambda mstime: manager.play())
    manager.setTimeLimitsCallback(lambda timerange: manager.seek(START + 2_000))
    manager.setBlockCallback(lambda timerange: manager.getCurrentTimerange())
    manager.start()
    end = time.monotonic() + 3
    calls = [
        lambda: manager.seek(START + 1_000),
        lambda: manager.seek(START + 18_000),
        manager.play,
        manager.stop,
        manager.update,
        lambda: manager.seek(0),
    ]

    def call(seed: int) -> None:
        index = seed
        while time.monotonic() < end:
            calls[index % len(calls)]()
            index += seed

    threads = [threading.Thread(target=call, args=(seed,)) for seed in (1, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    manager.close()


def test_it_can_be_forgotten_while_it_plays(recorded: Callable[..., ValkkaFS], poll: Poll) -> None:
    for _ in range(3):
        manager = ValkkaFSManager([recorded(), recorded()])
        manager.start()
        manager.seek(START + 3_000)
        manager.play()
        del manager

    def gone() -> bool:
        gc.collect()
        return not any(isinstance(one, ValkkaFSManager) and one.started for one in gc.get_objects())

    # A thread that has news at this moment holds its manager until it has told them.
    assert poll(gone)


def test_cameras_are_recorded_and_played_at_the_same_time(
    tmp_path: Path, camera: Cameras, printed: Printed, poll: Poll
) -> None:
    urls = camera("--count", "2", "--size", "320x180", "--bit-rate", "500000").urls
    recordings = [
        ValkkaSingleFS.newFromDirectory(dirname=str(tmp_path / f"rec{index}"), blocksize=64 << 10, n_blocks=100)
        for index in range(2)
    ]
    manager = ValkkaFSManager(recordings)
    told: list[Any] = []
    manager.setBlockCallback(lambda timerange: told.append(timerange))
    manager.start()
    lives = []
    for index, (valkkafs, url) in enumerate(zip(recordings, urls)):
        out = core.BriefInfoFrameFilter(f"out{index}")
        manager.map_(valkkafs, framefilter=out, write_slot=1 + index, read_slot=101 + index, _id=5 + index)
        lives.append(play(url, manager.getInputFilter(valkkafs), 1 + index))
    poll(lambda: all(valkkafs.current_block >= 6 for valkkafs in recordings), 90)
    last = poll(lambda: told[-1] and told[-1][1] - told[-1][0] > 2_000 and told[-1][1])
    # In the past, while more is recorded.
    assert manager.seek(max(group.getTimerange()[0] for group in manager.fsgroups) + 500)  # type: ignore[index]
    assert manager.play()
    poll(lambda: min(len(stamps(printed, slot)) for slot in (101, 102)) > 40)
    poll(lambda: in_step(manager))
    poll(lambda: told[-1][1] > last)
    for live in lives:
        live.stopCall()
    manager.close()
    for valkkafs in recordings:
        again = ValkkaSingleFS.loadFromDirectory(valkkafs.jsonfile.rsplit("/", 1)[0])
        assert again.current_block == valkkafs.current_block
        assert again.getTimeRange()[1] >= last
