"""Reading bytes and pictures."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar, Union

from valkka import core
from valkka.api2.shmem.base import Client

Pulled = Union[tuple[int, int], tuple[None, None]]
PulledFrame = Union[tuple[int, "core.RGB24Meta"], tuple[None, None]]


class Pulling(Client):
    """The pull that bytes and pictures have in common."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.index_p = core.new_intp()
        self.isize_p = core.new_intp()

    def pull(self) -> Pulled:
        """Waits for a frame and returns ``(index, size)``: where it is in ``shmem_list`` and how many bytes it has.

        ``(None, None)`` when the time is over.
        """
        if not self.core.clientPull(self.index_p, self.isize_p):
            self.logger.debug("%spull: timeout", self.pre)
            return None, None
        return core.intp_value(self.index_p), core.intp_value(self.isize_p)


class ShmemClient(Pulling):
    """Reads bytes: frames of at most ``n_bytes`` bytes."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": str,
        "n_ringbuffer": (int, 10),
        "n_bytes": int,
        "mstimeout": (int, 0),
        "verbose": (bool, False),
    }

    n_bytes: int

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        return core.SharedMemRingBuffer(self.name, self.n_ringbuffer, self.n_bytes, self.mstimeout, False)

    def pullArray(self) -> Any:
        """Waits for a frame and returns an array that shows it, without a copy; None when the time is over."""
        index, size = self.pull()
        return None if index is None else self.shmem_list[index][0:size]

    def pullBytes(self) -> bytes | None:
        """Waits for a frame and returns a copy of its bytes; None when the time is over."""
        array = self.pullArray()
        return None if array is None else array.tobytes()

    def pullObject(self) -> Any:
        """Waits for a frame and returns the object of ``pushObject``; None when the time is over.

        Unpickling runs code: whoever may write into the ring, which is the same user only, is trusted.
        """
        data = self.pullBytes()
        return None if data is None else pickle.loads(data)


class ShmemRGBClient(Pulling):
    """Reads pictures of ``width`` × ``height``: red, green and blue bytes, row by row.

    ::

        index, meta = client.pullFrame()
        if index is not None:
            picture = client.shmem_list[index][0:meta.size].reshape((meta.height, meta.width, 3))
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": str,
        "n_ringbuffer": (int, 10),
        "width": int,
        "height": int,
        "mstimeout": (int, 0),
        "verbose": (bool, False),
    }

    width: int
    height: int

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        arguments = (self.name, self.n_ringbuffer, self.width, self.height, self.mstimeout, False)
        return core.SharedMemRingBufferRGB(*arguments)

    def pullFrame(self) -> PulledFrame:
        """Waits for a picture and returns ``(index, meta)``; ``(None, None)`` when the time is over.

        ``meta`` has ``size`` (bytes), ``width``, ``height``, ``slot`` and ``mstimestamp`` (milliseconds since 1970).
        """
        meta = core.RGB24Meta()
        return self._pulled(self.core.clientPullFrame(self.index_p, meta), meta)

    def pullFrameThread(self) -> PulledFrame:
        """The same as ``pullFrame``."""
        meta = core.RGB24Meta()
        return self._pulled(self.core.clientPullFrameThread(self.index_p, meta), meta)

    @staticmethod
    def metaToString(meta: core.RGB24Meta) -> str:
        """Returns ``meta`` as text."""
        return (
            f"width = {meta.width} / height = {meta.height} / slot = {meta.slot} / "
            f"mstimestamp = {meta.mstimestamp} / size = {meta.size}"
        )

    def _pulled(self, got: bool, meta: core.RGB24Meta) -> PulledFrame:
        if not got:
            self.logger.debug("%spullFrame: timeout", self.pre)
            return None, None
        return core.intp_value(self.index_p), meta
