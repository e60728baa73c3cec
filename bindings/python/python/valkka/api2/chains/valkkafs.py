"""From a camera to a recording, and from a recording, to whatever is connected."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.live import LiveStream
from valkka.api2.valkkafs import ValkkaFSManager

# The branches of the stream that the chains themselves have.
DECODER = "decoder"
RECORDER = "recorder"


class ForkedStream(Filterchain):
    """Gives a stream and its pictures to any number of filters that come and go.

    ``id_rec`` is the number of the stream in the recording of ``valkkafsmanager``.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "valkkafsmanager": ValkkaFSManager,
        "slot": int,
        "id_rec": int,
        **Filterchain.parameter_defs,
    }

    valkkafsmanager: ValkkaFSManager
    id_rec: int

    def makeChain(self) -> None:
        """Makes the decoder between two forks."""
        self.fork_yuv = core.ForkFrameFilterN("fork_yuv_" + self.idst)
        self.makeDecoder(self.fork_yuv)
        self.fork = core.ForkFrameFilterN("fork_" + self.idst)
        self.fork.connect(DECODER, self.av_in_filter)

    def connect_to_stream(self, name: str, framefilter: core.FrameFilter) -> bool:
        """Gives the stream to a filter too, as it was encoded; False if there is one of that name."""
        return bool(self.fork.connect(name, framefilter))

    def disconnect_from_stream(self, name: str) -> bool:
        """Ends that; no frame comes after it. False if there is no filter of that name."""
        return bool(self.fork.disconnect(name))

    def connect_to_yuv(self, name: str, framefilter: core.FrameFilter) -> bool:
        """Gives the pictures to a filter too; False if there is one of that name."""
        return bool(self.fork_yuv.connect(name, framefilter))

    def disconnect_from_yuv(self, name: str) -> bool:
        """Ends that; no picture comes after it. False if there is no filter of that name."""
        return bool(self.fork_yuv.disconnect(name))


class ValkkaFSLiveFilterchain(LiveStream, ForkedStream):
    """Receives a stream, records it, and decodes it from ``decodingOn`` to ``decodingOff``."""

    parameter_defs: ClassVar[dict[str, Any]] = {**LiveStream.parameter_defs, **ForkedStream.parameter_defs}

    def streamSink(self) -> core.FrameFilter:
        """Returns the filter that takes the stream."""
        return self.fork

    def createContext(self) -> None:
        """Begins to record, and plays the stream."""
        self.valkkafsmanager.setInput(self.id_rec, self.slot)
        self.fork.connect(RECORDER, self.valkkafsmanager.getInputFrameFilter())
        super().createContext()

    def closeContext(self) -> None:
        """Ends the stream and its recording."""
        super().closeContext()
        self.fork.disconnect(RECORDER)
        self.valkkafsmanager.clearInput(self.slot)


class ValkkaFSFileFilterchain(ForkedStream):
    """Takes what ``valkkafsmanager`` plays of a stream, and decodes it from ``decodingOn`` to ``decodingOff``."""

    def makeDecoder(self, outfilter: core.FrameFilter) -> None:
        """Makes the decoder. Whoever plays the recording waits for it: a seek sends many frames at once."""
        super().makeDecoder(outfilter)
        self.av_in_filter = self.avthread.getBlockingFrameFilter()

    def createContext(self) -> None:
        """Has the stream played into the fork."""
        self.ctx = self.valkkafsmanager.setOutput(self.id_rec, self.slot, self.fork)

    def closeContext(self) -> None:
        """Ends that."""
        self.valkkafsmanager.clearOutput(self.ctx)
