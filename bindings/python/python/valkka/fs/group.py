"""Recording into one ``ValkkaFS`` and playing from it, at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Callable

from valkka import core
from valkka.api2.tools import getLogger
from valkka.fs import selection
from valkka.fs.base import ValkkaFS, number
from valkka.fs.callback import printing, weakly

__all__ = ["FSGroup", "SlotMapping"]

# What is there when nothing is cached.
NOTHING = (0, 0)

LAST_SLOT = 255
LAST_ID = (1 << 64) - 1


class SlotMapping:
    """How a stream comes into a recording, and where it goes when it is played: see ``FSGroup.map_``."""

    def __init__(
        self,
        write_slot: int | None = None,
        read_slot: int | None = None,
        _id: int = 0,
        framefilter: core.FrameFilter | None = None,
    ) -> None:
        self.write_slot = write_slot
        self.read_slot = read_slot
        self._id = _id
        self.framefilter = framefilter
        # The stream's output, if it has one.
        self.ctx: core.FileStreamContext | None = None

    def __str__(self) -> str:
        return f"<SlotMapping: slot {self.write_slot} => id {self._id} => slot {self.read_slot}>"


class FSGroup:
    """The threads of one recording: ``writer`` writes it, ``reader`` reads it into ``cacher``, which plays it.

    They run between ``start`` and ``waitStop``. With ``write`` or ``play`` as False there are no such threads: a
    recording is written by one thread at a time, and what only plays need not be it.

    Times are milliseconds since 1970. ``timerange`` are the times between which there is something in the recording, or
    None; ``current_timerange`` those between which it is in memory, (0, 0) if nothing is; ``currentmstime`` where it
    stands, 0 if nowhere. Callbacks come from the threads, and must return soon; they may call everything here.

    512 MiB of a recording can be in memory, from the block before the time that is played. Blocks of up to 128 MiB are
    played whole; of larger ones, the end may be missing.
    """

    #: How many milliseconds of what is in memory should be around the time that is played.
    timetolerance = 2000
    #: How many seconds are read beyond it at least.
    timediff = 5

    def __init__(self, valkkafs: ValkkaFS, *, write: bool = True, play: bool = True) -> None:
        self.valkkafs = valkkafs
        self.logger = getLogger(f"{type(self).__module__}.{type(self).__name__}")
        self.started = False
        self.playing = False
        self.currentmstime = 0
        self.slot_mapping_by_id: dict[int, SlotMapping] = {}
        self.current_blocks: list[int] = []
        self.timerange: tuple[int, int] | None = None
        self.current_timerange: tuple[int, int] = NOTHING

        self._block_cb: Callable[[FSGroup], object] | None = None
        self._time_cb: Callable[[FSGroup, int], object] | None = None
        self._limits_cb: Callable[[FSGroup, tuple[int, int]], object] | None = None
        # Called after each of the others, and once a second.
        self._listener: Callable[[], object] | None = None

        # Held while what is below is changed; never while anybody is called that waits.
        self._lock = threading.RLock()
        # The blocks that were asked for, with their times: their numbers come again when the ring has gone round.
        self._asked: list[tuple[int, int, int]] = []
        # What is in memory indeed.
        self._limits: tuple[int, int] | None = None
        # Where it was sought, and when: reports from before may still be on their way.
        self._sought: tuple[int, float] | None = None
        # Where it was last, and when.
        self._seen = (0, 0.0)
        # The slots that are recorded; why nothing can be.
        self._recorded: set[int] = set()
        self._refused: str | None = None
        # Why the table cannot be read.
        self._unread = ""

        name = valkkafs.getName()
        self.writer: Any = valkkafs.makeWriter(f"writer_{name}") if write else None
        self.cacher: Any = None
        self.reader: Any = None
        if play:
            self.cacher = core.FileCacheThread(f"cacher_{name}")
            self.cacher.setPyCallback(weakly(self._onTime))
            self.cacher.setPyCallback2(weakly(self._onLimits))
            self.reader = core.ValkkaFSReaderThread(f"reader_{name}", valkkafs.core, self.cacher.getFrameFilter())
        valkkafs.setBlockCallback(weakly(self._onBlock))

    def __str__(self) -> str:
        return f"<FSGroup of {self.valkkafs}>"

    def setLogLevel(self, level: int) -> None:
        """Sets how much is logged, as a level of Python's ``logging``."""
        getLogger(self.logger, level)

    # The threads

    def start(self) -> None:
        """Starts the threads. RuntimeError if they were stopped before: they run once.

        Where another program is recording, this one only plays; ``map_`` says so to whoever wants to record.
        """
        if self.started:
            return
        for thread in (self.cacher, self.reader):
            if thread is not None:
                thread.startCall()
        self.started = True
        if self.writer is not None:
            try:
                self.writer.startCall()
            except (RuntimeError, OSError) as error:
                self._refuse(str(error))

    def _refuse(self, reason: str) -> None:
        self._refused = reason
        if self._recorded:
            self.requestStop()
            self.waitStop()
            raise RuntimeError(f"{self.valkkafs} cannot be recorded: {reason}")
        self.logger.warning("%s: not recording: %s", self.valkkafs, reason)

    def requestStop(self) -> None:
        """Asks the threads to stop; returns at once."""
        for thread in self._threads():
            thread.requestStopCall()

    def waitStop(self) -> None:
        """Waits until the threads have stopped. What came in before is recorded then."""
        for thread in self._threads():
            thread.waitStopCall()
        self.started = False
        self.playing = False

    def _threads(self) -> list[Any]:
        return [thread for thread in (self.writer, self.reader, self.cacher) if thread is not None]

    # What is written and played

    def getInputFilter(self) -> core.FrameFilter:
        """Returns the filter that takes what is to be recorded. AssertionError if nothing is."""
        assert self.writer is not None, f"{self.valkkafs} is not recorded here"
        found: core.FrameFilter = self.writer.getFrameFilter()
        return found

    def map_(
        self,
        write_slot: int | None = None,
        read_slot: int | None = None,
        _id: int | None = None,
        framefilter: core.FrameFilter | None = None,
    ) -> None:
        """Has what comes with slot ``write_slot`` recorded as stream ``_id``, and what is recorded of it played into
        ``framefilter`` with slot ``read_slot``. Either may be left out.

        AssertionError for what is no slot from 1 to 255 or no id from 1 on, or is mapped already; RuntimeError if
        nothing can be recorded.
        """
        assert _id is not None, "map_: _id is missing"
        check_number("_id", _id, LAST_ID)
        assert _id not in self.slot_mapping_by_id, f"map_: stream {_id} is mapped already; unmap it first"
        for name, slot in (("write_slot", write_slot), ("read_slot", read_slot)):
            if slot is not None:
                check_number(name, slot, LAST_SLOT)
                for other in self.slot_mapping_by_id.values():
                    taken = slot == getattr(other, name)
                    assert not taken, f"map_: {name} {slot} is that of stream {other._id}; unmap that first"
        assert read_slot is None or self.cacher is not None, f"{self.valkkafs} is not played here"
        mapping = SlotMapping(write_slot, read_slot, _id, framefilter)
        if write_slot is not None:
            self.record(write_slot, _id)
        if read_slot is not None:
            if framefilter is None:
                self.logger.warning("%s: nobody takes what is played of stream %s", self.valkkafs, _id)
            else:
                mapping.ctx = core.FileStreamContext(read_slot, framefilter)
                self.cacher.registerStreamCall(mapping.ctx)
            self.read(read_slot, _id)
        self.slot_mapping_by_id[_id] = mapping

    def unmap(self, _id: int) -> None:
        """Ends that. AssertionError for a stream that is not mapped."""
        mapping = self.slot_mapping_by_id.pop(_id, None)
        assert mapping is not None, f"unmap: stream {_id} is not mapped"
        if mapping.write_slot is not None:
            self.recordNot(mapping.write_slot)
        if mapping.read_slot is not None:
            self.reader.unSetSlotIdCall(_id)
        if mapping.ctx is not None:
            self.cacher.deregisterStreamCall(mapping.ctx)

    def record(self, slot: int, _id: int) -> None:
        """Has what comes with a slot recorded as a stream. AssertionError, RuntimeError if nothing can be recorded."""
        assert self.writer is not None, f"{self.valkkafs} is not recorded here"
        if self._refused is not None:
            raise RuntimeError(f"{self.valkkafs} cannot be recorded: {self._refused}")
        self.writer.setSlotIdCall(slot, _id)
        self._recorded.add(slot)

    def recordNot(self, slot: int) -> None:
        """Ends that."""
        if self.writer is not None:
            self.writer.unSetSlotIdCall(slot)
        self._recorded.discard(slot)

    def read(self, slot: int, _id: int) -> None:
        """Has a stream read with a slot, also around where it stands. AssertionError if nothing is played."""
        assert self.reader is not None, f"{self.valkkafs} is not played here"
        self.reader.setSlotIdCall(slot, _id)
        with self._lock:
            self._asked = []
            if self.currentmstime > 0:
                self.request(self.currentmstime)

    # Playing

    def play(self) -> bool:
        """Plays on from where it stands; False if that is nowhere."""
        with self._lock:
            if self.currentmstime == 0 or self.cacher is None:
                return False
            self.playing = True
            self._seen = (self.currentmstime, time.monotonic())
            self.cacher.playStreamsCall()
            return True

    def stop(self) -> None:
        """Stands still. The threads go on: ``requestStop`` and ``waitStop`` end those."""
        with self._lock:
            if self.playing:
                self.playing = False
                self.cacher.stopStreamsCall()

    def seek(self, mstimestamp: int) -> bool:
        """Goes to a time, shows it, and plays on from there if it plays. False, and nowhere, if it is not recorded."""
        return self.goTo(mstimestamp, always=False)

    def goTo(self, mstimestamp: int, always: bool) -> bool:
        """Does the same; if ``always``, it reads around that time even where that is in memory."""
        # Not under a lock: it may wait for a file.
        self.readBlockTableIf()
        return self._goTo(int(mstimestamp), always)

    def _goTo(self, ms: int, always: bool) -> bool:
        """Does the same, by what is known of the recording."""
        if self.cacher is None or not self.withinRange(ms):
            self.clearTime()
            return False
        with self._lock:
            self.currentmstime = ms
            self._sought = self._seen = (ms, time.monotonic())
            self.cacher.seekStreamsCall(ms, False)
            if self.playing:
                self.cacher.playStreamsCall()
            # Where nothing was asked for, nothing is in memory: a report of what was there before was still on its way.
            if always or not self._asked or not self.withinCached(ms, self.timetolerance):
                self.request(ms)
            return True

    def join(self, mstimestamp: int) -> None:
        """Plays from a time that is in memory, where others are already."""
        with self._lock:
            self.currentmstime = int(mstimestamp)
            self._sought = (self.currentmstime, time.monotonic())
            self.cacher.seekStreamsCall(self.currentmstime, False)
            self.play()
            self.reqBlocksIf(self.currentmstime)

    def clearTime(self) -> None:
        """Stands nowhere, and forgets what is in memory."""
        with self._lock:
            self.currentmstime = 0
            self.playing = False
            self._sought = None
            self._seen = (0, 0.0)
            self.current_blocks = []
            self._asked = []
            self._limits = None
            self.current_timerange = NOTHING
            if self.cacher is not None:
                self.cacher.clearCall()

    def hasFrames(self) -> bool:
        """Whether anything is in memory."""
        return self._limits is not None

    def isReady(self) -> bool:
        """Whether the time where it stands is in memory."""
        with self._lock:
            limits = self._limits
            return limits is not None and limits[0] <= self.currentmstime <= limits[1]

    def position(self) -> int:
        """Returns where it stands just now, 0 if nowhere."""
        with self._lock:
            ms, at = self._seen
            if self.currentmstime == 0 or ms == 0 or not self.playing:
                return self.currentmstime
            return ms + int((time.monotonic() - at) * 1000)

    def getCurrentTime(self) -> int:
        """Returns where it stood at the last report, 0 if nowhere."""
        return self.currentmstime

    # What is there

    def update(self) -> None:
        """Reads the table of the recording again, and calls back as if a block had been written."""
        self.valkkafs.update()

    def readBlockTable(self) -> None:
        """Reads the table of the recording again; from its file, if it is written elsewhere."""
        if self._isWrittenHere():
            self.valkkafs.getBlockTable()
        else:
            self.valkkafs.reload_()
        self.timerange = self.valkkafs.getTimeRange() or None

    def readBlockTableIf(self) -> None:
        """Reads the table of the recording where nobody tells what is new: if it is written elsewhere, or nothing is
        known to be in it. If that fails, it says so in the log, and goes by what is known."""
        if self.timerange is not None and self._isWrittenHere():
            return
        try:
            self.readBlockTable()
            self._unread = ""
        except (OSError, RuntimeError, ValueError) as error:
            if str(error) != self._unread:
                self.logger.warning("%s: %s", self.valkkafs, error)
            self._unread = str(error)

    def _isWrittenHere(self) -> bool:
        return self.writer is not None and self._refused is None

    def getTimerange(self) -> tuple[int, int] | None:
        """Returns the times between which there is something in the recording; None if there is nothing."""
        return self.timerange

    def getCurrentTimerange(self) -> tuple[int, int]:
        """Returns the times between which it is in memory, (0, 0) if nothing is."""
        return self.current_timerange

    def withinRange(self, mstimestamp: int) -> bool:
        """Whether a time is between the beginning and the end of the recording."""
        timerange = self.timerange
        return timerange is not None and timerange[0] <= mstimestamp <= timerange[1]

    def withinCached(self, mstimestamp: int, margin: int) -> bool:
        """Whether a time is in memory, with ``margin`` milliseconds on both sides of it."""
        first, last = self.current_timerange
        return first <= mstimestamp - margin and mstimestamp + margin <= last

    def blocksAround(self, mstimestamp: int) -> list[int]:
        """Returns the blocks that are needed to show a time and to play on from it."""
        table = self.valkkafs.blocktable.copy()
        return selection.around(table, mstimestamp, self.timetolerance, self.timediff * 1000)

    def reqBlocksIf(self, mstimestamp: int) -> bool:
        """Has the blocks around a time read unless they are in memory, or were asked for; whether it did."""
        with self._lock:
            if not self.withinRange(mstimestamp) or self.withinCached(mstimestamp, self.timetolerance):
                return False
            blocks = self.blocksAround(mstimestamp)
            if self._rows(blocks) == self._asked:
                return False
            self._pull(blocks)
            return True

    def request(self, mstimestamp: int) -> bool:
        """Has the blocks around a time read; False if there are none."""
        with self._lock:
            return self._pull(self.blocksAround(mstimestamp))

    def _pull(self, blocks: Sequence[int]) -> bool:
        self.current_blocks = list(blocks)
        self._asked = self._rows(blocks)
        if not self._asked or self.reader is None:
            return False
        # Until it is known better.
        self.current_timerange = (min(row[1] for row in self._asked), max(row[2] for row in self._asked))
        # Whoever drags a slider is shown where he is now, not where he was.
        self.reader._pullBlocksInsteadPyCall(self.current_blocks)
        return True

    def _rows(self, blocks: Sequence[int]) -> list[tuple[int, int, int]]:
        table = self.valkkafs.blocktable
        return [(block, int(table[block, 0]), int(table[block, 1])) for block in blocks]

    # Callbacks

    def setBlockCallback(self, cb: Callable[[FSGroup], object] | None) -> None:
        """Has ``cb(fsgroup)`` called when a block has been written."""
        self._block_cb = cb

    def setTimeCallback(self, cb: Callable[[FSGroup, int], object] | None) -> None:
        """Has ``cb(fsgroup, mstime)`` called once a second with where it stands, as long as that changes."""
        self._time_cb = cb

    def setTimeLimitsCallback(self, cb: Callable[[FSGroup, tuple[int, int]], object] | None) -> None:
        """Has ``cb(fsgroup, (first, last))`` called when something else is in memory."""
        self._limits_cb = cb

    def _onBlock(self) -> None:
        with printing():
            self.readBlockTable()
        self._tell(self._block_cb)

    def _onTime(self, mstime: int) -> None:
        """Called once a second by the cache's thread; with 0 if it stands nowhere."""
        # Not under the lock: it may wait for a file.
        self.readBlockTableIf()
        with self._lock:
            changed = self._moveTo(mstime)
            now = self.currentmstime
        if changed:
            self._tell(self._time_cb, now)
        else:
            self._tell(None)

    def _moveTo(self, mstime: int) -> bool:
        """Takes notice of where it is; whether that is somewhere else than before."""
        if mstime == 0 or self.currentmstime == 0 or self._isLate(mstime):
            return False
        if not self.withinRange(mstime):
            self.clearTime()
            return True
        self._seen = (mstime, time.monotonic())
        if mstime == self.currentmstime:
            return False
        self.reqBlocksIf(mstime)
        self.currentmstime = mstime
        return True

    def _isLate(self, mstime: int) -> bool:
        """Whether it is where it was before it was sent somewhere else."""
        if self._sought is None:
            return False
        ms, at = self._sought
        passed = time.monotonic() - at
        if passed < self.timediff and not ms - 1 <= mstime <= ms + self.timetolerance + passed * 1000:
            return True
        self._sought = None
        return False

    def _onLimits(self, limits: tuple[int, int] | None) -> None:
        """Called by the cache's thread when it has something else in memory."""
        with self._lock:
            self._limits = limits
            self.current_timerange = NOTHING if limits is None else limits
        self._tell(self._limits_cb, self.current_timerange)

    def _tell(self, cb: Callable[..., object] | None, *args: Any) -> None:
        if cb is not None:
            with printing():
                cb(self, *args)
        if self._listener is not None:
            with printing():
                self._listener()


def check_number(name: str, value: object, last: int) -> None:
    """AssertionError unless it is a whole number from 1 to ``last``."""
    found = number(value)
    assert found is not None and 1 <= found <= last, f"map_: {name} should be from 1 to {last}, not {value!r}"
