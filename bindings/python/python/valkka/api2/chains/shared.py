"""The branch of a chain that shares pictures with other processes."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.threads import OpenGLThread


class SharedBranch:
    """Has a chain's pictures go to a window and, scaled and thinned out, to shared memory.

    ``shmem_image_dimensions`` is width and height, ``shmem_image_interval`` the least time between two pictures in
    milliseconds, ``shmem_ringbuffer_size`` a number of pictures, and ``shmem_name`` what readers ask for; it is made up
    if there is none.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "shmem_image_dimensions": (tuple, (480, 270)),
        "shmem_image_interval": (int, 1000),
        "shmem_ringbuffer_size": (int, 10),
        "shmem_name": None,
    }

    idst: str
    openglthread: OpenGLThread
    shmem_image_dimensions: tuple[int, int]
    shmem_image_interval: int
    shmem_ringbuffer_size: int
    shmem_name: Any

    def makeFork(self) -> core.ForkFrameFilter:
        """Makes the filters behind the decoder and returns the first."""
        if self.shmem_name is None:
            self.shmem_name = "shmemff" + self.idst
        width, height = self.shmem_image_dimensions
        self.gl_in_filter = self.openglthread.getInput()
        self.shmem_filter = core.RGBShmemFrameFilter(self.shmem_name, self.shmem_ringbuffer_size, width, height)
        self.sws_filter = core.SwScaleFrameFilter("sws_scale_" + self.idst, width, height, self.shmem_filter)
        self.interval_filter = core.TimeIntervalFrameFilter(
            "interval_" + self.idst, self.shmem_image_interval, self.sws_filter
        )
        self.fork_filter = core.ForkFrameFilter("fork_" + self.idst, self.gl_in_filter, self.interval_filter)
        return self.fork_filter

    def getShmemPars(self) -> tuple[str, int, tuple[int, int]]:
        """Returns what a ``ShmemRGBClient`` must be told: name, ``n_ringbuffer``, and width and height."""
        return self.shmem_name, self.shmem_ringbuffer_size, self.shmem_image_dimensions
