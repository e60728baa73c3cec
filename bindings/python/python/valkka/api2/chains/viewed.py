"""Chains that decode while somebody looks."""

from collections.abc import Iterable
from typing import Any, ClassVar

from valkka import core
from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.port import ViewPort
from valkka.api2.tools import generateGetters


class ViewedFilterchain(Filterchain):
    """A chain that is shown in ports, which come and go. It decodes while there are any.

    ``openglthreads`` has one ``OpenGLThread`` for each X screen. All parameters also have a getter, as ``get_slot()``.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "openglthreads": list,
        "address": str,
        "slot": int,
        "_id": (int, 0),
        **Filterchain.parameter_defs,
        "time_correction": None,
    }

    openglthreads: list[Any]
    address: str
    _id: int

    def init(self) -> None:
        """Makes all there is, when the parameters are known."""
        # Each port with the token of its connection.
        self.viewports: dict[ViewPort, int] = {}
        generateGetters(self.parameter_defs, self)
        super().init()

    def __str__(self) -> str:
        return f"<{type(self).__name__}: slot={self.slot} ports={len(self.viewports)}>"

    def report(self, *args: Any) -> None:
        """Prints something, if the chain is verbose."""
        if self.verbose:
            print(self.pre, *args)

    def getParDic(self, keys: Iterable[str]) -> dict[str, Any]:
        """Returns some parameters by name."""
        return {key: getattr(self, key) for key in keys}

    def makeChain(self) -> None:
        """Makes the decoder, with a fork behind it."""
        self.fork_filter = core.ForkFrameFilterN("fork_" + self.idst)
        self.makeDecoder(self.fork_filter)

    def isWatched(self) -> bool:
        """Whether somebody wants the pictures."""
        return bool(self.viewports)

    def getNumXscreenPorts(self, n: int) -> int:
        """Returns how many ports there are on X screen ``n``."""
        return sum(1 for port in self.viewports if port.getXScreenNum() == n)

    def addViewPort(self, viewport: ViewPort) -> None:
        """Shows the stream in a port; if it is there already, afresh. ValueError if its X screen has no thread."""
        if viewport in self.viewports:
            self.delViewPort(viewport)
        n = viewport.getXScreenNum()
        if not 0 <= n < len(self.openglthreads):
            raise ValueError(f"{viewport}: there are {len(self.openglthreads)} X screens")
        watched = self.isWatched()
        openglthread = self.openglthreads[n]
        if self.getNumXscreenPorts(n) == 0:
            self.fork_filter.connect(tag(n), openglthread.getInput())
        self.viewports[viewport] = openglthread.connect(slot=self.slot, window_id=viewport.getWindowId())
        self.report("added", viewport)
        if not watched:
            self.decodingOn()

    def delViewPort(self, viewport: ViewPort) -> None:
        """Shows the stream no more in a port."""
        if viewport not in self.viewports:
            print(self.pre, "delViewPort: FATAL: there is no port", viewport)
            return
        token = self.viewports.pop(viewport)
        n = viewport.getXScreenNum()
        if token > 0:
            self.openglthreads[n].disconnect(token)
        if self.getNumXscreenPorts(n) == 0:
            self.fork_filter.disconnect(tag(n))
        self.report("removed", viewport)
        if not self.isWatched():
            self.decodingOff()

    def setBoundingBoxes(self, viewport: ViewPort, bbs: Iterable[tuple[float, float, float, float]]) -> None:
        """Draws boxes over the picture in a port, instead of those that are there.

        Each is ``(left, right, top, bottom)`` in fractions of the picture, with y upwards.
        """
        token = self.viewports.get(viewport, 0)
        if token == 0:
            self.report("setBoundingBoxes: there is no port", viewport)
            return
        thread = self.openglthreads[viewport.getXScreenNum()].core
        thread.clearObjectsCall(token)
        for left, right, top, bottom in bbs:
            thread.addRectangleCall(token, left, right, top, bottom)

    def closeOutputs(self) -> None:
        """Removes all ports."""
        for viewport in list(self.viewports):
            self.delViewPort(viewport)


class SharedOnDemand(ViewedFilterchain):
    """A chain that also shares its pictures with other processes, and decodes for them too.

    ``shmem_image_dimensions`` is width and height, ``shmem_image_interval`` the least time between two pictures in
    milliseconds, ``shmem_n_buffer`` a number of pictures.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "shmem_image_dimensions": (tuple, (480, 270)),
        "shmem_n_buffer": (int, 10),
        "shmem_image_interval": (int, 1000),
    }

    shmem_image_dimensions: tuple[int, int]
    shmem_n_buffer: int
    shmem_image_interval: int

    def init(self) -> None:
        """Makes all there is, when the parameters are known."""
        self.shmems: set[str] = set()
        self._shmem_count = 0
        super().init()

    def isWatched(self) -> bool:
        """Whether somebody wants the pictures."""
        return bool(self.shmems) or super().isWatched()

    def getShmem(self) -> str:
        """Shares the pictures under a new name and returns it: for a ``ShmemRGBClient``, until ``releaseShmem``."""
        watched = self.isWatched()
        self._shmem_count += 1
        name = f"shmemff{self.idst}_{self._shmem_count}"
        width, height = self.shmem_image_dimensions
        shmem_filter = core.RGBShmemFrameFilter(name, self.shmem_n_buffer, width, height)
        sws_filter = core.SwScaleFrameFilter("sws_scale_" + name, width, height, shmem_filter)
        interval_filter = core.TimeIntervalFrameFilter("interval_" + name, self.shmem_image_interval, sws_filter)
        self.fork_filter.connect(name, interval_filter)
        self.shmems.add(name)
        if not watched:
            self.decodingOn()
        return name

    def releaseShmem(self, name: str) -> None:
        """Shares the pictures no more under a name of ``getShmem``."""
        if name not in self.shmems:
            print(self.pre, "releaseShmem: FATAL: there is no", name)
            return
        self.shmems.remove(name)
        self.fork_filter.disconnect(name)
        if not self.isWatched():
            self.decodingOff()

    def closeOutputs(self) -> None:
        """Removes all ports, and shares no more."""
        for name in list(self.shmems):
            self.releaseShmem(name)
        super().closeOutputs()


def tag(n: int) -> str:
    """Returns the name of the fork's branch for X screen ``n``."""
    return f"openglthread_{n}"
