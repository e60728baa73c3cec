"""Threads that start when they are made."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from conftest import Cameras, Display, Poll
from valkka import core
from valkka.api2 import FileThread, LiveThread, OpenGLThread, USBDeviceThread

THREADS = [LiveThread, FileThread, USBDeviceThread]


@pytest.mark.parametrize("kind", THREADS)
def test_they_start_and_close(kind: Any) -> None:
    thread = kind(name="one", verbose=True)
    assert (thread.name, thread.affinity, thread.active) == ("one", -1, True)
    with pytest.raises(RuntimeError):
        thread.core.startCall()  # Once only.
    thread.close()
    assert not thread.active
    thread.close()
    again = kind()
    again.requestClose()
    again.waitClose()
    again.close()
    assert not again.active


@pytest.mark.parametrize("kind", THREADS)
def test_they_end_when_collected(kind: Any) -> None:
    for i in range(3):
        kind(name=str(i))
    gc.collect()


def test_names() -> None:
    assert LiveThread().name == "live_thread"
    assert FileThread().name == "file_thread"
    assert USBDeviceThread(n_basic=3, rtsp_server=-1).name == "usb_thread"
    assert LiveThread("by position").name == "by position"
    with pytest.raises(TypeError):
        LiveThread("by position", 20)
    with pytest.raises(TypeError):
        LiveThread("by position", name="and by keyword")


@pytest.mark.parametrize("wrong", [{"nonsense": 1}, {"name": 1}, {"affinity": 1.0}, {"verbose": 1}])
def test_wrong_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(AttributeError):
        LiveThread(**wrong)


def test_input_parameters() -> None:
    thread = LiveThread(n_basic=1, n_setup=2, n_signal=3, flush_when_full=True, affinity=0)
    context = thread.framefifo_ctx
    assert (context.n_basic, context.n_setup, context.n_signal, context.flush_when_full) == (1, 2, 3, True)
    assert isinstance(thread.getInput(), core.FrameFilter)
    assert thread.getInput() is thread.input_filter
    thread.close()


def test_a_stream(camera: Cameras, capfd: pytest.CaptureFixture[str], poll: Poll) -> None:
    thread = LiveThread(name="live")
    context = core.LiveConnectionContext()
    context.connection_type = core.LiveConnectionType_rtsp
    context.address = camera().url
    context.slot = 1
    context.framefilter = core.BriefInfoFrameFilter("brief")
    thread.registerStream(context)
    thread.playStream(context)
    seen: list[str] = []
    poll(lambda: seen.append(capfd.readouterr().out) or "slice_type=5" in "".join(seen))
    thread.stopStream(context)
    thread.deregisterStream(context)
    thread.close()


def test_an_rtsp_server_whose_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=str(port)):
            LiveThread(rtsp_server=port)


def test_a_window(display: Display, poll: Poll) -> None:
    thread = OpenGLThread(name="gl", msbuftime=300, n_4K=3)
    assert (thread.gl_ctx.n_720p, thread.gl_ctx.n_4K) == (20, 3)
    hidden = thread.createWindow(show=False)
    shown = thread.createWindow()
    assert hidden != shown
    poll(lambda: shown in display.windows())
    assert hidden not in display.windows()
    assert thread.hadVsync() in (True, False)

    assert thread.newRenderGroup(shown)
    context = thread.newRenderContext(1, shown, 0)
    other = thread.newRenderContextCall(2, shown)
    assert context > 0 and other > 0 and context != other
    assert thread.delRenderContext(context)
    assert thread.delRenderContext(other)
    assert thread.delRenderGroup(shown)
    thread.close()


def test_connections(display: Display, capfd: pytest.CaptureFixture[str]) -> None:
    thread = OpenGLThread()
    one, two = thread.createWindow(), thread.createWindow()
    tokens = [thread.connect(slot=1, window_id=one), thread.connect(2, one), thread.connect(slot=1, window_id=two)]
    assert len(set(tokens)) == 3
    assert (thread.render_groups, thread.render_counts) == ([one, two], [2, 1])
    assert (thread.tokens, thread.token_to_group) == (tokens, [one, one, two])
    thread.disconnect(tokens[0])
    assert (thread.render_groups, thread.render_counts) == ([one, two], [1, 1])
    thread.disconnect(tokens[1])
    assert (thread.render_groups, thread.tokens, thread.token_to_group) == ([two], [tokens[2]], [two])
    capfd.readouterr()
    thread.disconnect(tokens[0])
    assert "WARNING" in capfd.readouterr().out
    thread.disconnect(tokens[2])
    assert (thread.render_groups, thread.render_counts, thread.tokens) == ([], [], [])
    for slot, window in ((0, one), (1, 0)):
        with pytest.raises(AssertionError):
            thread.connect(slot=slot, window_id=window)
    with pytest.raises(AssertionError):
        thread.disconnect()
    thread.close()


def test_a_window_without_video_shows_the_background(display: Display, poll: Poll) -> None:
    thread = OpenGLThread()
    window = thread.createWindow()
    thread.connect(slot=1, window_id=window)
    display.place(window, 0, 0, 640, 360)

    def word() -> bool:
        picture = display.picture()[:360, :640]
        lit = (picture > 60).all(axis=2).sum()
        return bool(4_000 < lit < 20_000)

    poll(word)
    thread.close()


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4242")
    with pytest.raises(RuntimeError, match="4242"):
        OpenGLThread()


def test_ending_with_everything_running(display: Display) -> None:
    program = """
        from valkka.api2 import *
        threads = [LiveThread(), FileThread(), USBDeviceThread(), OpenGLThread()]
        window = threads[-1].createWindow()
        threads[-1].connect(slot=1, window_id=window)
        print("bye")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.endswith("bye\n")
    assert "Traceback" not in done.stderr
