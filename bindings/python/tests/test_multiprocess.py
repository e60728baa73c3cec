"""Processes and their messages."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

from conftest import Poll, Printed
from valkka.multiprocess import (
    AsyncBackMessageProcess,
    Duplex,
    MainContext,
    MessageObject,
    MessageProcess,
    exclog,
    exclogmsg,
    getPipes,
    safe_select,
    to8ByteMessage,
)

# More than any pipe holds.
BIG = bytes(3_000_000)


class Worker(MessageProcess):
    """Answers, fails, and dies on request."""

    timeout = 0.2

    def __init__(self, name: str = "worker") -> None:
        super().__init__(name)
        self.ended = multiprocessing.get_context("fork").Event()

    def ask(self, command: str, **kwargs: Any) -> None:
        self.sendMessageToBack(MessageObject(command, **kwargs))

    def c__double(self, number: Any = 0) -> None:
        self.send_out__(MessageObject("doubled", number=2 * number))

    def c__back(self, number: int = 0) -> None:
        self.return_out__(number)

    def c__fail(self) -> None:
        raise RuntimeError("told to")

    def c__big(self) -> None:
        self.send_out__(BIG)

    def postRun__(self) -> None:
        self.ended.set()


class AsyncWorker(AsyncBackMessageProcess):
    """The same with an event loop."""

    timeout = 0.2

    def __init__(self, name: str = "worker") -> None:
        super().__init__(name)
        self.posted = multiprocessing.get_context("fork").Event()

    def ask(self, command: str, **kwargs: Any) -> None:
        self.sendMessageToBack(MessageObject(command, **kwargs))

    async def asyncPost__(self) -> None:
        self.posted.set()

    async def c__double(self, number: Any = 0) -> None:
        await self.send_out__(MessageObject("doubled", number=2 * number))

    async def c__big(self) -> None:
        await self.send_out__(BIG)

    async def c__raise(self) -> None:
        raise RuntimeError("told to")

    @exclog
    async def c__logged(self) -> None:
        raise RuntimeError("told to")

    @exclogmsg
    async def c__told(self, slot: int = 0) -> None:
        raise RuntimeError("told to")


@pytest.fixture(params=[Worker, AsyncWorker])
def worker(request: pytest.FixtureRequest) -> Any:
    process = request.param("one")
    process.ignoreSIGINT()
    process.start()
    yield process
    process.kill()
    process.join()


@pytest.fixture
def plain() -> Any:
    process = Worker("one")
    process.start()
    yield process
    process.kill()
    process.join()


def test_messages_go_in_and_out(worker: Any) -> None:
    for number in range(100):
        worker.ask("double", number=number)
    assert [worker.getPipe().recv()["number"] for _ in range(100)] == list(range(0, 200, 2))
    worker.sendPing([4])
    readable, _, _ = select.select([worker.getPipe()], [], [], 60)
    assert readable == [worker.getPipe()]
    pong = worker.getPipe().recv()
    assert (pong(), pong["lis"]) == ("pong", [1, 2, 3])
    worker.stop()
    assert worker.exitcode == 0


def test_messages_of_any_size(worker: Any) -> None:
    sender = threading.Thread(target=worker.ask, args=("double",), kwargs={"number": BIG})
    sender.start()
    assert worker.getPipe().recv()["number"] == 2 * BIG
    sender.join()


def test_an_unknown_command_is_ignored(worker: Any) -> None:
    worker.ask("nothing_of_that_name")
    worker.ask("double", number=4)
    assert worker.getPipe().recv()["number"] == 8


def test_the_last_object_is_none(plain: Worker) -> None:
    plain.ask("double", number=1)
    plain.stop()
    assert plain.getPipe().recv()["number"] == 2
    assert plain.getPipe().recv() is None
    assert plain.ended.is_set()
    with pytest.raises(EOFError):
        plain.getPipe().recv()


def test_nothing_can_be_read_after_the_last_object(plain: Worker) -> None:
    """A thread that selects on pipes goes on doing so until it is stopped, after the processes."""
    plain.stop()
    assert plain.getPipe().recv() is None
    assert select.select([plain.getPipe()], [], [], 0.0)[0] == []


def test_the_internal_pipe(plain: Worker) -> None:
    plain.ask("back", number=5)
    assert plain.returnFromBack() == 5
    plain.stop()
    with pytest.raises(EOFError):
        plain.returnFromBack()


def test_what_a_handler_raises_ends_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    process = Worker("one")
    process.start()
    process.ask("fail")
    assert process.getPipe().recv() is None
    process.join()
    assert process.exitcode == 1
    assert "RuntimeError: told to" in capfd.readouterr().err


def test_wrong_arguments_end_the_process(plain: Worker) -> None:
    plain.ask("double", nonsense=1)
    assert plain.getPipe().recv() is None
    plain.join()
    assert plain.exitcode == 1


def test_asynchronous_handlers_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    process = AsyncWorker("one")
    process.start()
    process.ask("raise")
    process.ask("logged")
    process.ask("told", slot=3)
    process.ask("double", nonsense=1)
    process.ask("double", number=2)
    error = process.getPipe().recv()
    assert (error(), error["slot"], error["error"]) == ("error", 3, "told to")
    assert process.getPipe().recv()["number"] == 4
    process.stop()
    assert process.exitcode == 0
    assert process.posted.is_set()


def test_stopping_what_has_ended(worker: Any) -> None:
    worker.stop()
    worker.stop()
    worker.kill()
    for _ in range(3):
        worker.sendMessageToBack(MessageObject("double", number=BIG))
    worker.requestStop()


def test_a_process_killed_in_the_middle_of_a_message(worker: Any) -> None:
    others = [type(worker)(f"other{i}") for i in range(2)]
    for other in others:
        other.start()  # They hold copies of all pipes.
    worker.ask("big")
    assert select.select([worker.getPipe()], [], [], 60)[0]
    worker.kill()
    with pytest.raises(EOFError):
        worker.getPipe().recv()
    for other in others:
        other.stop()


def test_sending_to_a_process_that_is_killed_meanwhile(worker: Any, poll: Poll) -> None:
    os.kill(worker.pid, signal.SIGSTOP)
    sender = threading.Thread(target=worker.ask, args=("double",), kwargs={"number": BIG})
    sender.start()
    assert select.select([], [worker.front_pipe.fileno()], [], 0)[1] or sender.is_alive()
    worker.kill()
    sender.join(60)
    assert not sender.is_alive()


@pytest.mark.parametrize("kind", ["MessageProcess", "AsyncBackMessageProcess"])
def test_backends_end_with_the_main_process(kind: str, poll: Poll) -> None:
    program = f"""
        import os, time
        from valkka.multiprocess import *
        processes = [{kind}(str(i)) for i in range(3)]
        for process in processes:
            process.start()
        print(*[process.pid for process in processes], flush=True)
        time.sleep(100)
    """
    main = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    pids = [int(pid) for pid in main.stdout.readline().split()]
    assert len(pids) == 3
    main.kill()
    main.wait()
    main.stdout.close()
    poll(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("kind", ["MessageProcess", "AsyncBackMessageProcess"])
@pytest.mark.parametrize("ignored", [True, False])
def test_ctrl_c(kind: str, ignored: bool) -> None:
    """Ctrl-C goes to all processes of a terminal: each ends in order, or ignores it and is stopped by the main one."""
    program = f"""
        import time
        from valkka.multiprocess import *

        class Process({kind}):
            def postRun__(self):
                print("postRun__", flush=True)

        process = Process()
        if {ignored}:
            process.ignoreSIGINT()
        process.start()
        process.sendPing([1])
        process.getPipe().recv()
        try:
            print("ready", flush=True)
            time.sleep(100)
        except KeyboardInterrupt:
            process.stop()
            print("stopped", process.exitcode, flush=True)
    """
    main = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert main.stdout is not None
    while main.stdout.readline() not in ("ready\n", ""):
        pass
    os.killpg(main.pid, signal.SIGINT)
    output, errors = main.communicate(timeout=60)
    assert output.splitlines() == ["postRun__", "stopped 0"]
    assert errors == ""


def test_messages() -> None:
    message = MessageObject("move", x=1)
    assert (message(), message["x"], str(message)) == ("move", 1, "<MessageObject: move: {'x': 1}>")
    with pytest.raises(KeyError):
        message["y"]
    text = to8ByteMessage("abc")
    length = int.from_bytes(text[:8], "big")
    assert len(text) % 8 == 0
    assert 0 <= len(text) - length < 8
    assert not any(text[length:])


@pytest.mark.parametrize("blocking", [(False, False), (True, True), (True, False)])
def test_duplex(blocking: tuple[bool, bool]) -> None:
    a, b = getPipes(*blocking)
    assert [os.get_blocking(end.getReadFd()) for end in (a, b)] == list(blocking)
    assert (a.fileno(), a.getReadIO().fileno()) == (a.getReadFd(), a.getReadFd())
    assert a.getWriteIO().fileno() == a.getWriteFd()
    sender = threading.Thread(target=a.send, args=(BIG,))
    sender.start()
    assert b.recv() == BIG
    sender.join()
    for obj in (None, "x" * 3, MessageObject("a", b=1)):
        b.send(obj)
        assert str(a.recv()) == str(obj)
    del a
    with pytest.raises(EOFError):
        b.recv()
    with pytest.raises(BrokenPipeError):
        b.send(1)


def test_duplex_and_bytes_that_are_no_message() -> None:
    for garbage in (bytes(8), b"\xff" * 8, (9).to_bytes(8, "big") + b"xyz" + bytes(13)):
        reads, writes = os.pipe()
        end = Duplex(reads, os.dup(writes))
        os.write(writes, garbage)
        os.close(writes)
        with pytest.raises(Exception):  # noqa: B017  -- whatever pickle makes of it
            end.recv()


def test_duplex_in_pieces() -> None:
    reads, writes = os.pipe()
    end = Duplex(reads, os.dup(writes))

    def dribble() -> None:
        for byte in to8ByteMessage({"a": 1}) * 2:
            os.write(writes, bytes([byte]))

    sender = threading.Thread(target=dribble)
    sender.start()
    assert [end.recv(), end.recv()] == [{"a": 1}, {"a": 1}]
    sender.join()
    os.close(writes)


def test_safe_select() -> None:
    reads, writes = os.pipe()
    assert safe_select([reads], [], [], timeout=0) == ([], [], [])
    assert safe_select([reads], [writes], []) == ([], [writes], [])
    os.write(writes, b"x")
    assert safe_select([reads], [writes], [reads], timeout=1) == ([reads], [writes], [])
    os.close(writes)
    os.read(reads, 1)
    assert safe_select([reads], [], []) == ([reads], [], []), "the end can be read"
    os.close(reads)
    with pytest.raises(OSError):
        safe_select([reads], [], [])


def test_safe_select_and_high_descriptors() -> None:
    import fcntl
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("this machine does not allow many file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    reads, writes = os.pipe()
    high = fcntl.fcntl(reads, fcntl.F_DUPFD, 2000)
    os.write(writes, b"x")
    assert safe_select([high], [], [], timeout=1) == ([high], [], [])
    for fd in (reads, writes, high):
        os.close(fd)


def test_an_interrupted_select_returns_nothing() -> None:
    def interrupt(*_: Any) -> None:
        raise InterruptedError

    reads, writes = os.pipe()
    before = signal.signal(signal.SIGALRM, interrupt)
    found = None
    for _ in range(100):
        # On a busy machine, the signal may come before the call waits: then once more.
        with contextlib.suppress(InterruptedError):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            found = safe_select([reads], [], [])
            break
    signal.signal(signal.SIGALRM, before)
    assert found == ([], [], [])
    os.close(reads)
    os.close(writes)


def test_other_descriptors_beside_the_messages() -> None:
    """What programs do that wait for frames: their own `readPipes__`."""

    class Listener(Worker):
        def __init__(self) -> None:
            super().__init__()
            self.reads, self.writes = os.pipe()

        def readPipes__(self, timeout: float) -> None:
            for found in safe_select([self.back_pipe, self.reads], [], [], timeout=timeout)[0]:
                if found is self.back_pipe:
                    self.handleBackPipe__(found)
                else:
                    self.send_out__(os.read(self.reads, 10))

    process = Listener()
    process.go()
    os.write(process.writes, b"frame")
    assert process.getPipe().recv() == b"frame"
    process.ask("double", number=3)
    assert process.getPipe().recv()["number"] == 6
    process.stop()


def test_names_and_loggers(capfd: pytest.CaptureFixture[str]) -> None:
    process = Worker("abc")
    assert process.pre == "Worker.abc"
    assert str(process) == "<Worker.abc>"
    assert process.logger is logging.getLogger("Worker.abc")
    assert isinstance(process, multiprocessing.process.BaseProcess)
    Worker.formatLogger()
    Worker.formatLogger(logging.WARNING)
    process.start()
    process.ask("nothing_of_that_name")
    process.stop()
    lines = [line for line in capfd.readouterr().err.splitlines() if "nothing_of_that_name" in line]
    assert lines == ["Worker.abc - WARNING - there is no method c__nothing_of_that_name"]


def test_main_context(printed: Printed, poll: Poll) -> None:
    class Context(MainContext):
        def __init__(self) -> None:
            self.steps: list[str] = []
            super().__init__()

        def startProcesses(self) -> None:
            self.steps.append("processes")

        def startThreads(self) -> None:
            self.steps.append("threads")

        def close(self) -> None:
            self.steps.append("closed")

    context = Context()
    assert context.steps == ["processes", "threads"]
    assert not context.started
    context.runAsThread()
    poll(lambda: "alive" in printed.text)
    context.stopThread()
    context.stopThread()
    with pytest.raises(NotImplementedError):
        MainContext()


def test_processes_are_forked_whatever_the_default() -> None:
    """From Python 3.14 on, the default is another one, with which nothing is inherited."""
    program = """
        import multiprocessing
        multiprocessing.set_start_method("spawn")
        from valkka.multiprocess import *

        class Process(MessageProcess):
            def __init__(self):
                super().__init__()
                self.cannot_be_pickled = lambda: 42

            def c__ask(self):
                self.send_out__(self.cannot_be_pickled())

        process = Process()
        process.start()
        process.sendMessageToBack(MessageObject("ask"))
        print(process.getPipe().recv())
        process.stop()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_the_package_needs_nothing_else() -> None:
    program = "import sys, valkka.multiprocess.base; print([m for m in sys.modules if m in ('numpy', 'valkka.core')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_many_starts_and_stops_leave_nothing_open() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def cycle() -> None:
        for kind in (Worker, AsyncWorker):
            process = kind("one")
            process.start()
            process.ask("double", number=1)
            process.getPipe().recv()
            process.stop()

    cycle()
    before = descriptors()
    for _ in range(5):
        cycle()
    assert descriptors() <= before


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
