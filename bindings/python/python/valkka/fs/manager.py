"""Several recordings, played as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from valkka import core
from valkka.api2.tools import getLogger
from valkka.fs.base import ValkkaFS
from valkka.fs.callback import printing, weakly
from valkka.fs.group import NOTHING, FSGroup

__all__ = ["ValkkaFSManager"]

# How long those that can be played wait for those that are still being read.
PATIENCE_SECONDS = 3.0

# Reports come once a second, but not to the millisecond: this much of the interval must have passed.
PUNCTUALITY = 0.95


class ValkkaFSManager:
    """Records and plays several recordings, with an ``FSGroup`` for each. All are played by one clock.

    The threads run between ``start`` and ``close``. Times are milliseconds since 1970.

    The callbacks are called one after the other, once in ``state_interval`` seconds at most, and on each ``update``, by
    whichever thread has news: a callback must return soon, and may call everything here, ``close`` too. What it raises
    is printed.
    """

    #: After how many seconds the callbacks are called again, at the earliest.
    state_interval = 1

    fsgroups: list[FSGroup]

    def __init__(self, valkkafs_list: Iterable[ValkkaFS], name: str = "manager") -> None:
        self.name = name
        self.logger = getLogger(f"{type(self).__module__}.{type(self).__name__}")
        self.fsgroups = []
        self.fsgroup_by_valkkafs: dict[ValkkaFS, FSGroup] = {}
        #: What is in each recording: its first and last time, or None.
        self.timerange_by_valkkafs: dict[ValkkaFS, tuple[int, int] | None] = {}
        self.is_playing = False
        self.started = False

        # What was told last.
        self.timerange: tuple[int, int] | None = NOTHING
        self.current_timerange: tuple[int, int] = NOTHING
        self.currentmstime = 0

        self._time_cb: Callable[..., object] | None = None
        self._limits_cb: Callable[..., object] | None = None
        self._block_cb: Callable[..., object] | None = None
        self._closed = False
        # When playing was asked for.
        self._wanted_at = 0.0
        # When the callbacks may be called again.
        self._due = 0.0
        # Held while what is played and what is told changes; never while anybody is called back or waited for.
        self._lock = threading.RLock()

        for valkkafs in valkkafs_list:
            group = FSGroup(valkkafs)
            group._listener = weakly(self._onNews)
            self.fsgroups.append(group)
            self.fsgroup_by_valkkafs[valkkafs] = group
            self.timerange_by_valkkafs[valkkafs] = None

    def __str__(self) -> str:
        return f"<ValkkaFSManager {self.name}: {', '.join(str(group.valkkafs) for group in self.fsgroups)}>"

    def setLogLevel(self, level: int) -> None:
        """Sets how much is logged, as a level of Python's ``logging``."""
        getLogger(self.logger, level)

    # The threads

    def start(self) -> None:
        """Starts all threads. RuntimeError if they were stopped before: they run once."""
        for group in self.fsgroups:
            group.start()
        self.started = True
        self.update()

    def close(self) -> None:
        """Stops all threads, and waits until they have stopped. What came in before is recorded then."""
        self.requestClose()
        self.waitClose()

    def requestClose(self) -> None:
        """Asks all threads to stop; returns at once. No callback begins after that."""
        self._closed = True
        self.is_playing = False
        for group in self.fsgroups:
            group.requestStop()

    def waitClose(self) -> None:
        """Waits until all threads have stopped, after ``requestClose``."""
        for group in self.fsgroups:
            group.waitStop()
        self.started = False

    def __del__(self) -> None:
        # Unless it was not even made.
        if hasattr(self, "_lock"):
            self.close()

    # What is written and played

    def getInputFilter(self, valkkafs: ValkkaFS | None = None) -> core.FrameFilter:
        """Returns the filter that takes what is to be recorded in ``valkkafs``.

        AssertionError for None if there are several recordings, or for one that is none of them.
        """
        return self._group(valkkafs).getInputFilter()

    def iterateFsInput(self) -> Iterator[tuple[ValkkaFS, core.FrameFilter]]:
        """Yields each recording with the filter that takes what is to be recorded in it."""
        for group in self.fsgroups:
            yield group.valkkafs, group.getInputFilter()

    def map_(
        self,
        valkkafs: ValkkaFS | None = None,
        framefilter: core.FrameFilter | None = None,
        write_slot: int | None = None,
        read_slot: int | None = None,
        _id: int | None = None,
    ) -> None:
        """Has a stream recorded in ``valkkafs`` and played from it: see ``FSGroup.map_``."""
        group = self._group(valkkafs)
        group.map_(write_slot=write_slot, read_slot=read_slot, _id=_id, framefilter=framefilter)

    def unmap(self, valkkafs: ValkkaFS | None = None, _id: int | None = None) -> None:
        """Ends that. AssertionError for a stream that is not mapped."""
        assert _id is not None, "unmap: _id is missing"
        self._group(valkkafs).unmap(_id)

    def _group(self, valkkafs: ValkkaFS | None) -> FSGroup:
        if valkkafs is None:
            assert len(self.fsgroups) == 1, f"there are {len(self.fsgroups)} recordings: say which one by valkkafs"
            return self.fsgroups[0]
        assert valkkafs in self.fsgroup_by_valkkafs, f"{valkkafs} is none of the recordings of {self.name}"
        return self.fsgroup_by_valkkafs[valkkafs]

    # Playing

    def play(self) -> bool:
        """Plays on from where it stands, as soon as all recordings are read there; False if that is nowhere."""
        with self._lock:
            self.is_playing = any(group.currentmstime > 0 for group in self.fsgroups)
            self._wanted_at = time.monotonic()
        self._playReady()
        return self.is_playing

    def stop(self) -> None:
        """Stands still."""
        with self._lock:
            self.is_playing = False
            for group in self.fsgroups:
                group.stop()

    def seek(self, mstimestamp: int) -> bool:
        """Goes to a time and shows it, in all recordings that have it, and plays on from there if it plays; False, and
        nowhere, if none has it."""
        ms = int(mstimestamp)
        for group in self.fsgroups:
            # Not under the lock: it may wait for a file.
            group.readBlockTableIf()
        with self._lock:
            for group in self.fsgroups:
                # They begin together.
                group.stop()
            found = [group._goTo(ms, always=False) for group in self.fsgroups]
            self._wanted_at = time.monotonic()
        self._playReady()
        return any(found)

    def _playReady(self) -> None:
        """Plays what is to be played and can be: all at once, or else where the others are."""
        with self._lock:
            if not self.is_playing or self._closed:
                return
            waiting = [group for group in self.fsgroups if group.currentmstime > 0 and not group.playing]
            ready = [group for group in waiting if group.isReady()]
            now = max((group.position() for group in self.fsgroups if group.playing), default=0)
            late = time.monotonic() - self._wanted_at > PATIENCE_SECONDS
            for group in ready:
                if now > 0:
                    group.join(now)
                elif late or len(ready) == len(waiting):
                    group.play()

    # What is told

    def update(self) -> None:
        """Reads all tables again, and calls back."""
        with self._lock:
            # Once for all of them.
            self._due = time.monotonic() + self.state_interval
        for group in self.fsgroups:
            group.update()
        self._tell(always=True)

    def setTimeCallback(self, f: Callable[..., object] | None) -> None:
        """Has ``f(mstime=...)`` called with where it stands, 0 if nowhere."""
        self._time_cb = f

    def setTimeLimitsCallback(self, f: Callable[..., object] | None) -> None:
        """Has ``f(timerange=(first, last))`` called with the times between which it is in memory; (0, 0) if nothing
        is."""
        self._limits_cb = f

    def setBlockCallback(self, f: Callable[..., object] | None) -> None:
        """Has ``f(timerange=(first, last))`` called with the times between which there is something in the recordings;
        None if there is nothing."""
        self._block_cb = f

    def getTimeRange(self) -> tuple[int, int] | None:
        """Returns the times between which there is something in the recordings, as told last; (0, 0) before that, None
        if there is nothing."""
        return self.timerange

    getTimerange = getTimeRange

    def getTimeRangeByValkkaFS(self, fs: ValkkaFS) -> tuple[int, int] | None:
        """Returns the same of one recording; None if there is nothing in it. AssertionError if it is none of these."""
        assert fs in self.timerange_by_valkkafs, f"{fs} is none of the recordings of {self.name}"
        return self.timerange_by_valkkafs[fs]

    def getCurrentTime(self) -> int:
        """Returns where it stood when that was told last, 0 if nowhere."""
        return self.currentmstime

    def getCurrentTimerange(self) -> tuple[int, int]:
        """Returns the times between which it was in memory when that was told last, (0, 0) if nothing was."""
        return self.current_timerange

    def _onNews(self) -> None:
        """Called by the threads of the groups when something has changed, and once a second."""
        if not self._closed:
            self._playReady()
            self._tell()

    def _tell(self, always: bool = False) -> None:
        """Looks how things are and calls back, unless that was within the interval."""
        with self._lock:
            now = time.monotonic()
            if self._closed or (now < self._due and not always):
                return
            self._due = now + self.state_interval * PUNCTUALITY
            told = self._look()
        for cb, arguments in told:
            if cb is not None and not self._closed:
                with printing():
                    cb(**arguments)

    def _look(self) -> list[tuple[Callable[..., object] | None, dict[str, Any]]]:
        """Takes notice of how things are; returns who is to be told what."""
        self._catchUp()
        for group in self.fsgroups:
            self.timerange_by_valkkafs[group.valkkafs] = group.timerange
        self.timerange = union(group.timerange for group in self.fsgroups)
        self.current_timerange = union(group.current_timerange for group in self.fsgroups) or NOTHING
        self.currentmstime = max((group.currentmstime for group in self.fsgroups), default=0)
        if self.currentmstime == 0:
            # It has come to the end.
            self.is_playing = False
        return [
            (self._time_cb, {"mstime": self.currentmstime}),
            (self._limits_cb, {"timerange": self.current_timerange}),
            (self._block_cb, {"timerange": self.timerange}),
        ]

    def _catchUp(self) -> None:
        """Sends those that stand nowhere, or have stayed behind, to where the others are, if they have something there.
        They play when they are ready."""
        now = max((group.position() for group in self.fsgroups), default=0)
        for group in self.fsgroups:
            behind = now - group.currentmstime > group.timediff * 1000
            if behind and not group.playing and group.withinRange(now):
                group._goTo(now, always=False)


def union(ranges: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """Returns the first and the last time of all ranges that are any; None if none is."""
    found = [one for one in ranges if one is not None and one != NOTHING]
    return (min(first for first, _ in found), max(last for _, last in found)) if found else None
