"""From any camera to ports that come and go."""

from typing import Any, ClassVar

from valkka import core
from valkka.api2.chains.live import LiveStream
from valkka.api2.chains.viewed import SharedOnDemand, ViewedFilterchain
from valkka.api2.threads import USBDeviceThread


class ManagedFilterchain3(SharedOnDemand):
    """Decodes, shows and shares a stream while somebody wants it.

    Subclasses define ``createContext`` and ``closeContext``, which begin and end the stream.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {**ViewedFilterchain.parameter_defs, **SharedOnDemand.parameter_defs}

    def createContext(self) -> None:
        """Begins the stream."""
        raise NotImplementedError("createContext")

    def closeContext(self) -> None:
        """Ends the stream."""
        raise NotImplementedError("closeContext")


class LiveManagedFilterchain(LiveStream, ManagedFilterchain3):
    """The same for a camera in the net."""

    parameter_defs: ClassVar[dict[str, Any]] = {**ManagedFilterchain3.parameter_defs, **LiveStream.parameter_defs}


class USBManagedFilterchain(ManagedFilterchain3):
    """The same for a camera at this machine: ``address`` is a device file such as "/dev/video0"."""

    parameter_defs: ClassVar[dict[str, Any]] = {**ManagedFilterchain3.parameter_defs, "usbthread": USBDeviceThread}

    usbthread: USBDeviceThread
    time_correction: Any

    def createContext(self) -> None:
        """Starts the camera, at 1280 × 720."""
        self.ctx = core.USBCameraConnectionContext(self.address, self.slot, self.av_in_filter)
        if self.time_correction is not None:
            self.ctx.time_correction = self.time_correction
        self.usbthread.playStream(self.ctx)

    def closeContext(self) -> None:
        """Stops the camera."""
        if self.usbthread.active:
            self.usbthread.stopStream(self.ctx)
