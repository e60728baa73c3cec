"""FileCacheThread: its calls and callbacks. What it plays is tested where it is made, for only recordings feed it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from conftest import Poll, Printed
from valkka.core import AbstractFileThread, BriefInfoFrameFilter, FileCacheThread, FileStreamContext, Thread


def test_callbacks_come_from_its_thread(poll: Poll, capfd: pytest.CaptureFixture[str]) -> None:
    cache = FileCacheThread("cache")
    assert isinstance(cache, AbstractFileThread) and isinstance(cache, Thread)
    times: list[int] = []
    limits: list[Any] = []
    threads = set()

    def at(mstime: int) -> None:
        times.append(mstime)
        threads.add(threading.get_ident())
        # Calls from within.
        cache.seekStreamsCall(1_000_000_000_000, True)
        cache.clearCall()
        if len(times) == 1:
            raise ValueError("raised on purpose")

    cache.setPyCallback(at)
    cache.setPyCallback2(limits.append)
    cache.startCall()
    poll(lambda: len(times) >= 2 and len(limits) >= 2)
    cache.stopCall()
    count = len(times)
    assert set(times) == {0} and set(limits) == {None}
    assert threading.get_ident() not in threads
    cache.stopCall()
    assert len(times) == count
    assert "ValueError: raised on purpose" in capfd.readouterr().err


def test_streams_are_told_of_a_seek_and_wrong_calls_are_said(poll: Poll, printed: Printed) -> None:
    cache = FileCacheThread("cache")
    context = FileStreamContext(3, BriefInfoFrameFilter("out"))
    cache.registerStreamCall(context)
    cache.registerStreamCall(context)
    cache.registerStreamCall(FileStreamContext(1000, BriefInfoFrameFilter("out")))
    cache.deregisterStreamCall(FileStreamContext())
    cache.playStreamsCall()
    cache.stopStreamsCall()
    cache.dumpCache()
    cache.seekStreamsCall(mstimestamp=5)
    cache.playStreamsCall()
    cache.stopStreamsCall()
    cache.clearCall()
    cache.startCall()
    states = [2, 4, 3, 2]
    poll(lambda: printed.text.count("stream_state=") >= len(states))
    cache.stopCall()
    found = [int(line.split("stream_state=")[1][0]) for line in printed.lines if "stream_state=" in line]
    assert found == states
    assert printed.text.count("slot=3 / stream_state") == len(states)
    for line in ("slot 3 is reserved", "slot 1000 is not from 0 to 255", "nothing at slot 0", "seek first"):
        assert line in printed.text
    # Nobody carries this out, and nothing hangs.
    cache.seekStreamsCall(7)


def test_it_may_be_forgotten_while_it_runs() -> None:
    for _ in range(3):
        cache = FileCacheThread("cache")
        cache.setPyCallback(print)
        cache.startCall()
        del cache
