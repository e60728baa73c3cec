"""OpenGLThread: pictures of a camera in windows, of its own and of others."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Cameras, Display, Poll, Printed
from valkka.core import (
    AVThread,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
    OpenGLFrameFifoContext,
    OpenGLThread,
)

SLOT = 7

# The camera's bars, from the left.
GREY, YELLOW, CYAN, GREEN_BAR, MAGENTA, RED, BLUE = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
)
GREEN = (0, 255, 0)
BLACK = (0, 0, 0)

# A row in the bars, of a window of 600 lines.
ROW = 300


class Stage:
    """A camera that is decoded and shown: three threads, as programs have them."""

    def __init__(self, url: str, slot: int = SLOT) -> None:
        self.screen = OpenGLThread("screen", OpenGLFrameFifoContext(), 100)
        self.decoder = AVThread("decoder", self.screen.getFrameFilter())
        self.live = LiveThread("live")
        self.context = LiveConnectionContext(LiveConnectionType_rtsp, url, slot, self.decoder.getFrameFilter())
        self.context.request_tcp = True

    @property
    def threads(self) -> list[Any]:
        return [self.live, self.decoder, self.screen]

    def start(self) -> None:
        self.screen.startCall()
        self.decoder.startCall()
        self.live.startCall()
        self.live.registerStreamCall(self.context)
        self.live.playStreamCall(self.context)
        self.decoder.decodingOnCall()

    def window(self) -> int:
        """A window with the camera's picture."""
        window: int = self.screen.createWindow()
        self.screen.newRenderGroupCall(window)
        assert self.screen.newRenderContextCall(SLOT, window, 0) > 0
        return window

    def stop(self) -> None:
        for thread in self.threads:
            thread.stopCall()


@pytest.fixture
def stage(camera: Cameras, display: Display) -> Iterator[Stage]:
    stage = Stage(camera().url)
    stage.start()
    yield stage
    stage.stop()


Sees = Callable[..., None]


@pytest.fixture
def sees(display: Display, poll: Poll) -> Sees:
    """`sees({(x, y): colour})` waits until the screen shows these colours."""

    def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
        return all(abs(int(a) - b) <= 8 for a, b in zip(pixel, colour))

    def wait(pixels: dict[tuple[int, int], tuple[int, int, int]]) -> None:
        def shown() -> bool:
            picture = display.picture()
            return all(near(picture[y, x], colour) for (x, y), colour in pixels.items())

        poll(shown)

    return wait


def test_a_camera_in_a_window_cropped_with_a_rectangle(stage: Stage, sees: Sees) -> None:
    window = stage.window()
    # The window is square: of 1280 columns of the picture it shows the 720 in the middle.
    bars = {(10, ROW): YELLOW, (150, ROW): CYAN, (300, ROW): GREEN_BAR, (450, ROW): MAGENTA, (590, ROW): RED}
    sees(bars)
    other = stage.screen.newRenderContextCall(SLOT, window, 0)
    stage.screen.addRectangleCall(other, left=0.4, right=0.6, top=0.8, bottom=0.5)
    # 512 to 768 of 1280 columns, 144 to 360 of 720 lines.
    sees({**bars, (194, 200): GREEN, (406, 200): GREEN, (250, 121): GREEN, (250, 299): GREEN})
    stage.screen.clearObjectsCall(other)
    sees({**bars, (194, 200): CYAN, (406, 200): MAGENTA})
    stage.screen.delRenderGroupCall(window)
    sees(dict.fromkeys(bars, BLACK))


def test_a_window_of_a_toolkit_that_tells_the_server_of_it_late(stage: Stage, sees: Sees, display: Display) -> None:
    toolkit = Toolkit(display)
    window = toolkit.create(700, 100, 320, 180)
    stage.screen.newRenderGroupCall(window)
    view = stage.screen.newRenderContextCall(SLOT, window, 0)
    stage.screen.waitReady()
    toolkit.show(window)
    left, right, row = 700 + 20, 700 + 300, 100 + 90
    sees({(left, row): GREY, (right, row): BLUE})
    toolkit.resize(window, 160, 90)
    sees({(700 + 10, 100 + 45): GREY, (700 + 150, 100 + 45): BLUE, (right, row): BLACK})
    toolkit.destroy(window)
    sees({(700 + 10, 100 + 45): BLACK})
    # Given up when it has long been gone; the rest goes on.
    stage.screen.delRenderContextCall(view)
    stage.screen.delRenderGroupCall(window)
    stage.window()
    sees({(300, ROW): GREEN_BAR})


def test_a_camera_that_has_gone_shows_the_background(
    camera: Cameras, display: Display, sees: Sees, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = camera()
    stage = Stage(source.url)
    stage.context.msreconnect = 1000
    background = tmp_path / "grey.yuv"
    background.write_bytes(b"\x80" * (1280 * 720 * 3 // 2))
    stage.screen.setStaticTexFile(str(tmp_path / "none.yuv"))
    assert "none.yuv: No such file" in capfd.readouterr().out
    stage.screen.setStaticTexFile(background)
    stage.start()
    stage.window()
    sees({(300, ROW): GREEN_BAR})
    source.kill()
    grey = (130, 130, 130)
    sees({(300, ROW): grey})
    source.start()
    sees({(300, ROW): GREEN_BAR})
    stage.stop()


def test_calls_that_make_no_sense_are_said_and_nothing_else(stage: Stage, poll: Poll, printed: Printed) -> None:
    screen = stage.screen
    window = screen.createWindow(map=False, show=True)
    assert screen.makeCurrent(window) and not screen.makeCurrent(window_id=12345)
    assert screen.newRenderGroupCall(window) is True
    assert screen.newRenderGroupCall(window) is True
    contexts = [screen.newRenderContextCall(SLOT, to, 0) for to in (window, 99, window)]
    assert len({0, *contexts}) == 4
    assert screen.newRenderContextCall(slot=256, window_id=window, z=0) == 0
    for number in (contexts[1], -1, 1 << 40):
        assert screen.delRenderContextCall(number) is True
        screen.addRectangleCall(number, 0.0, 1.0, 1.0, 0.0)
        screen.clearObjectsCall(number)
        screen.delRenderGroupCall(number)
    screen.newRenderGroupCall(-5)
    screen.infoCall()
    for words in (
        "makeCurrent: there is no window 0x3039",
        f"window {window:#x} is registered already",
        f"slot {SLOT} is not shown: window 0x63 is not registered",
        "slot 256 is not from 0 to 255",
        f"there is no view {contexts[1]}",
        f"window {window:#x} (ours)\n    view {contexts[0]}: slot {SLOT}",
    ):
        poll(lambda words=words: words in printed.text)  # type: ignore[misc]
    assert screen.getVsyncAtStartup() == 0


def test_any_order_of_stopping(camera: Cameras, display: Display, sees: Sees) -> None:
    url = camera().url
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]):
        stage = Stage(url)
        stage.start()
        stage.window()
        sees({(300, ROW): GREEN_BAR})
        threads = stage.threads
        for index in order:
            threads[index].requestStopCall()
        for index in order:
            threads[index].waitStopCall()
            threads[index].stopCall()
        with pytest.raises(RuntimeError, match="started once"):
            threads[2].startCall()
        with pytest.raises(RuntimeError, match="cannot make a window"):
            threads[2].createWindow()
        sees({(300, ROW): BLACK})


def test_what_python_forgets_goes(camera: Cameras, display: Display, sees: Sees) -> None:
    stage = Stage(camera().url)
    stage.start()
    stage.window()
    sees({(300, ROW): GREEN_BAR})
    screen = stage.screen
    del stage
    gc.collect()
    # Nobody is left who decodes; the picture does not come again.
    sees({(300, ROW): BLACK})
    del screen
    gc.collect()


def test_without_a_display_only_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    screen = OpenGLThread("screen")
    window = 4711
    screen.newRenderGroupCall(window)
    assert screen.newRenderContextCall(1, window, 0) > 0
    with pytest.raises(RuntimeError, match="screen: cannot make a window"):
        screen.createWindow()
    with pytest.raises(RuntimeError, match="screen: no X display: DISPLAY is not set"):
        screen.startCall()
    screen.stopCall()
    other = OpenGLThread("other", OpenGLFrameFifoContext(), 300, ":4711.1")
    with pytest.raises(RuntimeError, match=r'cannot open X display ":4711.1": \S+'):
        other.startCall()


def test_a_short_buffering_is_warned_of(capfd: pytest.CaptureFixture[str]) -> None:
    OpenGLThread("long", msbuftime=100)
    assert capfd.readouterr().out == ""
    OpenGLThread("short", msbuftime=99)
    assert re.search(r"short: WARNING: .* 99 ms", capfd.readouterr().out)


def test_a_program_may_end_with_everything_running(camera: Cameras, display: Display) -> None:
    program = """
import sys
sys.path[:0] = sys.argv[2:]
from test_screen import Stage

stage = Stage(sys.argv[1])
stage.start()
stage.window()
stage.screen.waitReady()
print("running", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, camera().url, *sys.path], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0 and "running" in done.stdout, (done.stdout, done.stderr)


class Toolkit:
    """A connection to the display of its own, that buffers what it asks for: as Qt has it."""

    def __init__(self, display: Display) -> None:
        name = ctypes.util.find_library("X11")
        if name is None:
            pytest.skip("libX11 is not installed; `make setup` installs it")
        self._x = ctypes.CDLL(name)
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._x.XDefaultRootWindow.restype = self._x.XCreateSimpleWindow.restype = ctypes.c_ulong
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(display.name.encode()))
        assert self._display

    def create(self, x: int, y: int, width: int, height: int) -> int:
        """Makes a window; the server knows of it only when it is shown."""
        root = ctypes.c_ulong(self._x.XDefaultRootWindow(self._display))
        zero = ctypes.c_ulong(0)
        return int(self._x.XCreateSimpleWindow(self._display, root, x, y, width, height, 0, zero, zero))

    def show(self, window: int) -> None:
        self._x.XMapWindow(self._display, ctypes.c_ulong(window))
        self._x.XFlush(self._display)

    def resize(self, window: int, width: int, height: int) -> None:
        self._x.XResizeWindow(self._display, ctypes.c_ulong(window), width, height)
        self._x.XFlush(self._display)

    def destroy(self, window: int) -> None:
        self._x.XDestroyWindow(self._display, ctypes.c_ulong(window))
        self._x.XFlush(self._display)
