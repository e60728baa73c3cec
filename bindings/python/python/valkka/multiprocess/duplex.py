"""Messages in both directions through a pair of pipes, for the asynchronous backend."""

import io
import os
import pickle
import select
from typing import Any, Optional

from valkka.multiprocess.message import HEADER_BYTES, padding, payload_length, to8ByteMessage
from valkka.multiprocess.waiting import read_some, write_all


class Duplex:
    """One end of a connection: reads from the file descriptor ``read_fd``, writes to ``write_fd``, and owns both.

    Messages look as :func:`~valkka.multiprocess.message.to8ByteMessage` says. One thread may read while another
    writes, but not two at the same.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._reader = io.FileIO(read_fd, "rb")
        self._writer = io.FileIO(write_fd, "wb")
        self._sentinel: Optional[int] = None

    def watch(self, sentinel: Optional[int]) -> None:
        """Names the process at the other end, by the file descriptor that can be read once it has ended."""
        self._sentinel = sentinel

    def fileno(self) -> int:
        """The same as ``getReadFd``, so that ``select`` takes the object."""
        return self._reader.fileno()

    def getReadFd(self) -> int:
        """Returns the file descriptor that is read from."""
        return self._reader.fileno()

    def getWriteFd(self) -> int:
        """Returns the file descriptor that is written to."""
        return self._writer.fileno()

    def getReadIO(self) -> io.FileIO:
        """Returns the unbuffered file that is read from; it belongs to this object."""
        return self._reader

    def getWriteIO(self) -> io.FileIO:
        """Returns the unbuffered file that is written to; it belongs to this object."""
        return self._writer

    def recv(self) -> Any:
        """Waits for a message and returns its object.

        EOFError if the other end is closed, or its process has ended, before there is a whole message; ValueError if
        what comes is no message.
        """
        length = payload_length(self._read(HEADER_BYTES))
        payload = self._read(length)
        self._read(padding(HEADER_BYTES + length))
        return pickle.loads(payload)

    def send(self, obj: Any) -> None:
        """Sends ``obj``, and waits for room if need be; BrokenPipeError if the other end is closed or has ended."""
        write_all(self._writer.fileno(), to8ByteMessage(obj), select.PIPE_BUF, self._sentinel)

    def close(self) -> None:
        """Closes both file descriptors."""
        self._reader.close()
        self._writer.close()

    def __del__(self) -> None:
        # What failed half-way in `__init__` has nothing to close.
        for file in (getattr(self, "_reader", None), getattr(self, "_writer", None)):
            if file is not None:
                file.close()

    def _read(self, size: int) -> bytes:
        """Reads exactly ``size`` bytes."""
        data = bytearray()
        while len(data) < size:
            some = read_some(self._reader.fileno(), size - len(data), self._sentinel)
            if not some:
                raise EOFError("the other end is closed")
            data += some
        return bytes(data)


def getPipes(block_A: bool = False, block_B: bool = False) -> tuple[Duplex, Duplex]:
    """Returns two connected ends, A and B; the file descriptors of each are made blocking or not as told."""
    a_reads, b_writes = os.pipe()
    b_reads, a_writes = os.pipe()
    for fd in (a_reads, a_writes):
        os.set_blocking(fd, block_A)
    for fd in (b_reads, b_writes):
        os.set_blocking(fd, block_B)
    return Duplex(a_reads, a_writes), Duplex(b_reads, b_writes)
