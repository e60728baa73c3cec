"""Shared memory with level 1: rings, filters and events, within a process and between processes."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy
import pytest

from conftest import Cameras, Poll
from valkka import core

fork = multiprocessing.get_context("fork")
_numbers = count()

WIDTH, HEIGHT = 480, 270
# How long a pull waits for what is sure to come.
PATIENCE_MS = 60_000


@pytest.fixture
def name() -> str:
    return f"test_shmem_{os.getpid()}_{next(_numbers)}"


def sockets() -> Path:
    return Path(f"/dev/shm/valkka-{os.geteuid()}")


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    return numpy.full((height, width, 3), number % 256, numpy.uint8)


@contextlib.contextmanager
def child(target: Any, *arguments: Any) -> Iterator[Any]:
    """Runs `target(pipe, *arguments)` in a process that is forked off; yields this process's end of the pipe."""
    pipes: Any = fork.Pipe()
    here, there = pipes
    process = fork.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    here.process = process
    yield here
    process.kill()
    process.join(60)


def answer(pipe: Any) -> Any:
    assert pipe.poll(60), "no answer"
    return pipe.recv()


# Within a process.


def test_arrays_show_the_memory_and_cannot_be_written(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 6, WIDTH, HEIGHT, 0, True)
    client = core.SharedMemRingBufferRGB(name, 6, WIDTH, HEIGHT, PATIENCE_MS, False)
    arrays = client.getBufferListPy()
    assert len(arrays) == 6
    for index, array in enumerate(arrays):
        assert array.shape == (WIDTH * HEIGHT * 3,) and array.dtype == numpy.uint8
        assert not array.flags.writeable and not array.flags.owndata
        assert core.getNumpyShmem(client, index).ctypes.data == array.ctypes.data
    with pytest.raises(ValueError):
        arrays[0][0] = 1
    for missing in (6, -1):
        with pytest.raises(IndexError):
            core.getNumpyShmem(client, missing)
    for number in range(20):
        assert server.serverPushPyRGB(picture(number), 3, 1_700_000_000_000 + number)
        index, size, width, height, slot, stamp = client.clientPullPy()
        assert (size, width, height, slot) == (WIDTH * HEIGHT * 3, WIDTH, HEIGHT, 3)
        assert stamp == 1_700_000_000_000 + number
        assert (arrays[index][:size].reshape((height, width, 3)) == number).all()
    assert len(server.getBufferListPy()) == 6


def test_opencv_takes_the_arrays(name: str) -> None:
    cv2 = pytest.importorskip("cv2")
    server = core.SharedMemRingBufferRGB(name, 3, 40, 30, 0, True)
    client = core.SharedMemRingBufferRGB(name, 3, 40, 30, PATIENCE_MS, False)
    server.serverPushPyRGB(picture(200, 40, 30), 1, 0)
    index, size, width, height, _, _ = client.clientPullPy()
    shown = client.getBufferListPy()[index][:size].reshape((height, width, 3))
    assert cv2.GaussianBlur(shown, (5, 5), 0).mean() == 200
    assert cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY).shape == (30, 40)


def test_arrays_outlive_everything(name: str) -> None:
    server = core.SharedMemRingBuffer(name, 4, 1000, 0, True)
    client = core.SharedMemRingBuffer(name, 4, 1000, PATIENCE_MS, False)
    index, size = core.new_intp(), core.new_intp()
    server.serverPushPy(numpy.full(1000, 7, numpy.uint8))
    assert client.clientPull(index, size)
    shown = core.getNumpyShmem(client, core.intp_value(index))[: core.intp_value(size)]
    others = client.getBufferListPy()
    del client
    gc.collect()
    for number in range(50):
        server.serverPushPy(numpy.full(1000, number, numpy.uint8))
    assert (shown == 7).all(), "what was pulled last stays as it is as long as an array shows it"
    del server
    gc.collect()
    assert (shown == 7).all()
    assert sum(int(array.sum()) for array in others) >= 7000


def test_what_is_pushed(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 4, 40, 30, 0, True)
    client = core.SharedMemRingBufferRGB(name, 4, 40, 30, PATIENCE_MS, False)
    whole = numpy.random.default_rng(1).integers(0, 256, (60, 80, 3), numpy.uint8)
    every_second = whole[::2, ::2]
    assert not every_second.flags.c_contiguous
    assert server.serverPushPyRGB(every_second, 1, 2)
    index, size, *_ = client.clientPullPy()
    assert (client.getBufferListPy()[index][:size].reshape(30, 40, 3) == every_second).all()
    wrongs: list[Any] = [whole, every_second.astype(numpy.float32), every_second[:, :, 0], every_second.tolist(), None]
    for wrong in wrongs:
        assert server.serverPushPyRGB(wrong, 1, 3) is False
    # The next one that comes is the next one that is right.
    assert server.serverPushPyRGB(every_second, 1, 4)
    assert client.clientPullPy()[5] == 4
    with pytest.raises(RuntimeError, match="not a server"):
        client.serverPushPyRGB(every_second, 1, 2)
    with pytest.raises(RuntimeError, match="not a client"):
        server.clientPullPy()


def test_every_way_to_pull(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 10, 40, 30, 0, True)
    client = core.SharedMemRingBufferRGB(name, 10, 40, 30, PATIENCE_MS, False)
    base = core.SharedMemRingBufferBase(name, 10, 40 * 30 * 3, PATIENCE_MS)
    index, size, meta = core.copy_intp(-5), core.new_intp(), core.RGB24Meta()
    assert (core.intp_value(index), meta.size) == (-5, 0)
    for number in range(4):
        server.serverPushPyRGB(picture(number, 40, 30), number, 1000 + number)
    assert client.clientPull(index, size)
    assert core.intp_value(size) == 3600
    assert client.clientPullFrame(index, meta)
    assert (meta.size, meta.width, meta.height, meta.slot, meta.mstimestamp) == (3600, 40, 30, 1, 1001)
    assert client.clientPullFrameThread(index, meta) and meta.slot == 2
    assert client.clientPullThread(index, meta) and meta.slot == 3
    impatient = core.SharedMemRingBufferRGB(name, 10, 40, 30, 100, False)
    while impatient.clientPull(index, size):
        pass
    assert impatient.clientPullPy() == (-1, 0, 0, 0, 0, 0)
    assert base.clientPull(index, meta) and meta.slot == 0
    assert base.clientPullThread(index, size) and core.intp_value(size) == 3600
    with pytest.raises(TypeError):
        base.clientPull(index, "meta")
    core.intp_assign(index, 7)
    core.delete_intp(index)
    box = core.FragMP4Meta()
    assert (box.name, box.is_first, box.size, box.slot, box.mstimestamp) == ("", False, 0, 0, 0)
    empty = core.FragMP4SharedMemRingBuffer(name + "nobody", 3, 100, 10)
    assert empty.clientPullPy() == (-1, 0, 0, 0, b"", False)


def test_the_age_of_a_frame(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 4, 40, 30, 0, True)
    client = core.SharedMemRingBufferRGB(name, 4, 40, 30, PATIENCE_MS, False)
    assert client.clientAge() is None
    before = time.monotonic()
    server.serverPushPyRGB(picture(1, 40, 30), 1, 1)
    client.clientPullPy()
    age, later = client.clientAge(), client.clientAge()
    assert age is not None and later is not None
    assert 0 < age < later < time.monotonic() - before
    with pytest.raises(RuntimeError, match="not a client"):
        server.clientAge()


def test_sizes_that_do_not_fit(name: str, poll: Poll) -> None:
    early = core.SharedMemRingBufferRGB(name, 4, 320, 240, PATIENCE_MS)
    server = core.SharedMemRingBufferRGB(name, 4, 480, 270, 0, True)

    def refused(kind: Any, *size: int) -> str:
        """What is said of a client, which a server that has to wait for a processor says nothing of."""
        try:
            kind(name, 4, *size)
        except ValueError as error:
            return str(error)
        return ""

    both = "480x270.*320x240"
    assert re.search(both, poll(lambda: refused(core.SharedMemRingBufferRGB, 320, 240)))
    with pytest.raises(ValueError, match=both):
        early.clientPullPy()
    assert re.search(r"480x270.*at most 1000 bytes", poll(lambda: refused(core.SharedMemRingBuffer, 1000)))
    for cells, number in ((0, 10), (-1, 10), (10, 0), (10, 1 << 40)):
        with pytest.raises(ValueError, match="cannot be"):
            core.SharedMemRingBuffer(name, cells, number)
    del server


@pytest.mark.parametrize("make", [core.RGBShmemFrameFilter, core.SharedMemRingBufferRGB])
def test_sizes_that_cannot_be(name: str, make: Any) -> None:
    for arguments, said in [
        ((-1, WIDTH, HEIGHT), "the number of cells cannot be -1"),
        ((0, WIDTH, HEIGHT), "the number of cells cannot be 0"),
        ((4, -WIDTH, HEIGHT), "the width of a picture cannot be -480"),
        ((4, WIDTH, 1 << 40), "the height of a picture cannot be 1099511627776"),
        ((4, WIDTH, 20_000), "the height of a picture cannot be 20000: it must lie between 1 and 16384"),
    ]:
        with pytest.raises(ValueError, match=said):
            make(name, *arguments)


def test_a_client_that_is_too_slow_is_told(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    server = core.SharedMemRingBufferRGB(name, 4, WIDTH, HEIGHT, 0, True)
    client = core.SharedMemRingBufferRGB(name, 4, WIDTH, HEIGHT, PATIENCE_MS)
    for number in range(4):
        server.serverPushPyRGB(picture(number), 1, number)
        assert client.clientPullPy()[5] == number
    assert capfd.readouterr().out == ""
    for number in range(100):
        server.serverPushPyRGB(picture(number), 1, number)
    first = client.clientPullPy()[5]
    assert first > 0
    said = capfd.readouterr().out
    assert said == f"RingBuffer {name} ServerPush: OVERFLOW (this client was too slow for {first} frames)\n"


def test_a_client_of_bytes_reads_pictures(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, 0, True)
    client = core.SharedMemRingBuffer(name, 10, 30 << 20, PATIENCE_MS, False)
    index, size = core.new_intp(), core.new_intp()
    for number in range(25):
        server.serverPushPyRGB(picture(number), 1, number)
        assert client.clientPull(index, size)
        array = core.getNumpyShmem(client, core.intp_value(index))
        assert len(array) == 30 << 20
        assert (array[: core.intp_value(size)] == number).all()
        assert array[-1] == 0


def test_other_threads_run_while_one_waits(name: str) -> None:
    client = core.SharedMemRingBuffer(name, 4, 100, PATIENCE_MS, False)
    index, size = core.new_intp(), core.new_intp()
    waiting = threading.Thread(target=client.clientPull, args=(index, size))
    waiting.start()
    server = core.SharedMemRingBuffer(name, 4, 100, 0, True)
    assert server.serverPushPy(numpy.arange(50, dtype=numpy.uint8))
    waiting.join(60)
    assert core.intp_value(size) == 50


# Events.


def readable(event: Any, seconds: float = 0) -> bool:
    return bool(select.select([event.getFd()], [], [], seconds)[0])


def test_an_event_is_set_and_cleared() -> None:
    event = core.EventFd()
    event.clear()
    assert not readable(event)
    event.set()
    event.set()
    assert readable(event)
    event.clear()
    event.clear()
    assert not readable(event)
    assert "EventFd" in str(event) and len({event, event}) == 1


def test_an_event_says_whether_there_are_frames(name: str, poll: Poll) -> None:
    mine, theirs = core.EventFd(), core.EventFd()
    server = core.SharedMemRingBuffer(name, 4, 100, 0, True)
    server.serverUseFd(theirs)
    client = core.SharedMemRingBuffer(name, 4, 100, PATIENCE_MS, False)
    client.clientUseFd(mine)
    index, size = core.new_intp(), core.new_intp()

    def heard() -> bool:
        server.serverPushPy(numpy.zeros(10, numpy.uint8))
        return readable(mine) or not client.clientPull(index, size)

    # A client that was not answered in time is heard when it pulls.
    poll(heard)
    while readable(mine):
        assert client.clientPull(index, size)
    for _ in range(3):
        server.serverPushPy(numpy.zeros(10, numpy.uint8))
    for _ in range(3):
        assert readable(mine)
        assert client.clientPull(index, size)
    assert not readable(mine)
    assert readable(theirs)


def reads_by_select(pipe: Any, event: Any, name: str, wanted: int) -> None:
    client = core.SharedMemRingBufferRGB(name, 10, 40, 30, 1000)
    client.clientUseFd(event)
    arrays = client.getBufferListPy()
    pipe.send("ready")
    seen: list[int] = []
    while len(seen) < wanted:
        if not readable(event, 60):
            break
        index, size, *_, stamp = client.clientPullPy()
        if index >= 0:
            assert (arrays[index][:size] == stamp % 256).all()
            seen.append(stamp)
    pipe.send(seen)


def test_an_event_that_was_made_before_the_fork(name: str, poll: Poll) -> None:
    event = core.EventFd()
    with child(reads_by_select, event, name, 100) as pipe:
        # The server comes after its client, as in programs that fork first.
        assert answer(pipe) == "ready"
        server = core.SharedMemRingBufferRGB(name, 10, 40, 30, 0, True)
        server.serverUseFd(event)
        for number in range(100):
            # The child is in time if the event is not set for long. After the last frame nobody clears it: the server
            # may set it when the child has seen the frame already.
            poll(lambda: not readable(event))
            assert server.serverPushPyRGB(picture(number, 40, 30), 1, number)
        assert answer(pipe) == list(range(100))


# Between processes.


def reads(pipe: Any, name: str, stop_at: int) -> None:
    client = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, PATIENCE_MS)
    arrays = client.getBufferListPy()
    pipe.send("ready")
    stamp = -1
    while stamp < stop_at:
        index, size, _, _, _, stamp = client.clientPullPy()
        assert index >= 0
        shown = arrays[index][:size]
        assert (shown == stamp % 256).all(), "torn"
        pipe.send(stamp)


def test_readers_in_other_processes(name: str, poll: Poll) -> None:
    """Forked off with threads running, and each sees every frame, whatever happens to the others."""
    server = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, 0, True)
    last = 60
    with contextlib.ExitStack() as stack:
        pipes = [stack.enter_context(child(reads, name, last)) for _ in range(3)]
        assert [answer(pipe) for pipe in pipes] == ["ready"] * 3
        for number in range(last + 1):
            if number == 20:
                os.kill(pipes[1].process.pid, signal.SIGSTOP)
                poll(lambda: ") T " in Path(f"/proc/{pipes[1].process.pid}/stat").read_text())
            if number == 40:
                pipes[2].process.kill()
            assert server.serverPushPyRGB(picture(number), 1, number)
            assert answer(pipes[0]) == number
            if number < 20:
                assert answer(pipes[1]) == number
        os.kill(pipes[1].process.pid, signal.SIGCONT)
        # Of what came meanwhile, the newest ten are still there.
        assert [answer(pipes[1]) for _ in range(10)] == list(range(last - 9, last + 1))


def writes(pipe: Any, name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, 0, True)
    # One that is forked off has all the file descriptors, and lives on.
    orphan = os.fork()
    if orphan == 0:
        time.sleep(60)
        os._exit(0)
    pipe.send(orphan)
    for number in count():
        server.serverPushPyRGB(picture(number), 1, number)
        time.sleep(0.002)


def test_a_killed_writer_and_its_successor(name: str, poll: Poll) -> None:
    client = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, 300)
    for _ in range(2):
        with child(writes, name) as pipe:
            orphan = answer(pipe)
            deadline = time.monotonic() + 60
            while client.clientPullPy()[0] < 0:
                assert time.monotonic() < deadline, "the writer was not found"
            # What it has written is read first; then nothing comes, though its child has its sockets.
            pipe.process.kill()
            while client.clientPullPy()[0] >= 0:
                assert time.monotonic() < deadline, "frames from nowhere"
            os.kill(orphan, signal.SIGKILL)

    def next_program_clears_away() -> bool:
        core.SharedMemRingBuffer(name + "x", 1, 1, 0, True)
        return not (sockets() / name).exists()

    poll(next_program_clears_away)


def uses_what_was_made_before(pipe: Any, server: Any, client: Any) -> None:
    for call in (lambda: server.serverPushPyRGB(picture(1), 1, 1), client.clientPullPy):
        try:
            pipe.send(call())
        except RuntimeError as error:
            pipe.send(str(error))
    pipe.send("".join(str(array.sum()) for array in client.getBufferListPy()[:1]))


def test_rings_belong_to_the_process_that_made_them(name: str) -> None:
    server = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, 0, True)
    client = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, PATIENCE_MS)
    server.serverPushPyRGB(picture(0), 1, 0)
    with child(uses_what_was_made_before, server, client) as pipe:
        for _ in range(2):
            assert "before this process was forked off" in answer(pipe)
        answer(pipe)
        pipe.process.join(60)
        assert pipe.process.exitcode == 0
    # Nothing of ours was taken down by that.
    assert (sockets() / name).exists()
    assert client.clientPullPy()[0] >= 0


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments], stdout=subprocess.PIPE, text=True, timeout=100
    )
    assert done.returncode == 0
    return done.stdout


def test_nothing_is_left_when_a_program_ends(name: str) -> None:
    said = run(
        """
        import sys
        from pathlib import Path
        from valkka.core import *
        ring = SharedMemRingBuffer(sys.argv[1], 10, 1000, 0, True)
        filters = [RGBShmemFrameFilter(sys.argv[1] + "rgb", 10, 480, 270), ShmemFrameFilter(sys.argv[1] + "raw", 1, 9)]
        filters.append(filters)
        print(len(list(Path(f"/dev/shm/valkka-{os.geteuid()}").glob(sys.argv[1] + "*"))))
        """,
        name,
    )
    assert said.split() == ["3"]
    assert not list(sockets().glob(name + "*"))


def test_ctrl_c_ends_a_pull_that_waits_for_ever(name: str, poll: Poll) -> None:
    script = """if True:
        import sys
        from valkka.core import *
        client = SharedMemRingBufferRGB(sys.argv[1], 10, 40, 30)
        print("pulling", flush=True)
        client.clientPullPy()"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, name], stdout=pipe, stderr=pipe, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "pulling\n"
        poll(lambda: ") S " in Path(f"/proc/{program.pid}/stat").read_text())
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=60)
    assert "KeyboardInterrupt" in said and program.returncode != 0


# With the filters.


def gets_pictures(pipe: Any, name: str) -> None:
    client = core.SharedMemRingBufferRGB(name, 10, WIDTH, HEIGHT, PATIENCE_MS)
    arrays = client.getBufferListPy()
    for _ in range(5):
        index, size, width, height, slot, stamp = client.clientPullPy()
        shown = arrays[index][:size].reshape((height, width, 3))
        pipe.send((shown.shape, slot, stamp, float(shown.std())))


def test_pictures_of_a_camera(name: str, camera: Cameras) -> None:
    """Two readers of one decoder: one scaled straight into the memory, one over a copy, and one who reads bytes."""
    shmem = core.RGBShmemFrameFilter(name, 10, WIDTH, HEIGHT)
    copied = core.RGBShmemFrameFilter(name=name + "copied", n_cells=10, width=WIDTH, height=HEIGHT, mstimeout=0)
    event = core.EventFd()
    shmem.useFd(event)
    passing = core.SlotFrameFilter("slot", 77, copied)
    scalers = [core.SwScaleFrameFilter(f"scale{index}", WIDTH, HEIGHT, to) for index, to in enumerate((shmem, passing))]
    pictures = core.ForkFrameFilter("pictures", *scalers)
    avthread = core.AVThread("avthread", pictures)
    units = core.ShmemFrameFilter(name + "units", 100, 1 << 20)
    packets = core.ForkFrameFilter("packets", avthread.getFrameFilter(), units)
    livethread = core.LiveThread("livethread")
    context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, camera().url, 3, packets)
    with child(gets_pictures, name) as pipe, child(gets_pictures, name + "copied") as other:
        avthread.startCall()
        livethread.startCall()
        avthread.decodingOnCall()
        livethread.registerStreamCall(context)
        livethread.playStreamCall(context)
        for end, slot in ((pipe, 3), (other, 77)):
            for _ in range(5):
                shape, got, stamp, contrast = answer(end)
                assert shape == (HEIGHT, WIDTH, 3) and got == slot and contrast > 10
                assert abs(stamp - time.time() * 1000) < 60_000
        assert readable(event)
        client = core.SharedMemRingBuffer(name + "units", 10, 1 << 20, PATIENCE_MS)
        index, size = core.new_intp(), core.new_intp()
        kinds: set[int] = set()
        while not {5, 7, 8} <= kinds:
            assert client.clientPull(index, size)
            unit = core.getNumpyShmem(client, core.intp_value(index))[: core.intp_value(size)]
            assert unit[:4].tobytes() == b"\0\0\0\1"
            kinds.add(int(unit[4]) & 31)
        livethread.stopCall()
        avthread.stopCall()


def test_a_ring_is_its_newest_filters(name: str) -> None:
    first = core.FragMP4ShmemFrameFilter(name, 10, 1000)
    client = core.FragMP4SharedMemRingBuffer(name, 10, 1000, 100)
    second = core.FragMP4ShmemFrameFilter(name, 10, 1000)
    del first
    gc.collect()
    assert client.clientPullPy()[0] == -1
    assert (sockets() / name).exists()
    del second
    gc.collect()
    assert not (sockets() / name).exists()
