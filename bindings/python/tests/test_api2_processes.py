"""Machine vision in processes of its own, as programs do it: events and processes first, then threads."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Cameras, Poll
from valkka import core
from valkka.api2 import LiveThread, OpenFilterchain, ShmemRGBClient
from valkka.multiprocess import EventGroup, MessageObject, MessageProcess, SyncIndex, safe_select

WIDTH, HEIGHT = 160, 90


class Analyser(MessageProcess):
    """Reads pictures between `activate` and `deactivate`, and sends what it saw."""

    timeout = 0.2

    def __init__(self, name: str, events: EventGroup, syncs: EventGroup) -> None:
        super().__init__(name)
        self.events = events
        self.syncs = syncs
        self.client: Any = None

    # Frontend

    def activate(self, name: str, event_index: int) -> None:
        with SyncIndex(self.syncs, timeout=60) as i:
            self.sendMessageToBack(MessageObject("activate", name=name, event_index=event_index, sync_index=i))

    def deactivate(self) -> None:
        with SyncIndex(self.syncs, timeout=60) as i:
            self.sendMessageToBack(MessageObject("deactivate", sync_index=i))

    # Backend

    def readPipes__(self, timeout: float) -> None:
        watched = [self.back_pipe] if self.client is None else [self.back_pipe, self.event]
        for found in safe_select(watched, [], [], timeout=timeout)[0]:
            if found is self.back_pipe:
                self.handleBackPipe__(self.back_pipe)
            elif self.client is not None:
                self.look()

    def look(self) -> None:
        index, meta = self.client.pullFrame()
        if index is not None:
            picture = self.client.shmem_list[index][0 : meta.size].reshape((meta.height, meta.width, 3))
            self.send_out__(MessageObject("seen", slot=meta.slot, spread=float(picture.std())))

    def c__activate(self, name: str, event_index: int, sync_index: int) -> None:
        event_fd = self.events.fromIndex(event_index)
        self.event = event_fd.getFd()
        self.client = ShmemRGBClient(name=name, n_ringbuffer=10, width=WIDTH, height=HEIGHT, mstimeout=1000)
        self.client.useEventFd(event_fd)
        self.syncs.set(sync_index)

    def c__deactivate(self, sync_index: int) -> None:
        self.client = None
        self.syncs.set(sync_index)


class Program:
    """Two cameras, each with a process."""

    def __init__(self, url: str, name: str) -> None:
        self.events = EventGroup(10, core.EventFd)
        self.syncs = EventGroup(10, core.EventFd)
        self.processes = [Analyser(f"analyser{i}", self.events, self.syncs) for i in (1, 2)]
        for process in self.processes:
            process.ignoreSIGINT()
            process.start()
        # From here on there are threads.
        self.live = LiveThread(name="live")
        self.chains = []
        for slot, process in enumerate(self.processes, 1):
            chain = OpenFilterchain(livethread=self.live, address=url, slot=slot)
            index, event_fd = self.events.reserve()
            shared = core.RGBShmemFrameFilter(f"{name}_{slot}", 10, WIDTH, HEIGHT)
            shared.useFd(event_fd)
            chain.connect("analysis", core.SwScaleFrameFilter("scale", WIDTH, HEIGHT, shared))
            process.activate(f"{name}_{slot}", index)
            chain.decodingOn()
            self.chains.append(chain)

    def sees(self, index: int) -> bool:
        """Whether a process sends what it sees, within some time."""
        pipe = self.processes[index].getPipe()
        if not safe_select([pipe], [], [], timeout=60)[0]:
            return False
        message = pipe.recv()
        return bool(message["slot"] == index + 1 and message["spread"] > 10)

    def close(self) -> None:
        self.live.close()
        for chain in self.chains:
            chain.close()
        for process in self.processes:
            process.stop()


@pytest.fixture
def program(camera: Cameras) -> Iterator[Program]:
    made = Program(camera().url, f"test_processes_{os.getpid()}")
    yield made
    made.close()


def test_pictures_are_seen_in_other_processes(program: Program) -> None:
    for _ in range(20):
        assert program.sees(0)
        assert program.sees(1)
    program.processes[0].deactivate()
    assert str(program.syncs) == "f" * 10


def test_a_killed_process_holds_nobody_up(program: Program) -> None:
    assert program.sees(0)
    assert program.sees(1)
    assert program.processes[0].pid is not None
    os.kill(program.processes[0].pid, signal.SIGKILL)
    for _ in range(20):
        assert program.sees(1)


def test_a_stopped_process_holds_nobody_up(program: Program) -> None:
    pid = program.processes[0].pid
    assert pid is not None
    assert program.sees(0)
    os.kill(pid, signal.SIGSTOP)
    for _ in range(20):
        assert program.sees(1)
    os.kill(pid, signal.SIGCONT)
    for _ in range(20):
        assert program.sees(0)


def test_nothing_is_left_behind(program: Program, poll: Poll) -> None:
    name = f"test_processes_{os.getpid()}"

    def left() -> list[str]:
        # What others leave there may go while it is looked at.
        found = [path for _, directories, files in os.walk("/dev/shm") for path in [*directories, *files]]
        return [path for path in found if name in path]

    assert program.sees(0)
    program.close()
    program.chains.clear()
    poll(lambda: not left())
