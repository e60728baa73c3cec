"""What clients and servers of shared memory have in common."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from valkka import core
from valkka.api2.tools import getLogger, parameterInitCheck, setLogger


class SharedMemory:
    """One end of a ring of shared memory; ``core`` is the ring of level 1."""

    parameter_defs: ClassVar[dict[str, Any]] = {}

    name: str
    n_ringbuffer: int
    verbose: bool

    def __init__(self, **kwargs: Any) -> None:
        parameterInitCheck(self.parameter_defs, kwargs, self)
        self.pre = f"{type(self).__name__} : {self.name} : "
        # One for the class: a logger stays for ever, and names of shared memory are mostly used once.
        self.logger = getLogger(type(self).__name__)
        self.core = self.makeCore()
        if self.verbose:
            print(self.pre, self.n_ringbuffer, "cells")

    def makeCore(self) -> Any:
        """Returns the ring of level 1."""
        raise NotImplementedError

    def setDebug(self) -> None:
        """Prints what happens, to all objects of the class."""
        setLogger(self.logger, logging.DEBUG)


class Client(SharedMemory):
    """The reading end."""

    mstimeout: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shmem_list = self.core.getBufferListPy()

    def useEventFd(self, event_fd: core.EventFd) -> None:
        """Attaches a ``core.EventFd``, which can be read as long as there are frames to be pulled."""
        self.core.clientUseFd(event_fd)


class Server(SharedMemory):
    """The writing end."""

    def useEventFd(self, event_fd: core.EventFd) -> None:
        """Attaches a ``core.EventFd``, which is set at each frame."""
        self.core.serverUseFd(event_fd)
