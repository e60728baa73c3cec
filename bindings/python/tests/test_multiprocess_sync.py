"""Events that are shared with forked processes, and waiting for them."""

from __future__ import annotations

import contextlib
import gc
import os
from typing import Any

import pytest

from valkka.multiprocess import EventGroup, MessageObject, MessageProcess, NotEnoughEvents, SyncIndex


class Setter(MessageProcess):
    """Sets events and says so."""

    timeout = 0.2

    def __init__(self, group: EventGroup) -> None:
        super().__init__("setter")
        self.group = group

    def ask(self, i: int) -> None:
        self.sendMessageToBack(MessageObject("ask", i=i))

    def c__ask(self, i: int = 0) -> None:
        self.send_out__(i)
        self.group.set(i)


class PipeEvent:
    """An event that is waited for by its file descriptor."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        os.set_blocking(self.reads, False)

    def getFd(self) -> int:
        return self.reads

    def set(self) -> None:
        os.write(self.writes, b"x")

    def clear(self) -> None:
        os.read(self.reads, 100)

    def __del__(self) -> None:
        os.close(self.reads)
        os.close(self.writes)


def core_event_fd() -> Any:
    core = pytest.importorskip("valkka.core")
    return core.EventFd()


KINDS = {"default": None, "pipe": PipeEvent, "EventFd": core_event_fd}


def group_of(n: int, kind: str) -> EventGroup:
    event_class = KINDS[kind]
    return EventGroup(n) if event_class is None else EventGroup(n, event_class)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_becomes_a_call_that_waits(kind: str) -> None:
    group = group_of(3, kind)
    setter = Setter(group)
    setter.start()
    used = []
    for _ in range(10):
        with SyncIndex(group) as i:
            used.append(i)
            setter.ask(i)
        assert setter.getPipe().poll(0), "what was sent before the event is there"
        assert setter.getPipe().recv() == i
        assert str(group) == "fff"
    assert set(used) == {0, 1, 2}
    setter.stop()


def test_reserving_and_releasing() -> None:
    group = EventGroup(2)
    assert (len(group), group.index, str(group)) == (2, [0, 1], "ff")
    i, event = group.reserve()
    assert (i, group.asIndex(event), group.fromIndex(i)) == (0, 0, event)
    assert not event.is_set()
    assert str(group) == "Rf"
    group.reserve()
    with pytest.raises(NotEnoughEvents):
        group.reserve()
    group.release(event)
    group.release(event)
    group.release_ind(1)
    assert group.index == [0, 1]
    with pytest.raises(ValueError, match="not of this group"):
        group.release(object())
    with pytest.raises(ValueError, match="no event 2 among 2"):
        group.release_ind(2)


def test_an_event_that_nobody_sets() -> None:
    group = EventGroup(2)
    with pytest.raises(TimeoutError, match="event 0 was not set within"), SyncIndex(group, timeout=0.05):
        pass
    assert str(group) == "Rf", "somebody may still set it"


def test_an_exception_before_the_message_was_sent(capfd: pytest.CaptureFixture[str]) -> None:
    group = EventGroup(2)
    with pytest.raises(RuntimeError, match="before"), SyncIndex(group, timeout=0.05):
        raise RuntimeError("before")
    with pytest.raises(RuntimeError, match="after"), SyncIndex(group) as i:
        group.set(i)
        raise RuntimeError("after")
    assert str(group) == "Rf"
    assert "RuntimeError: after" in capfd.readouterr().err


def test_event_fds_are_closed_when_collected() -> None:
    # What other tests have left in cycles is not to go meanwhile.
    gc.collect()
    before = event_fds()
    group = EventGroup(50, core_event_fd)
    assert event_fds() == before + 50
    del group
    gc.collect()
    assert event_fds() == before


def event_fds() -> int:
    """How many eventfds this process has open."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        # That of the listing itself is gone by now.
        with contextlib.suppress(FileNotFoundError):
            count += "eventfd" in os.readlink(f"/proc/self/fd/{descriptor}")
    return count
