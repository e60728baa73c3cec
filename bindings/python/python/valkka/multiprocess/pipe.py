"""The connection between frontend and backend of a process."""

import os
import socket
from multiprocessing.connection import Connection
from typing import Any, Optional

from valkka.multiprocess.waiting import read_some, write_all

# A socket takes this much at once when it can be written at all.
CHUNK = 16384


class WatchedConnection(Connection):
    """A connection whose ``recv`` and ``send`` end when the process at the other end has ended.

    ``recv`` raises EOFError then, once all that was sent whole has been read, and ``send`` BrokenPipeError. An ordinary
    connection waits for ever if somebody else holds the other end open, as forked processes do.
    """

    _sentinel: Optional[int] = None

    def watch(self, sentinel: Optional[int]) -> None:
        """Names the process at the other end, by the file descriptor that can be read once it has ended."""
        self._sentinel = sentinel

    # These two are the places through which all bytes of a connection go.

    def _recv(self, size: int, *_: Any) -> Any:
        return super()._recv(size, self._read)  # type: ignore[misc]

    def _send(self, buf: Any, *_: Any) -> None:
        write_all(self.fileno(), buf, CHUNK, self._sentinel)

    def _read(self, fd: int, size: int) -> bytes:
        return read_some(fd, size, self._sentinel)


def watched_pipe() -> tuple[WatchedConnection, WatchedConnection]:
    """Returns the two ends of a pipe for both directions."""
    one, other = socket.socketpair()
    return WatchedConnection(one.detach()), WatchedConnection(other.detach())


def parent_ended(parent: int) -> bool:
    """Whether the process ``parent``, which has forked this one off, has ended."""
    return os.getppid() != parent
