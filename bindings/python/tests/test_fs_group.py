"""One recording, played: what comes out, when, and what the callbacks say."""

from __future__ import annotations

import gc
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from conftest import Cameras, Poll, Printed, play, spawn
from recordings import INTERVAL_MS, START, Picture, Stream, make_pictures, write_recording
from valkka import core
from valkka.fs import FSGroup, ValkkaMultiFS, ValkkaSingleFS
from valkka.fs.group import SlotMapping
from valkka.fs.thread import ValkkaFSWriterThread

# A minute: time enough to look at what is played.
COUNT = 600
END = START + (COUNT - 1) * INTERVAL_MS

Open = Callable[..., FSGroup]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "pictures.h264", COUNT)


@pytest.fixture
def group(tmp_path: Path, pictures: list[Picture]) -> Iterator[Open]:
    """A group that plays a recording of stream 7 in slot 101 into a filter that prints: `group(blocksize=...)`."""
    made: list[FSGroup] = []

    def make(**options: Any) -> FSGroup:
        directory = tmp_path / f"rec{len(made)}"
        write_recording(directory, [Stream(7, pictures)], **options)
        one = FSGroup(ValkkaSingleFS.loadFromDirectory(str(directory)), write=False)
        made.append(one)
        one.map_(read_slot=101, _id=7, framefilter=core.BriefInfoFrameFilter("out"))
        one.start()
        one.update()
        return one

    yield make
    for one in made:
        one.requestStop()
        one.waitStop()


def shown(printed: Printed) -> list[int]:
    """The time stamps of the pictures that came out."""
    return [int(stamp) for stamp in printed.find(r"<BasicFrame: timestamp=(\d+) .* slice_type=[15]>")]


def steps(stamps: list[int]) -> set[int]:
    return {b - a for a, b in zip(stamps, stamps[1:])}


def test_a_seek_shows_the_picture_and_stops(group: Open, printed: Printed, poll: Poll) -> None:
    one = group()
    assert one.getTimerange() == (START, END)
    assert one.getCurrentTime() == 0 and one.getCurrentTimerange() == (0, 0)
    assert one.play() is False and not one.playing
    assert one.seek(START + 5_050) is True
    assert one.getCurrentTime() == START + 5_050
    # From the key frame before it up to the picture that is shown then.
    poll(lambda: len(shown(printed)) == 1 and "stream_state=3" in printed.text)
    first, last = poll(one.getCurrentTimerange)
    assert START <= first < START + 5_050 < last <= END
    assert one.isReady() and one.position() == START + 5_050
    assert "slot=101" in printed.text
    one.seek(START + 7_990)
    poll(lambda: len(shown(printed)) == 11)
    assert steps(shown(printed)[1:]) == {INTERVAL_MS}


def test_it_plays_in_real_time_through_all_blocks(group: Open, printed: Printed, poll: Poll) -> None:
    one = group(blocksize=4096)
    # On a machine that stands still for some seconds, blocks are read in time if there are some in memory.
    one.timetolerance, one.timediff = 8_000, 10
    times: list[tuple[int, float]] = []
    one.setTimeCallback(lambda _, mstime: times.append((mstime, time.monotonic())))
    one.seek(START + 2_000)
    began = time.monotonic()
    assert one.play() is True
    poll(lambda: len(shown(printed)) >= 80 and len(times) >= 5)
    one.stop()
    # Blocks of a second or so were read in time, none of their pictures is missing, and none came twice.
    # The first one is shown by the seek.
    assert steps(shown(printed)[1:]) == {INTERVAL_MS}
    # The clock of the recording goes as ours does, or later where the machine is busy.
    assert all(START + 2_000 <= mstime <= START + 2_000 + (at - began) * 1000 + INTERVAL_MS for mstime, at in times)
    stood = one.getCurrentTime()
    poll(lambda: "stream_state=3" in printed.text.rsplit("slice_type", 1)[1])
    count = len(shown(printed))
    # And on from there.
    one.play()
    poll(lambda: len(shown(printed)) >= count + 5)
    assert one.position() >= stood


def test_a_seek_while_it_plays_goes_on_playing(group: Open, printed: Printed, poll: Poll) -> None:
    one = group()
    one.seek(START + 1_000)
    one.play()
    poll(lambda: len(shown(printed)) >= 5)
    one.seek(START + 25_000)
    assert one.playing
    poll(lambda: one.getCurrentTime() > START + 25_500)
    one.seek(START + 3_000)
    poll(lambda: START + 3_500 < one.getCurrentTime() < START + 20_000)


def test_times_that_are_not_recorded(group: Open, printed: Printed, poll: Poll) -> None:
    one = group()
    limits: list[Any] = []
    one.setTimeLimitsCallback(lambda _, limit: limits.append(limit))
    for outside in (0, 1, START - 1, END + 1, 1 << 60, -5):
        one.seek(START + 5_000)
        poll(one.isReady)
        assert one.seek(outside) is False
        assert (one.getCurrentTime(), one.getCurrentTimerange(), one.current_blocks) == (0, (0, 0), [])
        assert one.play() is False
    poll(lambda: limits and limits[-1] == (0, 0))
    assert one.seek(START) is True and one.seek(END) is True


def test_it_ends_with_the_recording(group: Open, poll: Poll) -> None:
    one = group()
    times: list[int] = []
    one.setTimeCallback(lambda _, mstime: times.append(mstime))
    one.seek(END - 500)
    one.play()
    poll(lambda: times and times[-1] == 0)
    assert not one.playing and one.getCurrentTime() == 0
    count = len(times)
    assert one.seek(START + 1_000)
    one.play()
    poll(lambda: len(times) >= count + 2)
    assert times[count] >= START + 1_000


def test_callbacks(group: Open, poll: Poll, capfd: pytest.CaptureFixture[str]) -> None:
    one = group()
    calls: dict[str, list[tuple[Any, ...]]] = {"block": [], "time": [], "limits": []}
    threads = set()

    def note(name: str, *arguments: Any) -> None:
        calls[name].append(arguments)
        threads.add(threading.get_ident())
        raise ValueError(f"{name} raises on purpose")

    one.setBlockCallback(lambda *arguments: note("block", *arguments))
    one.setTimeCallback(lambda *arguments: note("time", *arguments))
    one.setTimeLimitsCallback(lambda *arguments: note("limits", *arguments))
    one.seek(START + 5_000)
    one.play()
    poll(lambda: calls["limits"])
    # The same thread has printed it before it calls again.
    count = len(calls["time"])
    poll(lambda: len(calls["time"]) >= count + 2)
    one.update()
    poll(lambda: calls["block"])
    assert calls["block"] == [(one,)]
    assert all(found is one and START + 5_000 < mstime < END for found, mstime in calls["time"])
    assert all(found is one and START <= first < last <= END for found, (first, last) in calls["limits"])
    assert len(threads) == 2, "that of the cache, and ours"
    printed = capfd.readouterr().err
    assert all(f"ValueError: {name} raises on purpose" in printed for name in calls)
    one.setTimeCallback(None)
    one.setTimeLimitsCallback(None)
    one.setBlockCallback(None)


def test_reports_from_before_a_seek_are_passed_over(group: Open) -> None:
    # It does not run: there are no reports but these. However long we are in between, they are from before the seek.
    one = FSGroup(group().valkkafs, write=False)
    one.timediff = 600
    one.update()
    times: list[int] = []
    one.setTimeCallback(lambda _, mstime: times.append(mstime))
    one.seek(START + 10_000)
    # As if it had been on its way.
    one._onTime(START + 2_000)
    assert one.getCurrentTime() == START + 10_000 and times == []
    one.clearTime()
    one._onTime(START + 2_000)
    assert one.getCurrentTime() == 0 and times == []
    one._onLimits((START, START + 20_000))
    one.seek(START + 10_000)
    assert one.current_blocks, "what was in memory before is not taken for what is"


def test_blocks_are_asked_for_once(group: Open, poll: Poll) -> None:
    one = group()
    limits: list[Any] = []
    one.setTimeLimitsCallback(lambda _, limit: limits.append(limit))
    one.seek(START + 5_000)
    blocks = list(one.current_blocks)
    assert blocks and all(type(block) is int for block in blocks)
    poll(lambda: limits)
    assert one.reqBlocksIf(START + 5_000) is False, "it is in memory"
    assert one.reqBlocksIf(START - 1) is False
    assert one.reqBlocksIf(START + 15_000) is True
    assert one.reqBlocksIf(START + 15_000) is False, "they are on their way"
    poll(lambda: len(limits) == 2)
    # Nobody reads the table any more.
    one.requestStop()
    one.waitStop()
    # The same numbers, but other blocks: the ring has gone round.
    one.valkkafs.blocktable[one.current_blocks[0], 1] += 1
    one.current_timerange = (0, 0)
    assert one.reqBlocksIf(START + 15_000) is True


def test_ranges(group: Open) -> None:
    one = group()
    assert one.withinRange(START) and one.withinRange(END)
    assert not one.withinRange(START - 1) and not one.withinRange(END + 1)
    one.current_timerange = (1_000, 9_000)
    assert one.withinCached(1_000, 0) and one.withinCached(3_000, 2_000) and one.withinCached(7_000, 2_000)
    assert not one.withinCached(2_999, 2_000) and not one.withinCached(7_001, 2_000)
    assert (FSGroup.timetolerance, FSGroup.timediff) == (2000, 5)


def test_streams_come_and_go(tmp_path: Path, pictures: list[Picture], printed: Printed, poll: Poll) -> None:
    write_recording(tmp_path / "rec", [Stream(7, pictures), Stream(8, pictures, START + 40)], first_key=False)
    one = FSGroup(ValkkaMultiFS.loadFromDirectory(str(tmp_path / "rec")), write=False)
    one.map_(read_slot=101, _id=7, framefilter=core.BriefInfoFrameFilter("seven"))
    with pytest.raises(AssertionError, match="mapped already"):
        one.map_(read_slot=103, _id=7)
    with pytest.raises(AssertionError, match="_id"):
        one.map_(read_slot=103)
    with pytest.raises(AssertionError, match="not recorded here"):
        one.map_(write_slot=1, _id=9)
    with pytest.raises(AssertionError, match="not recorded here"):
        one.getInputFilter()
    assert list(one.slot_mapping_by_id) == [7]
    assert isinstance(one.slot_mapping_by_id[7], SlotMapping)
    one.start()
    one.seek(START + 5_000)
    one.play()
    poll(lambda: "seven" in printed.text)
    # What is in memory already has nothing of it.
    one.map_(read_slot=102, _id=8, framefilter=core.BriefInfoFrameFilter("eight"))
    poll(lambda: re.search(r"eight : <BasicFrame: .* slot=102 .* slice_type=5>", printed.text))
    one.unmap(7)
    with pytest.raises(AssertionError, match="not mapped"):
        one.unmap(7)
    poll(lambda: "eight" in (newest := "".join(printed.lines[-20:])) and "seven" not in newest)
    one.requestStop()
    one.waitStop()


def test_what_is_mapped_by_mistake_is_refused_at_once(tmp_path: Path, printed: Printed) -> None:
    valkkafs = ValkkaMultiFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=64 << 10, n_blocks=4)
    one = FSGroup(valkkafs)
    out = core.DummyFrameFilter("out")
    one.map_(write_slot=1, read_slot=numpy.int64(255), _id=7, framefilter=out)
    for wrong in (0, -1, 256, 1 << 70, 1.0, "1", True):
        for name in ("write_slot", "read_slot"):
            with pytest.raises(AssertionError, match=f"{name} should be from 1 to 255"):
                one.map_(**{name: wrong}, _id=8, framefilter=out)  # type: ignore[arg-type]
    for wrong in (0, -1, 1 << 64, 1.0, "1"):
        with pytest.raises(AssertionError, match="_id should be from 1 to"):
            one.map_(write_slot=2, _id=wrong)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="write_slot 1 is that of stream 7"):
        one.map_(write_slot=1, _id=8)
    with pytest.raises(AssertionError, match="read_slot 255 is that of stream 7"):
        one.map_(write_slot=2, read_slot=255, _id=8, framefilter=out)
    one.writer.reportSlotIdCall()
    one.reader.reportSlotIdCall()
    assert printed.find(r"slot (\d+) ==> id (\d+)") == [("1", "7")], "nothing was done by halves"
    assert printed.find(r"id (\d+) ==> slot (\d+)") == [("7", "255")]
    # What was taken away is free.
    one.unmap(7)
    one.map_(write_slot=1, read_slot=255, _id=8, framefilter=out)


def test_the_last_seek_is_read(group: Open, printed: Printed, poll: Poll) -> None:
    # It does not run yet: whoever drags a slider now has them all wait.
    one = FSGroup(group(blocksize=4096).valkkafs, write=False)
    one.map_(read_slot=102, _id=7, framefilter=core.BriefInfoFrameFilter("slider"))
    limits: list[tuple[int, int]] = []
    one.setTimeLimitsCallback(lambda _, limit: limits.append(limit))
    for seconds in range(1, 41):
        assert one.seek(START + seconds * 1_000 + 50)
    one.start()
    poll(lambda: "stream_state=3" in printed.text)
    assert one.isReady() and one.getCurrentTime() == START + 40_050
    assert len(limits) == 1 and limits[0][0] > START + 30_000
    one.requestStop()
    one.waitStop()


def test_a_table_that_cannot_be_read(group: Open, poll: Poll, caplog: pytest.LogCaptureFixture) -> None:
    one = group()
    reads: list[None] = []

    def fails() -> None:
        reads.append(None)
        raise OSError("the disk is gone")

    one.valkkafs.reload_ = fails  # type: ignore[method-assign]
    # What is known is played, and it is said once.
    assert one.seek(START + 5_000)
    poll(lambda: one.isReady() and len(reads) >= 3)
    assert [record.message.endswith("the disk is gone") for record in caplog.records] == [True]
    with pytest.raises(OSError, match="the disk is gone"):
        one.readBlockTable()


def test_nobody_takes_it(tmp_path: Path, pictures: list[Picture], caplog: pytest.LogCaptureFixture) -> None:
    write_recording(tmp_path / "rec", [Stream(7, pictures)])
    one = FSGroup(ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")), write=False)
    one.map_(read_slot=101, _id=7)
    assert "nobody takes what is played of stream 7" in caplog.text
    one.unmap(7)


@pytest.mark.parametrize("state", ["new", "started", "sought", "playing", "paused", "cleared"])
def test_it_can_be_stopped_in_any_state(group: Open, state: str) -> None:
    one = group()
    if state == "new":
        one = FSGroup(one.valkkafs, write=False)
    if state in ("sought", "playing", "paused", "cleared"):
        one.seek(START + 5_000)
    if state in ("playing", "paused", "cleared"):
        one.play()
    if state == "paused":
        one.stop()
    if state == "cleared":
        one.clearTime()
    for _ in range(2):
        one.requestStop()
        one.waitStop()
    assert not one.started
    # Nobody carries this out, and nothing hangs.
    one.seek(START + 6_000)
    one.play()
    one.stop()
    one.update()


def test_it_can_be_stopped_in_its_callbacks(group: Open, poll: Poll) -> None:
    one = group()
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        one.requestStop()
        one.waitStop()
        stopped.set()

    one.setTimeCallback(stop)
    one.seek(START + 5_000)
    one.play()
    assert stopped.wait(60)
    one.waitStop()


def test_it_can_be_stopped_by_the_thread_that_writes(tmp_path: Path, camera: Cameras, poll: Poll) -> None:
    valkkafs = ValkkaSingleFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=64 << 10, n_blocks=20)
    one = FSGroup(valkkafs)
    one.map_(write_slot=1, _id=7)
    stopped = threading.Event()

    def stop(_: FSGroup) -> None:
        one.requestStop()
        one.waitStop()
        stopped.set()

    one.setBlockCallback(stop)
    one.start()
    live = play(camera("--size", "320x180", "--bit-rate", "500000").url, one.getInputFilter())
    assert stopped.wait(60)
    one.waitStop()
    live.stopCall()

    def can_be_written() -> bool:
        try:
            ValkkaFSWriterThread(valkkafs=ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))).close()
        except RuntimeError:
            return False
        return True

    # When its callback has returned, the thread ends, and another one may write.
    poll(can_be_written)
    assert ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).getTimeRange() is not None


def test_it_can_be_forgotten_while_it_plays(tmp_path: Path, pictures: list[Picture], poll: Poll) -> None:
    write_recording(tmp_path / "rec", [Stream(7, pictures)])
    before = threading.active_count()
    for _ in range(3):
        one = FSGroup(ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")), write=False)
        one.map_(read_slot=101, _id=7, framefilter=core.CountFrameFilter("count"))
        one.start()
        one.seek(START + 5_000)
        one.play()
        del one

    def gone() -> bool:
        gc.collect()
        started = any(isinstance(one, FSGroup) and one.started for one in gc.get_objects())
        return not started and threading.active_count() == before

    # A thread that calls back at this moment holds its group until it has done so.
    assert poll(gone)


RECORDER = """
import sys, time
from conftest import play
from valkka.fs import FSGroup, ValkkaSingleFS
group = FSGroup(ValkkaSingleFS.loadFromDirectory(sys.argv[1]), play=False)
group.start()
group.map_(write_slot=1, _id=7)
live = play(sys.argv[2], group.getInputFilter())
time.sleep(300)
"""


def test_what_another_process_records_is_played_as_it_comes(
    tmp_path: Path, camera: Cameras, poll: Poll, printed: Printed
) -> None:
    directory = str(tmp_path / "rec")
    ValkkaSingleFS.newFromDirectory(dirname=directory, blocksize=64 << 10, n_blocks=200)
    one = FSGroup(ValkkaSingleFS.loadFromDirectory(directory), write=False)
    one.map_(read_slot=2, _id=7, framefilter=core.BriefInfoFrameFilter("out"))
    one.start()
    assert one.getTimerange() is None
    url = camera("--size", "320x180", "--bit-rate", "500000").url
    recorder = spawn([sys.executable, "-c", RECORDER, directory, url], cwd=Path(__file__).parent)
    try:
        # It takes notice of what comes, and so do seeks and who asks for the table.
        known = poll(one.getTimerange, 100)
        poll(lambda: (one.getTimerange() or known)[1] > known[1] + 2_000)
        other = FSGroup(ValkkaSingleFS.loadFromDirectory(directory), write=False)
        other.update()
        before = other.getTimerange()
        assert before is not None
        poll(lambda: other.valkkafs.getBlockTable(reread=True)[:, 1].max() > before[1])
        assert other.getTimerange() == before
        newest = int(other.valkkafs.blocktable[:, 1].max())
        assert other.seek(newest) and not other.withinRange(newest + 600_000)
        # Beyond what there was when it came to play.
        last = one.getTimerange()
        assert last is not None and one.seek(last[0] + 100)
        one.play()
        poll(lambda: one.getCurrentTime() > known[1] and one.getCurrentTimerange()[1] > known[1], 100)
        assert shown(printed)
    finally:
        recorder.kill()
        recorder.wait()
        one.requestStop()
        one.waitStop()


def test_one_records_at_a_time(
    tmp_path: Path, camera: Cameras, poll: Poll, printed: Printed, caplog: pytest.LogCaptureFixture
) -> None:
    valkkafs = ValkkaSingleFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=64 << 10, n_blocks=20)
    recording = FSGroup(valkkafs)
    recording.start()
    recording.map_(write_slot=1, _id=7)
    other = FSGroup(ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")))
    other.start()
    assert "not recording" in caplog.text
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        other.map_(write_slot=1, _id=7)
    third = FSGroup(ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")))
    third.map_(write_slot=1, _id=7)
    with pytest.raises(RuntimeError, match="cannot be recorded"):
        third.start()
    # It plays what the first one records.
    live = play(camera("--size", "320x180", "--bit-rate", "500000").url, recording.getInputFilter())
    poll(lambda: valkkafs.current_block >= 2, 60)
    other.update()
    timerange = other.getTimerange()
    assert timerange is not None and timerange[0] > 0
    other.map_(read_slot=2, _id=7, framefilter=core.BriefInfoFrameFilter("out"))
    assert other.seek(timerange[0] + 500)
    poll(lambda: shown(printed))
    live.stopCall()
    for one in (other, recording, third):
        one.requestStop()
        one.waitStop()
