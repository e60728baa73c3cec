"""Playing files."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import Buffered, CoreThread, fifo_context


class FileThread(CoreThread, Buffered):
    """Plays Matroska files, each described by a ``core.FileContext``."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": (str, "file_thread"),
        **Buffered.parameter_defs,
        "affinity": (int, -1),
        "verbose": (bool, False),
    }

    def makeCore(self) -> core.FileThread:
        """Returns a new thread of level 1, not started."""
        self.framefifo_ctx = fifo_context(self)
        thread = core.FileThread(self.name, self.framefifo_ctx)
        self.input_filter = thread.getFrameFilter()
        return thread

    def getInput(self) -> core.FrameFilter:
        """Returns the thread's input filter. It is used for nothing."""
        return self.input_filter

    def openStream(self, ctx: core.FileContext) -> None:
        """Opens a file and waits until that has been done; ``ctx.status`` says how it went."""
        self.core.openFileStreamCall(ctx)

    def closeStream(self, ctx: core.FileContext) -> None:
        """Closes a file."""
        self.core.closeFileStreamCall(ctx)

    def seekStream(self, ctx: core.FileContext) -> None:
        """Goes to ``ctx.seektime_``, in milliseconds, and waits until that has been done."""
        self.core.seekFileStreamCall(ctx)

    def playStream(self, ctx: core.FileContext) -> None:
        """Plays a file from where it is."""
        self.core.playFileStreamCall(ctx)

    def stopStream(self, ctx: core.FileContext) -> None:
        """Pauses a file."""
        self.core.stopFileStreamCall(ctx)
