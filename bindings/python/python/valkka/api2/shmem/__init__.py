"""Frames from one process to others, through shared memory.

A server, or a filter such as ``core.RGBShmemFrameFilter``, writes frames into a ring of cells; any number of clients of
the same name read them. A client's ``shmem_list`` has one array per cell, which shows the shared memory itself: it
stays as it is at least until half as many frames have been pulled as there are cells.

All pulls wait for up to ``mstimeout`` milliseconds (0: for as long as it takes), and let other Python threads run
meanwhile.
"""

from valkka.api2.shmem.client import ShmemClient, ShmemRGBClient
from valkka.api2.shmem.fragmp4 import FragMP4ShmemClient
from valkka.api2.shmem.server import ShmemRGBServer, ShmemServer

__all__ = ["FragMP4ShmemClient", "ShmemClient", "ShmemRGBClient", "ShmemRGBServer", "ShmemServer"]
