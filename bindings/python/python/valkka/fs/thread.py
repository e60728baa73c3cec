"""A thread that records."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import CoreThread
from valkka.fs.base import ValkkaFS

__all__ = ["ValkkaFSWriterThread"]


def is_valkkafs(value: object) -> bool:
    """Whether it is a recording."""
    return isinstance(value, ValkkaFS)


class ValkkaFSWriterThread(CoreThread):
    """Writes frames into the recording ``valkkafs``: those of the slots that ``core.setSlotIdCall(slot, id)`` names."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": (str, "writer_thread"),
        "valkkafs": is_valkkafs,
        "affinity": (int, -1),
        "verbose": (bool, False),
    }

    valkkafs: ValkkaFS

    def makeCore(self) -> core.ValkkaFSWriterThread:
        """Returns a new thread of level 1, not started."""
        thread = self.valkkafs.makeWriter(self.name)
        self.input_filter = thread.getFrameFilter()
        return thread

    def getInput(self) -> core.FrameFilter:
        """Returns the filter that takes what is to be written."""
        return self.input_filter
