"""Cameras at this machine."""

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import CoreThread
from valkka.api2.threads.live import LiveThread


class USBDeviceThread(CoreThread):
    """Receives cameras that are plugged into this machine. Takes the parameters of ``LiveThread``, but needs few."""

    parameter_defs: ClassVar[dict[str, Any]] = {**LiveThread.parameter_defs, "name": (str, "usb_thread")}

    def makeCore(self) -> Any:
        """Returns a new thread of level 1, not started."""
        return core.USBDeviceThread(self.name)

    def playStream(self, ctx: Any) -> None:
        """Starts the camera of a ``core.USBCameraConnectionContext``."""
        self.core.playCameraStreamCall(ctx)

    def stopStream(self, ctx: Any) -> None:
        """Stops a camera."""
        self.core.stopCameraStreamCall(ctx)
