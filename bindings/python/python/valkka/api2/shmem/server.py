"""Writing bytes and pictures."""

import pickle
from typing import Any, ClassVar

import numpy

from valkka import core
from valkka.api2.shmem.base import Server


class ShmemServer(Server):
    """Writes bytes: frames of at most ``n_bytes`` bytes. What is longer is cut off."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": str,
        "n_ringbuffer": (int, 10),
        "n_bytes": int,
        "verbose": (bool, False),
    }

    n_bytes: int

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        return core.SharedMemRingBuffer(self.name, self.n_ringbuffer, self.n_bytes, 0, True)

    def pushArray(self, arr: Any) -> bool:
        """Writes a flat array of ``numpy.uint8``; returns False if it is not one."""
        return bool(self.core.serverPushPy(arr))

    def pushBytes(self, b: bytes) -> bool:
        """Writes bytes."""
        return self.pushArray(numpy.frombuffer(b, dtype=numpy.uint8))

    def pushObject(self, obj: Any) -> bool:
        """Writes an object for ``pullObject``; ValueError if its pickle does not fit."""
        data = pickle.dumps(obj)
        if len(data) > self.n_bytes:
            raise ValueError(f"{self.name}: the pickle has {len(data)} bytes, n_bytes is {self.n_bytes}")
        return self.pushBytes(data)


class ShmemRGBServer(Server):
    """Writes pictures of ``width`` × ``height``."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": str,
        "n_ringbuffer": (int, 10),
        "width": int,
        "height": int,
        "verbose": (bool, False),
    }

    width: int
    height: int

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        return core.SharedMemRingBufferRGB(self.name, self.n_ringbuffer, self.width, self.height, 0, True)

    def pushFrame(self, frame: Any, slot: int, mstimestamp: int) -> bool:
        """Writes an array of height × width × 3 ``numpy.uint8``; returns False if it is not one."""
        return bool(self.core.serverPushPyRGB(frame, slot, mstimestamp))
