"""Recordings of many streams each."""

from __future__ import annotations

from valkka import core
from valkka.fs.base import ValkkaFS

__all__ = ["ValkkaMultiFS"]


class ValkkaMultiFS(ValkkaFS):
    """A recording of any number of streams. The table has the time of the last key frame of each block."""

    def makeCore(self, device: str) -> core.ValkkaFS:
        """Returns the object of level 1 for a recording on ``device``."""
        return core.ValkkaFS(device, self.blockfile, self.blocksize, self.n_blocks, False)
