"""The frame of a program that consists of processes and threads."""

import logging
import threading
from typing import Optional

from valkka.multiprocess.pipe import watched_pipe
from valkka.multiprocess.process import format_logger
from valkka.multiprocess.waiting import safe_select


class MainContext:
    """A program's main object: starts its processes, then its threads, and runs its main loop when it is called.

    Subclasses define ``startProcesses``, ``startThreads`` and ``close``, and call ``super().__init__()`` last: it calls
    the first two, in the order in which forking is safe.
    """

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.started = False
        self.thread: Optional[threading.Thread] = None
        self.aux_pipe_read, self.aux_pipe_write = watched_pipe()
        self.startProcesses()
        self.startThreads()

    @classmethod
    def formatLogger(cls, level: int = logging.INFO) -> None:
        """Has objects of this class log to standard error, from ``level`` on."""
        format_logger(cls.__name__, level)

    def setDebug(self) -> None:
        """Has this object log everything."""
        self.logger.setLevel(logging.DEBUG)

    def startProcesses(self) -> None:
        """Makes and starts the processes."""
        raise NotImplementedError("startProcesses")

    def startThreads(self) -> None:
        """Starts the threads; all processes have been forked off by now."""
        raise NotImplementedError("startThreads")

    def close(self) -> None:
        """Ends threads and processes."""
        raise NotImplementedError("close")

    def __call__(self) -> None:
        """The main loop: this one says each second that it is alive, until Ctrl-C or ``stopThread``."""
        try:
            while not safe_select([self.aux_pipe_read], [], [], timeout=1.0)[0]:
                print("alive", flush=True)
            self.aux_pipe_read.recv()
        except KeyboardInterrupt:
            pass

    def runAsThread(self) -> None:
        """Runs the main loop in a thread."""
        if self.thread is None:
            self.thread = threading.Thread(target=self, name=type(self).__name__, daemon=True)
            self.thread.start()

    def stopThread(self) -> None:
        """Ends the main loop that runs in a thread, and waits for it. It must read ``aux_pipe_read``, as ours does."""
        thread, self.thread = self.thread, None
        if thread is not None:
            self.aux_pipe_write.send(None)
            thread.join()
