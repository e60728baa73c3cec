"""From a camera or a file to windows, and to other processes."""

from typing import Any, ClassVar

from valkka import core
from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.live import live_context
from valkka.api2.chains.shared import SharedBranch
from valkka.api2.threads import OpenGLThread


class BasicFilterchain1(Filterchain):
    """Decodes a stream and shows it; where it comes from is up to the program.

    The program takes ``live_ctx`` after ``setLiveContext`` to a ``LiveThread``, or ``file_ctx`` after
    ``setFileContext`` to a ``FileThread``, and there ends it again.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "openglthread": OpenGLThread,
        "slot": int,
        **Filterchain.parameter_defs,
    }

    openglthread: OpenGLThread
    live_ctx: Any = None
    file_ctx: Any = None

    def makeChain(self) -> None:
        """Makes the decoder, with the windows behind it."""
        self.gl_in_filter = self.openglthread.getInput()
        self.makeDecoder(self.gl_in_filter)

    def setLiveContext(self, address: str) -> None:
        """Makes ``live_ctx``, for the stream at an RTSP address or of an SDP file."""
        self.live_ctx = live_context(address, self.slot, self.av_in_filter, self.msreconnect)
        self.ctx = self.live_ctx

    def setFileContext(self, filename: str) -> None:
        """Makes ``file_ctx``, for a Matroska file."""
        # Seeking reads as fast as it can: the decoder's input makes it wait rather than lose frames.
        self.file_ctx = core.FileContext(filename, self.slot, self.avthread.getBlockingFrameFilter())
        self.ctx = self.file_ctx

    def fileStatusOk(self) -> bool:
        """Whether there is a file, and it could be opened."""
        return self.file_ctx is not None and self.file_ctx.status not in (core.FileState_none, core.FileState_error)


class ShmemFilterchain1(SharedBranch, BasicFilterchain1):
    """A ``BasicFilterchain1`` that also shares its pictures with other processes: see ``SharedBranch``."""

    parameter_defs: ClassVar[dict[str, Any]] = {**BasicFilterchain1.parameter_defs, **SharedBranch.parameter_defs}

    def makeChain(self) -> None:
        """Makes the branches and the decoder."""
        self.makeDecoder(self.makeFork())
