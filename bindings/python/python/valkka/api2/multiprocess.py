"""Processes that exchange signals, as programs had them before ``valkka.multiprocess``, which is better."""

import multiprocessing
import os
import threading
from multiprocessing.context import ForkProcess
from typing import Any, ClassVar, Optional

from valkka.api2.shmem import ShmemRGBClient
from valkka.api2.tools import dictionaryCheck, parameterInitCheck
from valkka.multiprocess.pipe import WatchedConnection, parent_ended, watched_pipe
from valkka.multiprocess.waiting import safe_select as _safe_select

# How long the default `cycle_` waits for a signal.
CYCLE_SECONDS = 1.0


def safe_select(l1: Any, l2: Any, l3: Any, timeout: Optional[float] = 0) -> tuple[list[Any], list[Any], list[Any]]:
    """The same as that of ``valkka.multiprocess``, but by default it only looks."""
    return _safe_select(l1, l2, l3, timeout=timeout)


class ValkkaProcess(ForkProcess):
    """A process that exchanges signals with the one that makes it.

    ``incoming_signal_defs`` and ``outgoing_signal_defs`` name the signals to and from the process, each with the
    parameters it has and their classes. A signal ``abc`` to the process has its method ``abc_`` called there, one from
    it has ``abc`` called by ``handleSignal``. Methods that end in ``_`` belong to the process, the others to its maker.
    """

    incoming_signal_defs: ClassVar[dict[str, dict[str, type]]] = {
        "stop": {},
        "test": {"test_int": int, "test_str": str},
    }
    outgoing_signal_defs: ClassVar[dict[str, dict[str, type]]] = {
        "test_o": {"test_int": int, "test_str": str},
    }

    def __init__(self, name: str, affinity: int = -1, **kwargs: Any) -> None:
        super().__init__()
        self.pre = f"{type(self).__name__}.{name} : "
        self.name = name
        self.affinity = affinity
        self.running = False
        self.thread: Optional[threading.Thread] = None
        self.pipe, self.childpipe = watched_pipe()
        # Each signal is answered here when it has been handled.
        self._answers, self._answering = watched_pipe()

    # Of the maker

    def getPipe(self) -> WatchedConnection:
        """Returns what the signals of the process are read from, to be given to ``handleSignal``."""
        return self.pipe

    def start(self) -> None:
        """Forks the process off."""
        super().start()
        self.pipe.watch(self.sentinel)
        self._answers.watch(self.sentinel)

    def startAsThread(self) -> None:
        """Runs it in a thread instead of a process, to look for errors."""
        self.thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        self.thread.start()

    def sendSignal(self, **kwargs: Any) -> None:
        """Sends a signal, ``name=...`` with its parameters, and waits until the process has handled it.

        AttributeError if the parameters are not those of the signal. Nothing happens if the process has ended.
        """
        check_signal(kwargs, self.incoming_signal_defs)
        try:
            self.pipe.send(kwargs)
            self._answers.recv()
        except (BrokenPipeError, ConnectionResetError, EOFError):
            pass

    def handleSignal(self, signal: dict[str, Any]) -> None:
        """Calls the method of this object that is called as a signal of the process, with its parameters."""
        parameters = check_signal(signal, self.outgoing_signal_defs)
        getattr(self, signal["name"])(**parameters)

    def stop(self) -> None:
        """Ends the process, and waits until it has ended."""
        self.sendSignal(name="stop")
        if self.thread is not None:
            self.thread.join()
        elif self.pid is not None:
            self.join()

    def test(self, **kwargs: Any) -> None:
        """Sends the signal ``test``."""
        self.sendSignal(name="test", **kwargs)

    def test_o(self, test_int: int = 0, test_str: str = "") -> None:
        """Called for the signal ``test_o``."""
        print(self.pre, "test_o", test_int, test_str)

    # Of the process

    def run(self) -> None:
        """The process: calls ``cycle_`` and handles signals, until ``stop``, or until its maker has gone."""
        main = multiprocessing.parent_process()
        forked = main is not None and self.thread is None
        parent = main.pid if main is not None and forked else os.getppid()
        if main is not None and forked:
            self.childpipe.watch(main.sentinel)
            self._answering.watch(main.sentinel)
            if self.affinity > -1:
                os.sched_setaffinity(0, {self.affinity})
        self.running = True
        self.preRun_()
        while self.running and not parent_ended(parent or 0):
            self.cycle_()
            self.handleSignal_()
        self.postRun_()

    def preRun_(self) -> None:
        """Called before the first cycle."""

    def cycle_(self) -> None:
        """What the process does, over and over; signals are handled in between."""
        safe_select([self.childpipe], [], [], timeout=CYCLE_SECONDS)

    def postRun_(self) -> None:
        """Called after the last cycle."""

    def handleSignal_(self) -> None:
        """Handles the signals that are there."""
        while self.running and self.childpipe.poll():
            try:
                signal = self.childpipe.recv()
            except EOFError:
                self.running = False
                return
            try:
                parameters = check_signal(signal, self.incoming_signal_defs)
                getattr(self, signal["name"] + "_")(**parameters)
            finally:
                self._answering.send(None)

    def sendSignal_(self, **kwargs: Any) -> None:
        """Sends a signal, ``name=...`` with its parameters, to the maker."""
        check_signal(kwargs, self.outgoing_signal_defs)
        self.childpipe.send(kwargs)

    def stop_(self) -> None:
        """Called for the signal ``stop``."""
        self.running = False

    def test_(self, test_int: int = 0, test_str: str = "") -> None:
        """Called for the signal ``test``: prints it and sends ``test_o``."""
        print(self.pre, "test_", test_int, test_str, flush=True)
        self.sendSignal_(name="test_o", test_int=test_int, test_str=test_str)


class ValkkaShmemRGBProcess(ValkkaProcess):
    """A process that reads pictures from shared memory: ``memname`` is the name, ``mstimeout`` in milliseconds."""

    incoming_signal_defs: ClassVar[dict[str, dict[str, type]]] = {
        **ValkkaProcess.incoming_signal_defs,
        "ping": {"message": str},
    }
    outgoing_signal_defs: ClassVar[dict[str, dict[str, type]]] = {
        **ValkkaProcess.outgoing_signal_defs,
        "pong_o": {"message": str},
    }
    parameter_defs: ClassVar[dict[str, Any]] = {
        "image_dimensions": (tuple, (480, 270)),
        "n_ringbuffer": (int, 10),
        "memname": str,
        "mstimeout": (int, 1000),
        "verbose": (bool, False),
    }

    image_dimensions: tuple[int, int]
    n_ringbuffer: int
    memname: str
    mstimeout: int
    verbose: bool

    def __init__(self, name: str, affinity: int = -1, **kwargs: Any) -> None:
        super().__init__(name, affinity, **kwargs)
        parameterInitCheck(self.parameter_defs, kwargs, self)

    def ping(self, message: str = "") -> None:
        """Has the process answer with the signal ``pong_o``."""
        self.sendSignal(name="ping", message=message)

    def pong_o(self, message: str = "") -> None:
        """Called for the signal ``pong_o``."""
        print(self.pre, "pong_o", message)

    def preRun_(self) -> None:
        """Opens the shared memory."""
        width, height = self.image_dimensions
        self.client = ShmemRGBClient(
            name=self.memname,
            n_ringbuffer=self.n_ringbuffer,
            width=width,
            height=height,
            mstimeout=self.mstimeout,
            verbose=self.verbose,
        )

    def cycle_(self) -> None:
        """Waits for a picture and prints what it is."""
        _, meta = self.client.pullFrame()
        if meta is None:
            print(self.pre, "timeout", flush=True)
        else:
            print(self.pre, ShmemRGBClient.metaToString(meta), flush=True)

    def ping_(self, message: str = "") -> None:
        """Called for the signal ``ping``."""
        self.sendSignal_(name="pong_o", message=message)


def check_signal(signal: dict[str, Any], definitions: dict[str, dict[str, type]]) -> dict[str, Any]:
    """Returns the parameters of a signal; AttributeError if there is no such signal, or it has others."""
    name = signal.get("name")
    if name not in definitions:
        raise AttributeError(f"there is no signal {name}")
    parameters = {key: value for key, value in signal.items() if key != "name"}
    dictionaryCheck(definitions[name], parameters)
    unknown = set(parameters) - set(definitions[name])
    if unknown:
        raise AttributeError(f"the signal {name} has no {', '.join(sorted(unknown))}")
    return parameters
