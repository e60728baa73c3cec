"""What the tests share: cameras, a screen, deadlines.

A test that lacks something of the machine is skipped with a reason, by the fixture that wants it; with VALKKA_SKIP=fail
in the environment it fails instead. No test can hang: when it is over its deadline, the stacks of all threads are shown
and the process ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import os
import random
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from valkka import core

REPOSITORY = Path(__file__).resolve().parents[3]

# How long a test may take unless it says otherwise by @pytest.mark.deadline(seconds).
DEADLINE_SECONDS = 300.0
# How long a camera, a screen or another program may take to start on a busy machine.
STARTUP_SECONDS = 90.0

# Where the camera of `device` is.
DEVICE = "/dev/video-of-the-test"

T = TypeVar("T")


class Cameras(Protocol):
    """Starts a camera with these options of `valkka camera`."""

    def __call__(self, *options: str) -> Camera: ...


class Poll(Protocol):
    """Calls a condition until what it returns is true, and returns that; fails the test after `seconds`."""

    def __call__(self, condition: Callable[[], T], seconds: float = 60.0) -> T: ...


@pytest.fixture
def poll() -> Poll:
    """Waits for a condition: `poll(lambda: len(frames) > 3)`."""
    return wait_for


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Printed:
    """What the test prints."""
    return Printed(capfd)


@pytest.fixture
def camera() -> Iterator[Cameras]:
    """Starts synthetic cameras: `camera().url`, `camera("--count", "3", "--size", "640x360").urls`."""
    command = valkka_command()
    started: list[Camera] = []

    def start(*options: str) -> Camera:
        started.append(Camera(command, options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    """A screen in memory; DISPLAY is set to it while the test runs."""
    screen = Display(program("Xvfb"))
    monkeypatch.setenv("DISPLAY", screen.name)
    yield screen
    screen.close()


@pytest.fixture
def device(tmp_path: Path) -> dict[str, str]:
    """The environment in which a process has a camera at DEVICE: H.264, 100 pictures a second, played by a library."""
    library, stream, pictures = (tmp_path / name for name in ("camera.so", "stream.h264", "pictures"))
    source = REPOSITORY / "crates/av/tests/device/camera.c"
    subprocess.run(
        [program("cc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=STARTUP_SECONDS
    )
    scene = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2"]
    encode = ["-c:v", "libx264", "-g", "10", "-bf", "0", "-bsf:v", "h264_metadata=aud=insert", "-f", "h264"]
    quiet = ["-nostdin", "-loglevel", "error"]
    subprocess.run([program("ffmpeg"), *quiet, *scene, *encode, stream], check=True, timeout=STARTUP_SECONDS)
    # Each access unit after its length.
    delimiter = b"\0\0\0\1\x09"
    units = [delimiter + unit for unit in stream.read_bytes().split(delimiter)[1:]]
    pictures.write_bytes(b"".join(struct.pack("<I", len(unit)) + unit for unit in units))
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "VALKKA_DEVICE": DEVICE,
        "VALKKA_PICTURES": str(pictures),
        "VALKKA_FORMAT": "H264",
        # Setting up the sanity of memory in the interpreter is slow, and not what is tested.
        "PYTHONDEVMODE": "0",
    }


class Camera:
    """`valkka camera` in a process of its own; `url` is its first stream."""

    def __init__(self, command: str, options: Sequence[str]) -> None:
        self._command = command
        self._options = list(options)
        self._listen = "127.0.0.1:0"
        self.urls: list[str] = []
        self.start()

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Starts it again after `stop` or `kill`, at the same address."""
        arguments = ["camera", "--listen", self._listen, *self._options]
        self._process = spawn([self._command, *arguments], stdout=subprocess.PIPE)
        count = int(self._options[self._options.index("--count") + 1]) if "--count" in self._options else 1
        lines = read_lines(self._process, count)
        self.urls = lines
        self._listen = lines[0].removeprefix("rtsp://").split("/")[0]

    def stop(self) -> None:
        """Ends it as a user would."""
        self._process.terminate()
        reap(self._process)

    def kill(self) -> None:
        """Ends it as a power cut would: nobody is told."""
        self._process.kill()
        reap(self._process)

    def pause(self) -> None:
        """Stops it as a frozen camera: its connections stay, and nothing comes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)


class Display:
    """An X server that draws into memory, with one screen of 1280 × 1024 pixels."""

    SIZE = (1280, 1024)

    def __init__(self, command: str) -> None:
        width, height = self.SIZE
        arguments = ["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0", f"{width}x{height}x24"]
        self._process = spawn([command, *arguments], stdout=subprocess.PIPE)
        self.name = ":" + read_lines(self._process, 1)[0]

    def picture(self) -> Any:
        """What the whole screen shows: an array of height × width × (red, green, blue)."""
        numpy = pytest.importorskip("numpy")
        width, height = self.SIZE
        grab = ["-f", "x11grab", "-draw_mouse", "0", "-video_size", f"{width}x{height}", "-i", self.name]
        raw = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        quiet = ["-nostdin", "-loglevel", "error"]
        done = subprocess.run(
            [program("ffmpeg"), *quiet, *grab, *raw], stdout=subprocess.PIPE, check=True, timeout=STARTUP_SECONDS
        )
        return numpy.frombuffer(done.stdout, numpy.uint8).reshape(height, width, 3)

    def windows(self) -> list[int]:
        """The ids of the top-level windows that are mapped, from the lowest to the highest."""
        with self._connection() as server:
            children = server.screen().root.query_tree().children
            return [child.id for child in children if child.get_attributes().map_state == 2]

    def place(self, window: int, x: int, y: int, width: int, height: int) -> None:
        """Moves and resizes a window, as a window manager would."""
        with self._connection() as server:
            server.create_resource_object("window", window).configure(x=x, y=y, width=width, height=height)
            server.sync()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        server = pytest.importorskip("Xlib.display").Display(self.name)
        yield server
        server.close()

    def close(self) -> None:
        """Ends it, with every window."""
        self._process.kill()
        reap(self._process)


def wait_for(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Calls `condition` until what it returns is true, and returns that; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        # The condition has the last word, so that a machine that stood still for a while does not fail tests.
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            pytest.fail(f"waited {seconds} s in vain; the condition is still {value!r}")
        time.sleep(0.01)


def play(url: str, framefilter: core.FrameFilter, slot: int = 1, **attributes: object) -> core.LiveThread:
    """A thread that receives a stream over TCP and writes it into a filter; `attributes` are those of the context."""
    # Not before: some tests look at what an import does.
    from valkka import core

    thread = core.LiveThread("live")
    context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, url, slot, framefilter)
    context.request_tcp = True
    for attribute, value in attributes.items():
        setattr(context, attribute, value)
    thread.startCall()
    thread.registerStreamCall(context)
    thread.playStreamCall(context)
    return thread


class Printed:
    """What was printed on the standard output so far, by whatever thread.

    Pytest's own `readouterr()` will not do while others print: it reads a file and then empties it, and what comes in
    between is lost. So this reads the same file, and leaves it as it is.
    """

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        # While it captures, descriptor 1 goes to a file.
        self._capfd = capfd
        self._file: int | None = None
        self._bytes = b""
        self._seen = 0

    @property
    def text(self) -> str:
        if self._file is None:
            # Not before the test itself runs: its file is not that of its fixtures.
            self._file = os.dup(1)
            weakref.finalize(self, os.close, self._file)
        while more := os.pread(self._file, 1 << 20, len(self._bytes)):
            self._bytes += more
        return self._bytes.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def find(self, pattern: str) -> list[Any]:
        """All places that match, as `re.findall` gives them; `^` and `$` are the ends of lines."""
        return re.findall(pattern, self.text, re.M)

    def new(self) -> str:
        """What was printed since this was called last."""
        text = self.text
        start, self._seen = self._seen, len(text)
        return text[start:]


def valkka_command() -> str:
    """The `valkka` command: VALKKA_COMMAND, or what cargo built for tests."""
    command = Path(os.environ.get("VALKKA_COMMAND", REPOSITORY / "target/debug/valkka"))
    if not command.exists():
        pytest.skip(f"{command} is not there; `cargo build --package valkka-cli` makes it")
    return str(command)


def program(name: str) -> str:
    """Where a program is that the machine may lack."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed; `make setup` installs it")
    return path


def free_port() -> int:
    """An even port that nobody has for TCP or UDP, nor the one after it.

    It is none of those that the system gives to whoever asks for any: so nobody gets it by chance before it is used.
    """
    for _ in range(1000):
        port = random.randrange(20_000, 32_000, 2)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number, kind in itertools.product((port, port + 1), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("", number))
            return port
    pytest.fail("no port is free")


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a process that ends with this one, however that ends."""
    dies_too = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return subprocess.Popen([*dies_too, *command], stdin=subprocess.DEVNULL, **options)


def reap(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of a process, and closes what is left of it."""
    process.wait(STARTUP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def read_lines(process: subprocess.Popen[bytes], count: int) -> list[str]:
    """The first lines that a process prints."""
    output: IO[bytes] | None = process.stdout
    assert output is not None
    text = b""
    deadline = time.monotonic() + STARTUP_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while text.count(b"\n") < count:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                process.kill()
                pytest.fail(f"{process.args!r} printed {text!r} within {STARTUP_SECONDS} s, no {count} lines")
            part = os.read(output.fileno(), 65536)
            if not part:
                pytest.fail(f"{process.args!r} ended with {process.wait(STARTUP_SECONDS)}, having printed {text!r}")
            text += part
    return text.decode().splitlines()[:count]


_stderr = 2


def pytest_configure(config: pytest.Config) -> None:
    global _stderr
    config.addinivalue_line("markers", "deadline(seconds): how long the test may take; it is ended after that")
    # What pytest captures is lost when the process ends; this one is not captured.
    _stderr = os.dup(2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("deadline")
    seconds = float(marker.args[0]) if marker else DEADLINE_SECONDS
    faulthandler.dump_traceback_later(seconds, exit=True, file=_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("VALKKA_SKIP") == "fail":
        report.outcome = "failed"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"skipped: {report.nodeid}: {reason.removeprefix('Skipped: ')}")
