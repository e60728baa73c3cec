"""What is said on the standard output, and how much of it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from conftest import Poll, Printed
from valkka import core

LOGGERS = [name for name in dir(core) if name.startswith("setLogLevel_")]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    core.normal_log_all()


def test_levels(capfd: pytest.CaptureFixture[str]) -> None:
    def said() -> bool:
        core.Switch("s").setChannel(9)
        return "wrong channel 9" in capfd.readouterr().out

    assert said()
    core.setLogLevel_filterlogger(-1)
    assert not said()
    core.setLogLevel_filterlogger(1)
    assert said()
    core.fatal_log_all()
    assert not said()
    for louder in (core.normal_log_all, core.debug_log_all, core.crazy_log_all):
        louder()
        assert said()
    core.quiet_log_all()
    assert not said()


def test_a_cpu_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    thread = core.LiveThread("live")
    thread.setAffinity(1 << 20)
    assert "Thread: live: setAffinity: there is no CPU 1048576 of " in capfd.readouterr().out
    core.quiet_log_all()
    thread.setAffinity(1 << 20)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", LOGGERS)
def test_each_logger_has_its_level(name: str) -> None:
    for level in (-3, -2, -1, 0, 1, 2, 3, 100):
        getattr(core, name)(level)


def test_ffmpeg_has_its_own() -> None:
    for level in (-8, 0, 8, 16, 24, 32, 56):
        core.ffmpeg_av_log_set_level(level)
    core.ffmpeg_av_log_set_level(-8)


def test_the_crates_below_speak_by_the_loggers(printed: Printed, poll: Poll) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"rtsp://user:secret@127.0.0.1:{closed.getsockname()[1]}/"
        live = core.LiveThread("live")
        live.startCall()

        def play(slot: int) -> None:
            end = core.DummyFrameFilter("end")
            context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, url, slot, end)
            live.registerStreamCall(context)
            live.playStreamCall(context)

        play(1)
        poll(lambda: "Failed to get a SDP description" in printed.text)
        assert "offline host=" not in printed.text
        core.setLogLevel_livelogger(2)
        play(2)
        poll(lambda: "offline host=127.0.0.1" in printed.text)
        live.stopCall()
    assert "secret" not in printed.text


@pytest.mark.parametrize(
    ("environment", "driver", "warnings"),
    [
        ({"XDG_SESSION_TYPE": "x11"}, "i965", 0),
        ({"XDG_SESSION_TYPE": "wayland"}, "i965", 1),
        ({}, "i965", 1),
        ({"XDG_SESSION_TYPE": "x11", "LIBVA_DRIVER_NAME": "iHD"}, "iHD", 0),
        ({"XDG_SESSION_TYPE": "x11", "VALKKA_LIBVA_DRIVER_NAME": "iHD"}, "iHD", 1),
        ({"XDG_SESSION_TYPE": "x11", "VALKKA_LIBVA_DRIVER_NAME": "i965", "LIBVA_DRIVER_NAME": "iHD"}, "i965", 0),
    ],
)
def test_what_an_import_does(environment: dict[str, str], driver: str, warnings: int) -> None:
    program = (
        "import os, threading\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "import valkka.core\n"
        "assert len(os.listdir('/proc/self/task')) == before, 'an import starts no thread'\n"
        "print(*(os.environ[name] for name in ('LIBVA_DRIVER_NAME', 'vblank_mode', '__GL_SYNC_TO_VBLANK')))\n"
    )
    paths = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=paths | environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"{driver} 0 0\n", done.stderr
    assert len(done.stderr.splitlines()) == warnings
