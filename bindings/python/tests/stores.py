"""Stores of ValkkaFS for the tests: cameras are written into them, and what comes out is told by its lines."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy

import valkka.core as core
from conftest import Poll, Printed, play

SLOT = 3
ID = 0x1_0000_0001
SIZE = ("--size", "320x240")
MEGA = 1 << 20
# How many pictures may wait for the thread that writes.
WAITING = 2000

FRAME = r"<BasicFrame: timestamp=(\d+) subsession_index=(\d+) slot=(\d+) / payload size=(\d+) / (.*?)>"

Frame = tuple[str, ...]


class Folder:
    """Stores in a folder of the test, and what comes out of them."""

    def __init__(self, path: Path, poll: Poll, printed: Printed) -> None:
        self.path = path
        self.poll = poll
        self.printed = printed
        self.pulls = 0

    def store(
        self, n_blocks: int = 8, blocksize: int = MEGA, init: bool = False, kind: type = core.ValkkaFS, name: str = ""
    ) -> Any:
        return kind(str(self.path / f"dumpfile{name}"), str(self.path / f"blockfile{name}"), blocksize, n_blocks, init)

    def shown(self, name: str) -> list[Frame]:
        """The frames that passed the BriefInfoFrameFilter of this name."""
        return self.printed.find(rf"^BriefInfoFrameFilter : {name} : {FRAME} dT=")

    def read(self, store: Any, blocks: Any = None, ids: tuple[int, ...] = (ID,)) -> list[Frame]:
        """The frames of blocks, of all in the order of their times unless they are named."""
        self.pulls += 1
        name = f"pull{self.pulls}"
        reader = core.ValkkaFSReaderThread("reader", store, core.BriefInfoFrameFilter(name))
        for slot, one in enumerate(ids, SLOT):
            reader.setSlotIdCall(slot, one)
        reader.startCall()
        reader.pullBlocksPyCall(in_order(store) if blocks is None else blocks)
        self.poll(lambda: self.printed.find(rf"^BriefInfoFrameFilter : {name} : <MarkerFrame: .* / TM_END >"))
        reader.stopCall()
        return self.shown(name)


class Recording:
    """A camera that is written into a store, and shown by the name `live`."""

    def __init__(
        self, folder: Folder, store: Any, url: str, slot: int = SLOT, one: int = ID, name: str = "live"
    ) -> None:
        self.folder = folder
        self.name = name
        # All of it is written, also if the thread that writes has to wait for a processor.
        context = core.FrameFifoContext()
        context.n_basic = WAITING
        self.writer = core.ValkkaFSWriterThread("writer", store, context)
        self.writer.setSlotIdCall(slot, one)
        self.writer.startCall()
        filters = core.ForkFrameFilter("fork", core.BriefInfoFrameFilter(name), self.writer.getFrameFilter())
        self.live = play(url, filters, slot)

    def frames(self, count: int) -> None:
        """Waits for so many more."""
        wanted = len(self.folder.shown(self.name)) + count
        self.folder.poll(lambda: len(self.folder.shown(self.name)) >= wanted, 60)

    def end(self) -> list[Frame]:
        """What was written."""
        self.live.stopCall()
        self.writer.stopCall()
        return self.folder.shown(self.name)


def table(store: Any) -> Any:
    array = numpy.full((store.get_n_blocks(), store.get_n_cols()), -1, dtype=numpy.int64)
    store.setArrayCall(array)
    return array


def in_order(store: Any) -> list[int]:
    """The numbers of the blocks that are in use, by the times of their last frames."""
    times = table(store)
    return [int(block) for block in numpy.argsort(times[:, 1], kind="stable") if times[block, 1] > 0]


def on_block(store: Any) -> list[tuple[bool, Any, int]]:
    """What the callback is called with, and in which thread."""
    calls: list[tuple[bool, Any, int]] = []
    store.setBlockCallback(lambda propagate, par: calls.append((propagate, par, threading.get_native_id())))
    return calls
