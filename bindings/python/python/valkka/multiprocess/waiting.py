"""Waiting for file descriptors."""

import errno
import os
import select
from collections.abc import Iterable
from typing import Any, Optional

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
WRITABLE = select.POLLOUT | select.POLLERR
EXCEPTIONAL = select.POLLPRI


def safe_select(
    l1: Iterable[Any], l2: Iterable[Any], l3: Iterable[Any], timeout: Optional[float] = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """Waits until something of ``l1`` can be read, of ``l2`` written, or of ``l3`` is in an exceptional state.

    Works as :func:`select.select`, but returns three empty lists if a signal interrupts it, and takes file descriptors
    of any number. ``timeout`` is in seconds: None waits for as long as it takes, 0 only looks.
    """
    wanted = [(list(l1), select.POLLIN), (list(l2), select.POLLOUT), (list(l3), select.POLLPRI)]
    masks: dict[int, int] = {}
    for objects, mask in wanted:
        for obj in objects:
            fd = descriptor(obj)
            masks[fd] = masks.get(fd, 0) | mask
    poll = select.poll()
    for fd, mask in masks.items():
        poll.register(fd, mask)
    try:
        ready = dict(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))
    except InterruptedError:
        return [], [], []
    if any(events & select.POLLNVAL for events in ready.values()):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    answers = (READABLE, WRITABLE, EXCEPTIONAL)
    readable, writable, exceptional = (
        [obj for obj in objects if ready.get(descriptor(obj), 0) & answer]
        for (objects, _), answer in zip(wanted, answers)
    )
    return readable, writable, exceptional


def descriptor(obj: Any) -> int:
    """Returns the file descriptor that ``obj`` is or has."""
    return obj if isinstance(obj, int) else int(obj.fileno())


def read_some(fd: int, size: int, sentinel: Optional[int]) -> bytes:
    """Reads up to ``size`` bytes from ``fd`` as soon as there are any.

    EOFError if there are none and the process that ``sentinel`` stands for has ended. The end of the data alone does
    not tell that: what is forked off keeps pipes open that it knows nothing of.
    """
    readable = safe_select([fd] if sentinel is None else [fd, sentinel], [], [])[0]
    if sentinel in readable and not safe_select([fd], [], [], timeout=0)[0]:
        raise EOFError("the process at the other end has ended")
    return os.read(fd, size)


def write_all(fd: int, data: Any, chunk: int, sentinel: Optional[int]) -> None:
    """Writes ``data`` to ``fd``, at most ``chunk`` bytes at once: what ``fd`` surely takes when it can be written.

    BrokenPipeError if ``fd`` is full and the process that ``sentinel`` stands for has ended.
    """
    left = memoryview(data).cast("B")
    while left:
        ended, writable, _ = safe_select([] if sentinel is None else [sentinel], [fd], [])
        if ended and not writable:
            raise BrokenPipeError(errno.EPIPE, "the process at the other end has ended")
        if writable:
            left = left[os.write(fd, left[:chunk]) :]
