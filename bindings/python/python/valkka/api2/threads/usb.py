"""Cameras at this machine."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads.base import CoreThread
from valkka.api2.threads.live import LiveThread


class USBDeviceThread(CoreThread):
    """Receives cameras that are plugged into this machine. Takes the parameters of ``LiveThread``, but needs few."""

    parameter_defs: ClassVar[dict[str, Any]] = {**LiveThread.parameter_defs, "name": (str, "usb_thread")}

    def makeCore(self) -> core.USBDeviceThread:
        """Returns a new thread of level 1, not started."""
        return core.USBDeviceThread(self.name)

    def playStream(self, ctx: core.USBCameraConnectionContext) -> None:
        """Starts a camera."""
        self.core.playCameraStreamCall(ctx)

    def stopStream(self, ctx: core.USBCameraConnectionContext) -> None:
        """Stops a camera."""
        self.core.stopCameraStreamCall(ctx)
