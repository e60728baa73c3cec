"""What is said on the standard output, and how much of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


# Descriptor 1 is a pipe that a thread of the same interpreter reads, as soon as somebody waits for it.
PIPE = """
import os, sys, threading, time
from valkka import core

def fill(pipe):
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"." * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(pipe, True)

def waits(thread):
    # The number of a call of the system, and its first argument: the descriptor.
    with open(f"/proc/self/task/{thread}/syscall") as file:
        return file.read().split()[1:2] == ["0x1"]

def read(pipe, thread, said, returned):
    while not (waits(thread) or returned.is_set()):
        time.sleep(0.01)
    while b"END" not in said:
        said += os.read(pipe, 1 << 16)

def speak(name, call):
    source, sink = os.pipe()
    os.dup2(sink, 1)
    os.close(sink)
    fill(1)
    said, returned = bytearray(), threading.Event()
    reader = threading.Thread(target=read, args=(source, threading.get_native_id(), said, returned))
    reader.start()
    call()
    returned.set()
    os.write(1, b"END")
    reader.join()
    os.close(source)
    print(name, bytes(said).strip(b".").removesuffix(b"END").decode(), end="", file=sys.stderr)

end = core.DummyFrameFilter("end", verbose=False)
store = core.ValkkaFS(sys.argv[1] + "/data", sys.argv[1] + "/table", 4096, 4)
writing, reading = core.ValkkaFSWriterThread("w", store), core.ValkkaFSReaderThread("r", store, end)
holder = core.ValkkaFSWriterThread("h", store)
holder.startCall()
live, file, cache = core.LiveThread("l"), core.FileThread("f"), core.FileCacheThread("c")
usb, fd, screen = core.USBDeviceThread("u"), core.FDWriteThread("d"), core.OpenGLThread("o")
fork, switch = core.ForkFrameFilterN("n"), core.Switch("s")
fork.connect("there", end)

def with_slot(context, slot=999, **fields):
    for name, value in {"slot": slot, **fields}.items():
        setattr(context, name, value)
    return context

connection = lambda slot: core.LiveConnectionContext(core.LiveConnectionType_rtsp, "rtsp://127.0.0.1/", slot, end)
CALLS = {
    "affinity": lambda: live.setAffinity(1 << 20),
    "register": lambda: live.registerStreamCall(connection(999)),
    "play": lambda: live.playStreamCall(connection(9)),
    "stop": lambda: live.stopStreamCall(connection(9)),
    "untyped": lambda: live.registerStreamCall(core.LiveConnectionContext()),
    "outbound": lambda: live.registerOutboundCall(with_slot(core.LiveOutboundContext())),
    "open": lambda: file.openFileStreamCall(with_slot(core.FileContext(), 1)),
    "slot": lambda: file.openFileStreamCall(with_slot(core.FileContext())),
    "seek": lambda: file.seekFileStreamCall(with_slot(core.FileContext(), 1)),
    "window": lambda: screen.makeCurrent(7),
    "view": lambda: screen.newRenderContextCall(999, 1, 1),
    "short": lambda: core.OpenGLThread("short", msbuftime=1),
    "write": lambda: writing.setSlotIdCall(999, 1),
    "writeNot": lambda: writing.unSetSlotIdCall(1),
    "read": lambda: reading.setSlotIdCall(1, 0),
    "readNot": lambda: reading.unSetSlotIdCall(1),
    "cache": lambda: cache.registerStreamCall(core.FileStreamContext(999, end)),
    "cacheNot": lambda: cache.deregisterStreamCall(core.FileStreamContext(999, end)),
    "usb": lambda: usb.playCameraStreamCall(with_slot(core.USBCameraConnectionContext())),
    "usbNot": lambda: usb.stopCameraStreamCall(with_slot(core.USBCameraConnectionContext(), 3)),
    "fd": lambda: fd.registerStreamCall(with_slot(core.FDWriteContext())),
    "fdBad": lambda: fd.registerStreamCall(with_slot(core.FDWriteContext(), 1, fd=-1)),
    "fdNot": lambda: fd.deregisterStreamCall(with_slot(core.FDWriteContext())),
    "clearTable": lambda: store.clearTable(),
    "clearDevice": lambda: store.clearDevice(),
    "size": lambda: core.ValkkaFS(sys.argv[1] + "/data2", sys.argv[1] + "/table2", 4097, 4),
    "meta": lambda: core.FragMP4MuxFrameFilter("m", end).sendMeta(),
    "connect": lambda: fork.connect("there", end),
    "channel": lambda: switch.setChannel(9),
    "input": lambda: switch.getInputChannel(9),
}
for name, call in CALLS.items():
    speak(name, call)
holder.stopCall()
"""


def test_nobody_has_the_interpreter_while_it_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PIPE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "XDG_SESSION_TYPE": "x11"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    silent = [line for line in lines if len(line.split()) < 3]
    assert len(lines) == PIPE.count(": lambda: ") and silent == [], done.stderr


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
