"""From a camera in the net to whatever is connected."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.live import LiveStream


class OpenFilterchain(LiveStream, Filterchain):
    """Receives a stream, decodes it, and gives the pictures to any number of filters that come and go."""

    parameter_defs: ClassVar[dict[str, Any]] = {**LiveStream.parameter_defs, **Filterchain.parameter_defs}

    def makeChain(self) -> None:
        """Makes the decoder, with a fork behind it."""
        self.fork_filter = core.ForkFrameFilterN("fork_" + self.idst)
        self.makeDecoder(self.fork_filter)

    def connect(self, name: str, framefilter: core.FrameFilter) -> bool:
        """Gives the pictures to a filter too; False if there is one of that name."""
        return bool(self.fork_filter.connect(name, framefilter))

    def disconnect(self, name: str) -> bool:
        """Ends that; no picture comes after it. False if there is no filter of that name."""
        return bool(self.fork_filter.disconnect(name))
