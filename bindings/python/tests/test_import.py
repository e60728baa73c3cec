"""Importing starts nothing and connects to nothing; what needs a network or a display needs it when it is started."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import os
import numpy  # It may have threads of its own.

def state():
    threads = os.listdir("/proc/self/task")
    files = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return len(threads), [file for file in files if "socket:" in file]

before = state()
import valkka.core
import valkka.multiprocess
assert state() == before, (before, state())

from valkka.core import *
out = DummyFrameFilter("out", False)
threads = [LiveThread("live"), AVThread("decoder", out), OpenGLThread("screen"), FileThread("file")]
assert state() == before, (before, state())
"""


def test_import_starts_nothing() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60, env=environment)
