"""Reading fragmented MP4."""

from dataclasses import dataclass
from typing import Any, ClassVar, Union

from valkka import core
from valkka.api2.shmem.base import Client


class BoxName(str):
    """The type of a box, such as ``"moof"``. It can be decoded as bytes can, for programs that take it for bytes."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Returns the name."""
        return str(self)


@dataclass
class BoxMeta:
    """What a box is: ``size`` in bytes, slot, milliseconds since 1970, type, and whether a key frame begins here."""

    size: int
    slot: int
    mstimestamp: int
    name: BoxName
    is_first: bool


class FragMP4ShmemClient(Client):
    """Reads fragmented MP4, box by box; none has more than ``n_size`` bytes."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": str,
        "n_ringbuffer": (int, 10),
        "n_size": (int, 1024 * 1024),
        "mstimeout": (int, 0),
        "verbose": (bool, False),
    }

    n_size: int

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        return core.FragMP4SharedMemRingBuffer(self.name, self.n_ringbuffer, self.n_size, self.mstimeout, False)

    def pullFrame(self) -> Union[tuple[int, BoxMeta], tuple[None, None]]:
        """Waits for a box and returns ``(index, meta)``; ``(None, None)`` when the time is over.

        ``meta`` has ``size``, ``slot``, ``mstimestamp``, ``name`` and ``is_first``, which is True for a ``moof`` that
        begins with a key frame.
        """
        index, size, slot, mstimestamp, name, is_first = self.core.clientPullPy()
        if index < 0:
            self.logger.debug("%spullFrame: timeout", self.pre)
            return None, None
        return index, BoxMeta(size, slot, mstimestamp, BoxName(name, "latin-1"), is_first)
