"""Streams of cameras, in both directions."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import Buffered, CoreThread, fifo_context


class LiveThread(CoreThread, Buffered):
    """Receives any number of cameras, and sends and serves streams.

    ``rtsp_server`` is the port of an RTSP server; there is none with -1.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": (str, "live_thread"),
        **Buffered.parameter_defs,
        "affinity": (int, -1),
        "verbose": (bool, False),
        "rtsp_server": (int, -1),
    }

    rtsp_server: int

    def makeCore(self) -> core.LiveThread:
        """Returns a new thread of level 1, not started."""
        self.framefifo_ctx = fifo_context(self)
        thread = core.LiveThread(self.name, self.framefifo_ctx)
        if self.rtsp_server > -1:
            thread.setRTSPServer(self.rtsp_server)
        self.input_filter = thread.getFrameFilter()
        return thread

    def getInput(self) -> core.FrameFilter:
        """Returns the filter that takes what is to be sent."""
        return self.input_filter

    def registerStream(self, ctx: core.LiveConnectionContext) -> None:
        """Reserves the slot of a context."""
        self.core.registerStreamCall(ctx)

    def deregisterStream(self, ctx: core.LiveConnectionContext) -> None:
        """Ends a stream and frees its slot."""
        self.core.deregisterStreamCall(ctx)

    def playStream(self, ctx: core.LiveConnectionContext) -> None:
        """Connects to the camera of a registered context."""
        self.core.playStreamCall(ctx)

    def stopStream(self, ctx: core.LiveConnectionContext) -> None:
        """Ends a stream; it must be registered again to be played again."""
        self.core.stopStreamCall(ctx)
