"""ValkkaFS at level 1: what is written is read, whatever happens between."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import valkka.core as core
from conftest import Cameras, Poll, Printed, play, program, reap, spawn
from stores import FRAME, ID, MEGA, SIZE, SLOT, Folder, Frame, Recording, in_order, on_block, table


@pytest.fixture
def folder(tmp_path: Path, poll: Poll, printed: Printed) -> Folder:
    return Folder(tmp_path, poll, printed)


# Writing and reading.


@pytest.mark.parametrize("kind", [core.ValkkaFS, core.ValkkaFS2])
def test_what_was_written_is_read(kind: type, folder: Folder, camera: Cameras) -> None:
    store = folder.store(kind=kind)
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(80)
    written = recording.end()
    assert folder.read(store) == written
    # By another that opens the same files, too.
    assert folder.read(folder.store(kind=kind)) == written
    # The table: key frames are those that begin with parameter sets.
    times = table(store)
    keys = [int(time) for time, _, _, _, tail in written if tail == "H264: slice_type=7"]
    assert keys and times[0].tolist() == [keys[0] if kind is core.ValkkaFS2 else keys[-1], int(written[-1][0])]
    assert not times[1:].any()
    # Markers say when it begins.
    markers = folder.printed.find(r"pull1 : <MarkerFrame: timestamp=(\d+) .* / (.*) > dT=")
    assert markers[0] == (written[0][0], "TM_START") and [kind for _, kind in markers] == ["TM_START", "TM_END"]


def test_the_oldest_blocks_are_overwritten(folder: Folder, camera: Cameras) -> None:
    store = folder.store(n_blocks=4, blocksize=128 << 10)
    calls = on_block(store)
    recording = Recording(folder, store, camera(*SIZE).url)
    folder.poll(lambda: len(calls) >= 7, 60)
    written = recording.end()
    found = folder.read(store)
    assert len(found) < len(written) and found == written[-len(found) :]
    # One call for each block, with the next one's number; the last one is our own thread's.
    assert all(par in ((index + 1) % 4, "keyframe") for index, (_, par, _) in enumerate(calls)), calls
    assert all(propagate == (thread != threading.get_native_id()) for propagate, _, thread in calls)
    assert [propagate for propagate, _, _ in calls] == sorted((one for one, _, _ in calls), reverse=True)
    assert calls[0][0] is True and calls[-1][0] is False
    # Blocks are named by their times, and each alone is a part of it.
    assert [frame for block in in_order(store) for frame in folder.read(store, [block])] == found


def test_many_streams_are_in_one_store_and_two_stores_at_once(folder: Folder, camera: Cameras) -> None:
    one, two = folder.store(n_blocks=32), folder.store(name="2")
    urls = camera(*SIZE, "--count", "2").urls
    first = Recording(folder, one, urls[0], slot=1, one=7, name="first")
    other = Recording(folder, two, urls[1], slot=2, one=8, name="other")
    # The second camera into the first store, too.
    first.writer.setSlotIdCall(2, 9)
    both = play(urls[1], core.ForkFrameFilter("f", core.BriefInfoFrameFilter("both"), first.writer.getFrameFilter()), 2)
    first.frames(60)
    other.frames(60)
    both.stopCall()
    first_written, other_written = first.end(), other.end()

    def without_slot(frames: list[Frame]) -> list[Frame]:
        return [frame[:2] + frame[3:] for frame in frames]

    assert without_slot(folder.read(one, ids=(7,))) == without_slot(first_written)
    assert without_slot(folder.read(one, ids=(9,))) == without_slot(folder.shown("both"))
    assert without_slot(folder.read(two, ids=(8,))) == without_slot(other_written)
    all_of_it = folder.read(one, ids=(7, 9))
    assert {frame[2] for frame in all_of_it} == {str(SLOT), str(SLOT + 1)}
    assert len(all_of_it) == len(first_written) + len(folder.shown("both"))
    assert folder.read(two, ids=(7,)) == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose parameter sets are in its header only."""
    made = tmp_path / "made.mkv"
    scene = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    encode = ["-c:v", "libx264", "-g", "25", "-bf", "0", "-preset", "ultrafast"]
    quiet = ["-nostdin", "-loglevel", "error"]
    subprocess.run([program("ffmpeg"), *quiet, *scene, *encode, made], check=True, timeout=60)
    return made


def test_a_file_is_written_as_fast_as_the_disk_takes_it(folder: Folder, file: Path) -> None:
    store = folder.store(n_blocks=40, blocksize=64 << 10)
    writer = core.ValkkaFSWriterThread("writer", store, core.FrameFifoContext())
    writer.setSlotIdCall(SLOT, ID)
    writer.startCall()
    passed = core.ForkFrameFilter("fork", core.BriefInfoFrameFilter("file"), writer.getBlockingFrameFilter())
    thread = core.FileThread("file")
    context = core.FileContext(str(file), SLOT, passed)
    thread.startCall()
    thread.openFileStreamCall(context)
    context.seektime_ = 3900
    thread.seekFileStreamCall(context)
    thread.stopCall()
    writer.unSetSlotIdCall(SLOT)
    writer.stopCall()
    # In the order of writing: by the clock, what leads up to a position is before what was shown until then.
    found = folder.read(store, range(40))
    bare = [frame for frame in folder.shown("file") if frame[4] in ("H264: slice_type=1", "H264: slice_type=5")]
    slices = [frame for frame in found if frame[4] in ("H264: slice_type=1", "H264: slice_type=5")]
    assert slices == bare and len(bare) > 20
    # What decoders need comes before each key frame.
    kinds = "".join(frame[4][-1] for frame in found)
    assert re.fullmatch(r"(?:786?51*)+", kinds), kinds


def test_what_is_read_is_cached_and_decoded(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(60)
    written = recording.end()
    decoder = core.AVThread("decoder", core.BriefInfoFrameFilter("decoded"))
    cache = core.FileCacheThread("cache")
    limits: list[Any] = []
    cache.setPyCallback2(limits.append)
    cache.registerStreamCall(core.FileStreamContext(SLOT, decoder.getFrameFilter()))
    reader = core.ValkkaFSReaderThread("reader", store, cache.getFrameFilter())
    reader.setSlotIdCall(SLOT, ID)
    for thread in (decoder, cache, reader):
        thread.startCall()
    decoder.decodingOnCall()
    reader.pullBlocksPyCall(in_order(store))
    folder.poll(lambda: limits)
    assert limits[0] == (int(written[0][0]), int(written[-1][0]))
    cache.seekStreamsCall(int(written[len(written) // 2][0]))
    cache.playStreamsCall()
    folder.poll(lambda: len(folder.printed.find("decoded : <AVBitmapFrame: .* h=240; w=320;")) > 5)
    for thread in (reader, cache, decoder):
        thread.stopCall()


# The table.


def test_the_block_that_is_written_comes_into_the_table_when_asked(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    calls = on_block(store)
    store.updateTable()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(30)
    assert not table(store).any() and calls == []
    recording.live.stopCall()
    written = folder.shown("live")

    def all_is_there() -> bool:
        store.updateTable(disk_write=True)
        return int(table(store)[0, 1]) == int(written[-1][0])

    # The thread that writes has taken the last one, too.
    folder.poll(all_is_there)
    count = len(calls)
    assert calls == [(False, "req", threading.get_native_id())] * count and count > 0
    assert table(store)[0].tolist()[0] >= int(written[0][0])
    # Nothing has come since.
    store.updateTable(True)
    assert len(calls) == count
    # It is on disk for others, frames and table.
    other = folder.store()
    assert table(other).tolist() == table(store).tolist()
    other.readTable()
    assert folder.read(other) == written
    recording.end()
    assert [call[:2] for call in calls[count:]] == [(False, 1)]
    assert table(store).tolist()[0][1] == int(written[-1][0])
    assert store.getCurrentBlock() == 1


def test_a_table_is_kept_until_it_is_cleared(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(20)
    for other in (store, folder.store()):
        other.clearTable()
        other.clearDevice()
    with pytest.raises(OSError, match="is being written by another writer"):
        folder.store(init=True)
    written = recording.end()
    assert len(folder.printed.find(r"^ValkkaFS: clear\w+: .*blockfile is being written by another writer")) == 4
    store.dumpTable()
    for _ in range(2):
        store = folder.store()
        store.readTable()
        assert folder.read(store) == written
    store.clearTable()
    assert not table(store).any() and not table(folder.store()).any()
    assert folder.read(store, range(8)) == []
    # Of what was there before, nothing comes back.
    recording = Recording(folder, store, camera(*SIZE).url, name="again")
    recording.frames(20)
    assert folder.read(store) == [] and recording.end() == folder.read(store)
    assert folder.read(folder.store(init=True), range(8)) == []


def test_a_store_says_what_it_is(folder: Folder, camera: Cameras) -> None:
    store = folder.store(n_blocks=3, blocksize=10_000)
    assert "blocksize 10000 is not a multiple of 4096, taking 8192" in folder.printed.text
    assert (store.getBlockSize(), store.get_n_blocks(), store.get_n_cols()) == (8192, 3, 2)
    assert (store.getDevice(), store.getDeviceSize()) == (str(folder.path / "dumpfile"), 3 * 8192)
    assert store.maxFrameSize() == 3 * 8192 // 10
    assert folder.store(blocksize=0, name="least").getBlockSize() == core.FS_GRAIN_SIZE
    assert isinstance(folder.store(kind=core.ValkkaFS2, name="2"), core.ValkkaFS)
    folder.printed.new()
    store.reportTable()
    store.reportTable(1, 3, True)
    store.reportTable(**{"from": 2, "show_all": True})
    store.reportTable(10, 20, True)
    assert folder.printed.new() == "1 : - \n2 : - \n2 : - \n"
    (folder.path / "dumpfile").write_bytes(b"\xff" * 3 * 8192)
    store.clearDevice()
    data = (folder.path / "dumpfile").read_bytes()
    assert [data[at : at + 512].count(0) for at in (0, 8192, 16384)] == [512] * 3 and len(data) == 3 * 8192
    (folder.path / "dumpfile").write_bytes(b"\xff" * 8192)
    store.clearDevice(True, True)
    assert (folder.path / "dumpfile").read_bytes() == bytes(3 * 8192)
    assert "dumpfile is overwritten" in folder.printed.new()


def test_a_block_is_shown_as_text(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(30)
    written = recording.end()
    tool = core.ValkkaFSTool(store)
    folder.printed.new()
    for block in (1, 8, -1, 1 << 40):
        tool.dumpBlock(block)
    assert folder.printed.new() == ""
    tool.dumpBlock(0)
    lines = folder.printed.new().splitlines()
    assert lines[:2] == ["", "----- Block number : 0 at position 0 ----- "]
    pattern = re.compile(rf"\[{ID}\] {FRAME}( \* |)    ((?:\d+ )+)")
    frames = [match.groups() for line in lines[2:] if (match := pattern.fullmatch(line))]
    assert len(frames) == len(lines) - 2 == len(written)
    for frame, (*shown, mark, payload) in zip(written, frames):
        assert frame[:2] + frame[3:] == (*shown[:2], *shown[3:])
        assert (mark == " * ") == (frame[4] == "H264: slice_type=7")
        assert payload.split()[:4] == ["0", "0", "0", "1"]


def test_what_is_rotten_is_told_and_passed_over(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(60)
    written = recording.end()
    dump = folder.path / "dumpfile"
    data = bytearray(dump.read_bytes())
    # Somewhere among the first pictures.
    data[10_000] ^= 0x10
    dump.write_bytes(data)
    found = folder.read(store)
    assert len(written) - 5 <= len(found) < len(written)
    assert [frame for frame in written if frame in found] == found
    assert "ValkkaFSReaderThread: reader: block 0, byte " in folder.printed.text
    core.ValkkaFSTool(store).dumpBlock(0)
    assert "ValkkaFSTool: dumpBlock: block 0, byte " in folder.printed.text


# Callbacks.


def test_callbacks_may_call_anything(folder: Folder, camera: Cameras, capfd: pytest.CaptureFixture[str]) -> None:
    store = folder.store(n_blocks=4, blocksize=64 << 10)
    array = numpy.zeros((4, 2), dtype=numpy.int64)
    seen: list[Any] = []
    inside = threading.local()

    def called(propagate: bool, par: Any) -> None:
        if getattr(inside, "yes", False):
            return
        inside.yes = True
        store.setArrayCall(array)
        store.updateTable()
        store.readTable()
        store.reportTable()
        gc.collect()
        seen.append((propagate, par, array.any()))
        inside.yes = False
        if len(seen) == 2:
            raise ValueError("raised on purpose")
        if len(seen) == 6:
            recording.writer.stopCall()

    store.setBlockCallback(called)
    recording = Recording(folder, store, camera(*SIZE).url)
    folder.poll(lambda: len(seen) >= 6, 60)
    recording.end()
    assert all(filled for _, _, filled in seen)
    store.setBlockCallback(None)
    assert "ValueError: raised on purpose" in capfd.readouterr().err


# Threads.


def test_a_store_has_one_writer_at_a_time(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    first = core.ValkkaFSWriterThread("first", store)
    first.startCall()
    for same in (store, folder.store()):
        second = core.ValkkaFSWriterThread("second", same)
        with pytest.raises(RuntimeError, match=r"second: .*written by another"):
            second.startCall()
    # Reading goes on all the time.
    assert folder.read(store, [0, 1]) == []
    first.stopCall()
    third = core.ValkkaFSWriterThread("third", store)
    third.startCall()
    del third
    fourth = core.ValkkaFSWriterThread("fourth", folder.store())
    fourth.startCall()
    with pytest.raises(RuntimeError, match="once"):
        fourth.startCall()


def test_what_is_mapped_is_told(folder: Folder) -> None:
    store = folder.store()
    writer = core.ValkkaFSWriterThread("w", store, core.FrameFifoContext(), False)
    reader = core.ValkkaFSReaderThread("r", store, core.DummyFrameFilter("d", False), core.FrameFifoContext(10), False)
    assert isinstance(writer.getFrameFilter(), core.FifoFrameFilter)
    assert isinstance(writer.getBlockingFrameFilter(), core.BlockingFifoFrameFilter)
    assert isinstance(reader.getFrameFilter(), core.FifoFrameFilter)
    folder.printed.new()
    for thread in (writer, reader):
        thread.setSlotIdCall(1, 10)
        thread.setSlotIdCall(numpy.int32(2), numpy.int64(20))
        thread.setSlotIdCall(slot=3, id=(1 << 64) - 1)
        thread.reportSlotIdCall()
    largest = (1 << 64) - 1
    assert folder.printed.new().splitlines() == [
        "ValkkaFSWriterThread: w: slot 1 ==> id 10",
        "ValkkaFSWriterThread: w: slot 2 ==> id 20",
        f"ValkkaFSWriterThread: w: slot 3 ==> id {largest}",
        "ValkkaFSReaderThread: r: id 10 ==> slot 1",
        "ValkkaFSReaderThread: r: id 20 ==> slot 2",
        f"ValkkaFSReaderThread: r: id {largest} ==> slot 3",
    ]
    writer.setSlotIdCall(1, 11)
    reader.setSlotIdCall(9, 10)
    writer.unSetSlotIdCall(2)
    writer.unSetSlotIdCall(2)
    reader.unSetSlotIdCall(20)
    reader.unSetSlotIdCall(20)
    writer.setSlotIdCall(256, 1)
    writer.setSlotIdCall(4, 0)
    reader.unSetSlotIdCall(0)
    writer.seekCall(3)
    assert folder.printed.new().splitlines() == [
        "ValkkaFSWriterThread: w: slot 1 has id 10 already",
        "ValkkaFSReaderThread: r: stream 10 has slot 1 already",
        "ValkkaFSWriterThread: w: slot 2 has no id",
        "ValkkaFSReaderThread: r: stream 20 has no slot",
        "ValkkaFSWriterThread: w: slot 256 is not from 0 to 255",
        "ValkkaFSWriterThread: w: 0 is no id of a stream",
        "ValkkaFSReaderThread: r: 0 is no id of a stream",
    ]
    for thread in (writer, reader):
        thread.clearSlotIdCall()
        thread.reportSlotIdCall()
        with pytest.raises(OverflowError):
            thread.setSlotIdCall(1, -1)
        with pytest.raises(TypeError):
            thread.setSlotIdCall("1", 1)
    assert folder.printed.new() == ""


def test_blocks_are_pulled_by_whatever_is_a_number(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(20)
    written = recording.end()

    class Zero:
        def __index__(self) -> int:
            return 0

    class Raises:
        def __index__(self) -> int:
            raise ValueError("raised on purpose")

    for blocks in ([0], (0,), numpy.array([0, 5]), [numpy.int64(0)], [Zero()], ["0", None, 0.0, -1, 8, 1 << 70, 0]):
        assert folder.read(store, blocks) == written, blocks
    assert folder.read(store, [0, 0]) == written * 2
    assert folder.read(store, []) == [] == folder.read(store, ["a", 9])
    empty = folder.printed.find(rf"pull{folder.pulls} : (<MarkerFrame.*>) dT=")
    assert [marker.split()[1] for marker in empty] == ["timestamp=0"] * 2
    reader = core.ValkkaFSReaderThread("reader", store, None)
    with pytest.raises(TypeError):
        reader.pullBlocksPyCall(3)
    with pytest.raises(ValueError, match="on purpose"):
        reader.pullBlocksPyCall([Raises()])


def test_calls_before_a_start_wait_for_it_and_after_a_stop_do_nothing(folder: Folder, camera: Cameras) -> None:
    store = folder.store()
    recording = Recording(folder, store, camera(*SIZE).url)
    recording.frames(20)
    written = recording.end()
    reader = core.ValkkaFSReaderThread("reader", store, core.BriefInfoFrameFilter("early"))
    reader.setSlotIdCall(SLOT, ID)
    reader.pullBlocksPyCall([0])
    # A pull is done as things are when it is asked for.
    reader.clearSlotIdCall()
    reader.pullBlocksPyCall([0])
    reader.startCall()
    folder.poll(lambda: len(folder.printed.find("early : <MarkerFrame.* TM_END")) == 2)
    assert folder.shown("early") == written
    for thread in (reader, recording.writer):
        thread.stopCall()
        thread.setSlotIdCall(1, 1)
        thread.stopCall()
    reader.pullBlocksPyCall([0])
    recording.writer.getFrameFilter()
    store.updateTable()
    assert folder.shown("early") == written


def test_everything_may_be_forgotten_in_any_order(folder: Folder, camera: Cameras) -> None:
    url = camera(*SIZE).url
    for turn in range(6):
        name = f"turn{turn}"
        store = folder.store(name=name)
        recording = Recording(folder, store, url, name=name)
        reader = core.ValkkaFSReaderThread("reader", store, recording.writer.getFrameFilter())
        reader.setSlotIdCall(SLOT + 1, ID)
        reader.startCall()
        recording.frames(5)
        reader.pullBlocksPyCall([0] * 5)
        parts = [store, recording.writer, recording.live, reader]
        del store, reader, recording
        for index in (turn % 4, 0, 0, 0):
            parts.pop(index if index < len(parts) else 0)
            gc.collect()


# Wrong arguments.


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("a", "b", -1, 2), ValueError),
        (("a", "b", 4096, 0), ValueError),
        (("a", "b", 4096, -5), ValueError),
        (("a", "b", 4096, 1 << 40), ValueError),
        (("a", "b", 1 << 40, 2), ValueError),
        (("a", "b", 1 << 70, 2), OverflowError),
        (("a", "b", 4096.0, 2), TypeError),
        ((1, "b", 4096, 2), TypeError),
        (("a", None, 4096, 2), TypeError),
        (("a", "b"), TypeError),
        ((".", "b", 4096, 2), OSError),
        (("a", ".", 4096, 2), OSError),
        (("no/such/folder", "b", 4096, 2), OSError),
        (("a\0", "b", 4096, 2), (OSError, ValueError)),
    ],
    ids=str,
)
def test_a_store_that_cannot_be(
    arguments: tuple[Any, ...], error: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        core.ValkkaFS(*arguments)


def test_arrays_that_do_not_fit(folder: Folder) -> None:
    store = folder.store(n_blocks=4)
    for array in (
        [[0, 0]] * 4,
        numpy.zeros((4, 2)),
        numpy.zeros((4, 2), dtype=numpy.int32),
        numpy.zeros((4, 2), dtype=">i8"),
        numpy.zeros((3, 2), dtype=numpy.int64),
        numpy.zeros(8, dtype=numpy.int64),
        numpy.zeros((2, 4), dtype=numpy.int64).T,
        numpy.zeros((4, 4), dtype=numpy.int64)[:, :2],
        None,
    ):
        with pytest.raises((TypeError, ValueError)):
            store.setArrayCall(array)
    with pytest.raises(ValueError):
        store.setArrayCall(numpy.frombuffer(bytes(64), dtype=numpy.int64).reshape(4, 2))
    for wrong in (4, 1 << 50):
        with pytest.raises(ValueError):
            store.setCurrentBlock(wrong)
    with pytest.raises(OverflowError):
        store.setCurrentBlock(-1)
    for make in (core.ValkkaFSTool, lambda fs: core.ValkkaFSWriterThread("w", fs)):
        with pytest.raises(TypeError):
            make(None)
    with pytest.raises(OSError, match="table of 4 blocks, not of 3"):
        folder.store(n_blocks=3)


def test_a_partition(folder: Folder) -> None:
    device = os.environ.get("VALKKA_TEST_DEVICE")
    if device is None:
        pytest.skip("VALKKA_TEST_DEVICE names no block device that may be overwritten")
    store = core.ValkkaFS(device, str(folder.path / "blockfile"), MEGA, 4, True)
    store.clearDevice()
    assert not table(store).any()


# The end of a process.

WRITER = """
import sys, time
import valkka.core as core
dump, blocks, url, slot, one = sys.argv[1:]
store = core.ValkkaFS(dump, blocks, 128 << 10, 64)
writer = core.ValkkaFSWriterThread("writer", store)
writer.setSlotIdCall(int(slot), int(one))
writer.startCall()
fork = core.ForkFrameFilter("fork", core.BriefInfoFrameFilter("live"), writer.getFrameFilter())
ctx = core.LiveConnectionContext(core.LiveConnectionType_rtsp, url, int(slot), fork)
ctx.request_tcp = True
live = core.LiveThread("live")
live.startCall()
live.registerStreamCall(ctx)
live.playStreamCall(ctx)
time.sleep(120)
"""


def shown_in(file: Path) -> list[Frame]:
    return re.findall(rf"^BriefInfoFrameFilter : live : {FRAME} dT=", file.read_text(), re.M)


def test_what_was_written_before_a_process_was_killed_is_there(folder: Folder, camera: Cameras) -> None:
    url = camera(*SIZE).url
    store = folder.store(n_blocks=64, blocksize=128 << 10)
    before: list[Frame] = []
    for turn in range(3):
        out = folder.path / f"out{turn}"
        arguments = [str(folder.path / name) for name in ("dumpfile", "blockfile")] + [url, str(SLOT), str(ID)]
        with out.open("wb") as file:
            process = spawn([sys.executable, "-c", WRITER, *arguments], stdout=file)
        shown = folder.poll(lambda: (found := shown_in(out))[120:] and found)  # noqa: B023

        def on_disk(store: Any = store, last: int = int(shown[-1][0])) -> bool:
            store.readTable()
            return int(table(store)[:, 1].max()) >= last

        # What comes is written by and by, while the process goes on.
        folder.poll(on_disk)
        process.kill()
        reap(process)
        frames = shown_in(out)
        store = folder.store(n_blocks=64, blocksize=128 << 10)
        found = folder.read(store)
        # All of the turns before, and all of this one that was on disk.
        assert found[: len(before)] == before
        mine = found[len(before) :]
        assert mine == frames[: len(mine)]
        assert len(mine) >= len(shown), (mine[-1], shown[-1])
        before = found
    # As the C++ libValkka would: writing goes on where the table says, and what is there stays.
    store.setCurrentBlock(in_order(store)[-1])
    recording = Recording(folder, store, url, name="after")
    recording.frames(20)
    written = recording.end()
    assert folder.read(store) == before + written
