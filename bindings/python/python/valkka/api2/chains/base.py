"""What all chains have in common: a decoder, a beginning and an end."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import Buffered, fifo_context
from valkka.api2.tools import parameterInitCheck


class Filterchain(Buffered):
    """The base class of chains.

    ``n_basic``, ``n_setup``, ``n_signal`` and ``flush_when_full`` are for the decoder's input, ``affinity`` is the CPU
    that it is bound to, or -1. ``msreconnect`` is after how many milliseconds without frames a live stream is connected
    to again; it never is with 0.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        **Buffered.parameter_defs,
        "affinity": (int, -1),
        "verbose": (bool, False),
        "msreconnect": (int, 0),
    }

    slot: int
    affinity: int
    verbose: bool
    msreconnect: int

    #: Which decoder is made, and with how many threads.
    vaapi = False
    n_threads = 1

    #: Whether it has begun, and has not ended; whether its end has begun.
    active = False
    ended = False

    avthread: Any = None
    av_in_filter: Any = None
    ctx: Any = None

    def __init__(self, **kwargs: Any) -> None:
        self.pre = type(self).__name__ + " : "
        parameterInitCheck(self.parameter_defs, kwargs, self)
        self.init()

    def init(self) -> None:
        """Makes all there is, when the parameters are known."""
        self.idst = str(id(self))
        self.makeChain()
        self.createContext()
        self.startThreads()
        self.active = True

    def makeChain(self) -> None:
        """Makes the filters and the decoder, from the end to the beginning."""
        raise NotImplementedError("makeChain")

    def createContext(self) -> None:
        """Begins the stream."""

    def closeContext(self) -> None:
        """Ends the stream."""

    def makeDecoder(self, outfilter: core.FrameFilter) -> None:
        """Makes a decoder whose pictures go to ``outfilter``."""
        self.framefifo_ctx = fifo_context(self)
        kind = core.VAAPIThread if self.vaapi else core.AVThread
        self.avthread = kind("avthread_" + self.idst, outfilter, self.framefifo_ctx)
        self.avthread.setAffinity(self.affinity)
        self.avthread.setNumberOfThreads(self.n_threads)
        self.av_in_filter = self.avthread.getFrameFilter()

    def startThreads(self) -> None:
        """Starts the decoder's thread; it decodes from ``decodingOn`` on."""
        self.avthread.startCall()

    def stopThreads(self) -> None:
        """Stops the decoder's thread and waits until it has stopped."""
        self.avthread.stopCall()

    def decodingOn(self) -> None:
        """Begins to decode."""
        self.avthread.decodingOnCall()

    def decodingOff(self) -> None:
        """Ends decoding; the stream goes on."""
        self.avthread.decodingOffCall()

    def close(self) -> None:
        """Ends the stream and the decoder, and waits until they have ended. Does nothing when they have."""
        if self.active:
            if self.verbose:
                print(self.pre, "closing")
            self.endStream()
            self.waitClose()

    def requestClose(self) -> None:
        """Begins to end the stream and the decoder; returns at once. ``waitClose`` or ``close`` comes after it."""
        if self.active:
            self.endStream()
            self.avthread.requestStopCall()

    def waitClose(self) -> None:
        """Waits for the end, after ``requestClose``."""
        if self.active:
            self.stopThreads()
            self.active = False

    def endStream(self) -> None:
        """Ends all that brings and takes frames, once."""
        if not self.ended:
            self.ended = True
            self.decodingOff()
            self.closeOutputs()
            self.closeContext()

    def closeOutputs(self) -> None:
        """Ends what takes pictures only as long as the chain lives."""

    def __del__(self) -> None:
        self.close()
