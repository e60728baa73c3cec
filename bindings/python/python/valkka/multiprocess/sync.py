"""Waiting for another process until it has done something."""

import multiprocessing
import threading
import traceback
from types import TracebackType
from typing import Any, Callable, Optional

from valkka.multiprocess.waiting import safe_select

__all__ = ["EventGroup", "NotEnoughEvents", "SyncIndex"]

# How long the end of a `with SyncIndex(...)` that was left by an exception waits for the event.
EXCEPTION_SECONDS = 1.0


class NotEnoughEvents(BaseException):
    """All events of a group are reserved."""


class EventGroup:
    """A group of events that exist on both sides of a fork, where they are known by their index.

    Make it before the fork, reserve and release in the main process, set anywhere. ``event_class`` makes one event:
    a callable without arguments whose result has ``set`` and ``clear``, such as ``valkka.core.EventFd``.
    """

    def __init__(self, n: int = 10, event_class: Callable[[], Any] = multiprocessing.get_context("fork").Event) -> None:
        self.events = [event_class() for _ in range(n)]
        self.index = list(range(n))
        self.lock = threading.Lock()

    def set(self, i: int) -> None:
        """Sets event ``i``."""
        self.events[i].set()

    def reserve(self) -> tuple[int, Any]:
        """Reserves the first free event and returns its index and itself, not set; NotEnoughEvents if there is none."""
        with self.lock:
            if not self.index:
                raise NotEnoughEvents(f"all {len(self)} events are reserved")
            i = self.index.pop(0)
        event = self.events[i]
        # Some events can be cleared only when they are set.
        event.set()
        event.clear()
        return i, event

    def release(self, event: Any) -> None:
        """Makes ``event`` free again; ValueError if it is not of this group."""
        self.release_ind(self.asIndex(event))

    def release_ind(self, i: int) -> None:
        """Makes event ``i`` free again."""
        if not 0 <= i < len(self):
            raise ValueError(f"there is no event {i} among {len(self)}")
        with self.lock:
            if i not in self.index:
                self.index.append(i)

    def fromIndex(self, i: int) -> Any:
        """Returns event ``i``."""
        return self.events[i]

    def asIndex(self, event: Any) -> int:
        """Returns the index of ``event``; ValueError if it is not of this group."""
        for i, own in enumerate(self.events):
            if own is event:
                return i
        raise ValueError(f"{event} is not of this group")

    def __len__(self) -> int:
        return len(self.events)

    def __str__(self) -> str:
        with self.lock:
            free = set(self.index)
        return "".join("f" if i in free else "R" for i in range(len(self)))


class SyncIndex:
    """Turns a message into a call that waits: on leaving the block, it waits until the event has been set.

    ::

        with SyncIndex(event_group) as i:
            process.something(sync_index=i)     # whose backend ends with event_group.set(i)

    ``timeout``, in seconds, bounds the wait: TimeoutError when it is over, and the event stays reserved, since the
    other process may still set it. Without one the wait takes as long as it takes, also if that process has died.
    """

    def __init__(self, event_group: EventGroup, timeout: Optional[float] = None) -> None:
        self.event_group = event_group
        self.timeout = timeout

    def __enter__(self) -> int:
        self.i, self.event = self.event_group.reserve()
        return self.i

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if error is not None:
            traceback.print_exception(kind, error, trace)
            # Perhaps nobody was told of the event: this wait must end.
            bound = EXCEPTION_SECONDS if self.timeout is None else min(self.timeout, EXCEPTION_SECONDS)
            if wait_for(self.event, bound):
                self.event_group.release(self.event)
            return
        if not wait_for(self.event, self.timeout):
            raise TimeoutError(f"event {self.i} was not set within {self.timeout} s")
        self.event_group.release(self.event)


def wait_for(event: Any, timeout: Optional[float]) -> bool:
    """Waits until ``event`` is set, for up to ``timeout`` seconds; returns whether it is."""
    if hasattr(event, "wait"):
        return bool(event.wait(timeout))
    return bool(safe_select([event.getFd()], [], [], timeout=timeout)[0])
