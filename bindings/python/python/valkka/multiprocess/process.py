"""Processes with a frontend and a backend."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkProcess
from typing import Any, Optional, TextIO

from valkka.multiprocess.message import MessageObject
from valkka.multiprocess.pipe import WatchedConnection, parent_ended, watched_pipe
from valkka.multiprocess.waiting import safe_select

# How long a backend that ends waits for room in the pipe to say so.
FAREWELL_SECONDS = 2.0


class MessageProcess(ForkProcess):
    """A process that is told what to do by messages.

    ``__init__``, and all methods that do not end in ``__`` or start with ``c__``, belong to the frontend and are called
    in the process that makes the object; the others are the backend and are called in the forked process. Subclasses
    call ``super().__init__()``; whatever they make in ``__init__`` exists on both sides.
    """

    #: How long the backend waits for messages at a time, in seconds.
    timeout: float = 1.0

    def __init__(self, name: str = "MessageProcess") -> None:
        super().__init__()
        self.pre = f"{type(self).__name__}.{name}"
        self.logger = logging.getLogger(self.pre)
        self.loop = True
        self.listening = False
        self.sigint = True
        self.makePipes()

    def makePipes(self) -> None:
        """Makes the pipes between frontend and backend; called once, by ``__init__``."""
        self.front_pipe, self.back_pipe = watched_pipe()
        self.front_pipe_internal, self.back_pipe_internal = watched_pipe()

    def __str__(self) -> str:
        return f"<{self.pre}>"

    # Frontend

    @classmethod
    def formatLogger(cls, level: int = logging.INFO) -> None:
        """Has all processes of this class log to standard error, from ``level`` on."""
        format_logger(cls.__name__, level)

    def setDebug(self) -> None:
        """Has this process log everything; call it before the start."""
        self.logger.setLevel(logging.DEBUG)

    def ignoreSIGINT(self) -> None:
        """Leaves Ctrl-C to the main process; call it before the start."""
        self.sigint = False

    def go(self) -> None:
        """The same as ``start``."""
        self.start()

    def start(self) -> None:
        """Forks the backend off."""
        super().start()
        self.watchPipes(self.sentinel, front=True)

    def getPipe(self) -> Any:
        """Returns what the backend's messages are read from: it has ``recv`` and ``fileno``, and works with select.

        The last object that comes is None. ``recv`` raises EOFError if the backend has ended and nothing is left.
        """
        return self.front_pipe

    def sendMessageToBack(self, message: Any) -> None:
        """Sends a :class:`~valkka.multiprocess.message.MessageObject` to the backend; does nothing if it has ended."""
        try:
            self.front_pipe.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self.logger.warning("not sent, since the process has ended: %s", message)

    def returnFromBack(self) -> Any:
        """Waits for what the backend hands to ``return_out__`` and returns it; EOFError if it ends before."""
        return self.front_pipe_internal.recv()

    def requestStop(self) -> None:
        """Asks the backend to end; returns at once."""
        self.sendMessageToBack(None)

    def waitStop(self) -> None:
        """Waits until the backend has ended."""
        self.join()

    def stop(self) -> None:
        """Asks the backend to end, and waits until it has."""
        self.requestStop()
        self.waitStop()

    def sendPing(self, lis: Any) -> None:
        """Has the backend print ``lis`` and answer with a message ``pong``."""
        self.sendMessageToBack(MessageObject("ping", lis=lis))

    # Backend

    def run(self) -> None:
        """The backend, from its start to its end.

        It ends when it is told to, by Ctrl-C unless that is ignored, and when the main process has gone.
        """
        parent = self.enterBackend()
        try:
            self.preRun__()
            while self.loop:
                self.readPipes__(timeout=0 if self.listening else self.timeout)
                if parent_ended(parent):
                    self.logger.warning("the main process has gone: ending")
                    self.loop = False
        except KeyboardInterrupt:
            self.logger.info("interrupted: ending")
        finally:
            self.sayFarewell()
        self.postRun__()

    def enterBackend(self) -> int:
        """Makes this process a backend; returns the id of the main process."""
        if not self.sigint:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        main = multiprocessing.parent_process()
        if main is None or main.pid is None:
            # `run` was called rather than `start`: the backend is in the main process, and ends with it.
            return os.getppid()
        self.watchPipes(main.sentinel, front=False)
        return main.pid

    def watchPipes(self, sentinel: Optional[int], front: bool) -> None:
        """Has the pipes of one side notice the end of the other, which can be told from ``sentinel``."""
        pipes = (self.front_pipe, self.front_pipe_internal) if front else (self.back_pipe, self.back_pipe_internal)
        for pipe in pipes:
            pipe.watch(sentinel)

    def sayFarewell(self) -> None:
        """Sends the last object to the frontend, unless that has let the pipe become full."""
        if safe_select([], [self.back_pipe], [], timeout=FAREWELL_SECONDS)[1]:
            # The frontend may have gone.
            with contextlib.suppress(OSError):
                self.back_pipe.send(None)

    def preRun__(self) -> None:
        """Called in the new process before anything else."""

    def postRun__(self) -> None:
        """Called in the process just before it ends."""

    def readPipes__(self, timeout: float) -> None:
        """Waits up to ``timeout`` seconds for a message and handles it.

        A subclass that waits for more than messages writes its own, around ``safe_select``.
        """
        readable, _, _ = safe_select([self.back_pipe], [], [], timeout=timeout)
        for pipe in readable:
            self.handleBackPipe__(pipe)

    def handleBackPipe__(self, p: WatchedConnection) -> None:
        """Reads one message from ``p`` and handles it."""
        try:
            obj = p.recv()
        except EOFError:
            self.logger.warning("the main process has gone: ending")
            obj = None
        except Exception:
            self.logger.critical("a message cannot be read", exc_info=True)
            return
        self.routeMainPipe__(obj)

    def routeMainPipe__(self, obj: Optional[MessageObject]) -> None:
        """Calls the method that a message is for. What it raises ends the process."""
        if obj is None:
            self.loop = False
            return
        method = getattr(self, f"c__{obj.command}", None)
        if method is None:
            self.logger.warning("there is no method c__%s", obj.command)
            return
        try:
            method(**obj.kwargs)
        except TypeError as error:
            self.logger.warning("c__%s: %s", obj.command, error)
            raise

    def send_out__(self, obj: Any) -> None:
        """Sends ``obj``, best a :class:`~valkka.multiprocess.message.MessageObject`, to the frontend's ``getPipe``."""
        self.back_pipe.send(obj)

    def return_out__(self, obj: Any) -> None:
        """Sends ``obj`` to the frontend's ``returnFromBack``."""
        self.back_pipe_internal.send(obj)

    def c__ping(self, lis: Any = ()) -> None:
        """Prints ``lis`` and answers with a message ``pong``: for trying things out."""
        print(self.pre, "ping", lis, flush=True)
        self.send_out__(MessageObject("pong", lis=[1, 2, 3]))


def format_logger(name: str, level: int) -> None:
    """Has the logger ``name`` write to standard error, from ``level`` on."""
    logger = logging.getLogger(name)
    logger.setLevel(level)
    if not logger.handlers:
        handler: logging.StreamHandler[TextIO] = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(name)s - %(levelname)s - %(message)s"))
        logger.addHandler(handler)
