"""Recordings as programs had them before ``valkka.fs``, which is better, and on which these stand.

A recording holds many streams, and has one manager, which is made with its threads running.
"""

from __future__ import annotations

import time
from typing import Any, Callable, ClassVar, SupportsInt

import numpy
from numpy.typing import NDArray

from valkka import core
from valkka.fs import selection
from valkka.fs.group import FSGroup
from valkka.fs.multi import ValkkaMultiFS
from valkka.fs.thread import ValkkaFSWriterThread
from valkka.fs.tools import findBlockDevices

__all__ = ["ValkkaFS", "ValkkaFSManager", "ValkkaFSWriterThread", "findBlockDevices", "formatMstimestamp"]


def formatMstimestamp(mstimestamp: SupportsInt) -> str:
    """Returns ``minute:second``, in local time, of a time in milliseconds since 1970.

    OverflowError, OSError or ValueError if that is not in any year of the calendar.
    """
    at = time.localtime(int(mstimestamp) // 1000)
    return f"{at.tm_min}:{at.tm_sec}"


class ValkkaFS(ValkkaMultiFS):
    """A recording of any number of streams, whose methods also take a table of blocks."""

    def getTimeRange(self, blocktable: NDArray[Any] | None = None) -> tuple[int, int] | tuple[()]:
        """Returns the times of the first key frame and of the last frame; () if there is none."""
        return selection.time_range(self._table(blocktable)) or ()

    def getInd(self, times: tuple[int, int], blocktable: NDArray[Any] | None = None) -> list[int]:
        """Returns the numbers of the blocks that hold the times from the first to the second, in their order."""
        return selection.covering(self._table(blocktable), *times)

    def getIndNeigh(self, n: int = 1, time: int = 0, blocktable: NDArray[Any] | None = None) -> list[int]:
        """Returns the numbers of the blocks around a time, in the order of their times: ``n`` before it, one more from
        it on."""
        return selection.neighbours(self._table(blocktable), time, n)

    def _table(self, blocktable: NDArray[Any] | None) -> NDArray[Any]:
        copy: NDArray[Any] = numpy.array(self.blocktable if blocktable is None else blocktable)
        return copy


class ValkkaFSManager:
    """Records and plays one recording. Its threads run from the beginning until ``close``.

    With ``write`` as False nothing is recorded; with ``read`` or ``cache`` as False nothing is played. Callbacks come
    from the threads, and must return soon; they may call everything here.
    """

    timetolerance: ClassVar[int] = FSGroup.timetolerance
    timediff: ClassVar[int] = FSGroup.timediff

    active = False

    def __init__(self, valkkafs: ValkkaFS, write: bool = True, read: bool = True, cache: bool = True) -> None:
        self.valkkafs = valkkafs
        self.group = FSGroup(valkkafs, write=write, play=read and cache)
        # The stream that is played to each slot.
        self._played: dict[int, int] = {}
        self.group.start()
        self.active = True
        self.group.readBlockTable()

    # What is written and played

    def getInputFrameFilter(self) -> core.FrameFilter:
        """Returns the filter that takes what is to be recorded. AssertionError if nothing is."""
        return self.group.getInputFilter()

    getFrameFilter = getInputFrameFilter

    def setInput(self, _id: int, slot: int) -> None:
        """Has what comes with a slot recorded as a stream. RuntimeError if nothing can be recorded."""
        self.group.record(slot, _id)

    def clearInput(self, slot: int) -> None:
        """Ends that."""
        self.group.recordNot(slot)

    def setOutput(self, _id: int, slot: int, framefilter: core.FrameFilter) -> core.FileStreamContext:
        """Has a stream played into a filter with a slot; returns what ``clearOutput`` takes. AssertionError if nothing
        is played."""
        ctx = core.FileStreamContext(slot, framefilter)
        self.setOutput_(_id, slot)
        self.group.cacher.registerStreamCall(ctx)
        return ctx

    def setOutput_(self, _id: int, slot: int) -> None:
        """Has a stream read with a slot."""
        self.group.read(slot, _id)
        self._played[slot] = _id

    def clearOutput(self, ctx: core.FileStreamContext) -> None:
        """Ends what ``setOutput`` began."""
        self.group.cacher.deregisterStreamCall(ctx)
        _id = self._played.pop(ctx.slot, None)
        if _id is not None:
            self.group.reader.unSetSlotIdCall(_id)

    # Playing

    def play(self) -> bool:
        """Plays on from where it stands; False if that is nowhere."""
        return self.group.play()

    def stop(self) -> None:
        """Stands still."""
        self.group.stop()

    def seek(self, t: int) -> bool:
        """Goes to a time and reads the recording there; False if nothing was recorded then."""
        return self.group.goTo(t, always=True)

    def smartSeek(self, t: int) -> bool:
        """Does the same, and reads only if that time is not in memory."""
        return self.group.goTo(t, always=False)

    def reqBlocks(self, t: int) -> bool:
        """Has the recording read around a time; False if there is nothing."""
        return self.group.request(t)

    def clearTime(self) -> None:
        """Stands nowhere, and forgets what is in memory."""
        self.group.clearTime()

    # What is there

    def readBlockTable(self) -> None:
        """Reads the table of the recording again."""
        self.group.readBlockTable()

    def readBlockTableIf(self) -> None:
        """Reads the table of the recording where nobody tells what is new: see ``FSGroup.readBlockTableIf``."""
        self.group.readBlockTableIf()

    def getTimeRange(self) -> tuple[int, int] | tuple[()]:
        """Returns the times between which there is something in the recording; () if there is nothing."""
        return self.group.getTimerange() or ()

    def getCurrentTime(self) -> int:
        """Returns where it stood at the last report, 0 if nowhere."""
        return self.group.getCurrentTime()

    def timeOK(self, t: int) -> bool:
        """Whether a time is between the beginning and the end of the recording."""
        return self.group.withinRange(t)

    def currentTimeOK(self, t: int) -> bool:
        """Whether a time is in memory, with two seconds on both sides of it."""
        return self.group.withinCached(t, self.timetolerance)

    def hasFrames(self) -> bool:
        """Whether anything is in memory."""
        return self.group.hasFrames()

    # Callbacks

    def setTimeCallback(self, f: Callable[[int], object] | None) -> None:
        """Has ``f(mstime)`` called once a second with where it stands, as long as that changes."""
        self.group.setTimeCallback(None if f is None else lambda _, mstime: f(mstime))

    def setTimeLimitsCallback(self, f: Callable[[tuple[int, int]], object] | None) -> None:
        """Has ``f((first, last))`` called when something else is in memory; (0, 0) if nothing is."""
        self.group.setTimeLimitsCallback(None if f is None else lambda _, limits: f(limits))

    def setBlockCallback(self, f: Callable[[], object] | None) -> None:
        """Has ``f()`` called when a block has been written."""
        self.group.setBlockCallback(None if f is None else lambda _: f())

    # The end

    def close(self) -> None:
        """Stops the threads, and waits until they have stopped. Does nothing when they have."""
        self.requestClose()
        self.waitClose()

    def requestClose(self) -> None:
        """Asks the threads to stop; returns at once."""
        if self.active:
            self.group.requestStop()

    def waitClose(self) -> None:
        """Waits until the threads have stopped, after ``requestClose``."""
        if self.active:
            self.group.waitStop()
            self.active = False

    def __del__(self) -> None:
        self.close()
