"""From a camera in the net to ports that come and go."""

from typing import Any, ClassVar

from valkka.api2.chains.live import LiveStream
from valkka.api2.chains.viewed import SharedOnDemand, ViewedFilterchain


class ManagedFilterchain(LiveStream, ViewedFilterchain):
    """Receives a stream, and decodes and shows it while there are ports to show it in."""

    parameter_defs: ClassVar[dict[str, Any]] = {**ViewedFilterchain.parameter_defs, **LiveStream.parameter_defs}


class ManagedFilterchain2(ManagedFilterchain, SharedOnDemand):
    """A ``ManagedFilterchain`` that also shares pictures with other processes: see ``SharedOnDemand``."""

    parameter_defs: ClassVar[dict[str, Any]] = {**ManagedFilterchain.parameter_defs, **SharedOnDemand.parameter_defs}
