"""Streams of cameras in the net."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads import LiveThread


class LiveStream:
    """Has a chain receive the stream at ``address``: an RTSP address, or else the name of an SDP file.

    ``time_correction`` is one of the ``core.TimeCorrectionType_`` numbers, ``recv_buffer_size`` in bytes,
    ``reordering_mstime`` in milliseconds; None and 0 leave it at what is usual.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "livethread": LiveThread,
        "address": str,
        "slot": int,
        "time_correction": None,
        "recv_buffer_size": (int, 0),
        "reordering_mstime": (int, 0),
    }

    livethread: LiveThread
    address: str
    slot: int
    msreconnect: int
    time_correction: Any
    recv_buffer_size: int
    reordering_mstime: int
    av_in_filter: core.FrameFilter
    ctx: Any

    def streamSink(self) -> core.FrameFilter:
        """Returns the filter that takes the stream."""
        return self.av_in_filter

    def createContext(self) -> None:
        """Registers the stream, and plays it."""
        self.ctx = live_context(self.address, self.slot, self.streamSink(), self.msreconnect)
        if self.time_correction is not None:
            self.ctx.time_correction = self.time_correction
        self.ctx.recv_buffer_size = self.recv_buffer_size
        self.ctx.reordering_time = self.reordering_mstime * 1000
        self.livethread.registerStream(self.ctx)
        self.livethread.playStream(self.ctx)

    def closeContext(self) -> None:
        """Ends the stream and frees its slot."""
        # Most programs close the thread first, which has ended all its streams.
        if self.livethread.active:
            self.livethread.stopStream(self.ctx)
            self.livethread.deregisterStream(self.ctx)


def live_context(
    address: str, slot: int, framefilter: core.FrameFilter, msreconnect: int
) -> core.LiveConnectionContext:
    """Returns a context of level 1 for the stream at ``address``."""
    ctx = core.LiveConnectionContext()
    is_rtsp = address.startswith(("rtsp://", "rtsps://"))
    ctx.connection_type = core.LiveConnectionType_rtsp if is_rtsp else core.LiveConnectionType_sdp
    ctx.address = address
    ctx.slot = slot
    ctx.framefilter = framefilter
    ctx.msreconnect = msreconnect
    return ctx
