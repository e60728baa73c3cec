"""What all threads of level 2 have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from valkka import core
from valkka.api2.tools import parameterInitCheck


class Namespace:
    """An object for any attributes."""


class CoreThread:
    """The base class: makes a thread of level 1, starts it, and stops it on ``close``."""

    parameter_defs: ClassVar[dict[str, Any]] = {}

    name: str
    affinity: int
    verbose: bool
    active = False

    def __init__(self, *args: str, **kwargs: Any) -> None:
        # One argument without a keyword is the name.
        if len(args) > 1 or (args and "name" in kwargs):
            raise TypeError(f"{type(self).__name__} takes a name and keyword arguments, not {args}")
        if args:
            kwargs["name"] = args[0]
        parameterInitCheck(self.parameter_defs, kwargs, self)
        self.pre = f"{type(self).__name__} : {self.name} : "
        self.core = self.makeCore()
        self.core.setAffinity(self.affinity)
        self.core.startCall()
        self.active = True

    def makeCore(self) -> Any:
        """Returns a new thread of level 1, not started."""
        raise NotImplementedError

    def close(self) -> None:
        """Stops the thread and waits until it has stopped. Does nothing when it has."""
        if self.active:
            if self.verbose:
                print(self.pre, "stopping core.")
            self.requestClose()
            self.waitClose()

    def requestClose(self) -> None:
        """Asks the thread to stop; returns at once."""
        if self.active:
            self.core.requestStopCall()

    def waitClose(self) -> None:
        """Waits until the thread has stopped, after ``requestClose``."""
        if self.active:
            self.core.waitStopCall()
            self.active = False

    def __del__(self) -> None:
        self.close()


class Buffered:
    """How much the input of a thread holds at least."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "n_basic": (int, 20),
        "n_setup": (int, 20),
        "n_signal": (int, 20),
        "flush_when_full": (bool, False),
    }

    n_basic: int
    n_setup: int
    n_signal: int
    flush_when_full: bool


def fifo_context(parameters: Buffered) -> core.FrameFifoContext:
    """Returns the same as a context of level 1."""
    context = core.FrameFifoContext()
    context.n_basic = parameters.n_basic
    context.n_setup = parameters.n_setup
    context.n_signal = parameters.n_signal
    context.n_marker = parameters.n_signal
    context.flush_when_full = parameters.flush_when_full
    return context
