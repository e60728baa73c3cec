"""From a camera in the net to windows, and to other processes."""

from typing import Any, ClassVar

from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.live import LiveStream
from valkka.api2.chains.shared import SharedBranch
from valkka.api2.threads import OpenGLThread


class BasicFilterchain(LiveStream, Filterchain):
    """Receives a stream, decodes it and shows it.

    Parameters are those of ``LiveStream`` and ``Filterchain``, ``openglthread``, ``n_threads`` for decoding, and
    ``vaapi``: whether to decode with the graphics hardware if it can.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        **LiveStream.parameter_defs,
        "openglthread": OpenGLThread,
        **Filterchain.parameter_defs,
        "n_threads": (int, 1),
        "vaapi": (bool, False),
    }

    openglthread: OpenGLThread

    def makeChain(self) -> None:
        """Makes the decoder, with the windows behind it."""
        self.gl_in_filter = self.openglthread.getInput()
        self.makeDecoder(self.gl_in_filter)


class ShmemFilterchain(SharedBranch, BasicFilterchain):
    """A ``BasicFilterchain`` that also shares its pictures with other processes: see ``SharedBranch``."""

    parameter_defs: ClassVar[dict[str, Any]] = {**BasicFilterchain.parameter_defs, **SharedBranch.parameter_defs}

    def makeChain(self) -> None:
        """Makes the branches and the decoder."""
        self.makeDecoder(self.makeFork())
