"""Recordings of one stream each."""

from __future__ import annotations

from valkka import core
from valkka.fs.base import ValkkaFS

__all__ = ["ValkkaSingleFS"]


class ValkkaSingleFS(ValkkaFS):
    """A recording of one stream. The table has the time of the first key frame of each block."""

    def makeCore(self, device: str) -> core.ValkkaFS2:
        """Returns the object of level 1 for a recording on ``device``."""
        return core.ValkkaFS2(device, self.blockfile, self.blocksize, self.n_blocks, False)
