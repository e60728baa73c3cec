"""The processes of a measurement, as the one that orders them about sees them."""

from __future__ import annotations

import functools
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# For connecting to cameras, and for figures.
PATIENCE_SECONDS = 60.0
# The video is encoded when it is first asked for.
ENCODING_SECONDS = 600.0

DIRECTORY = Path(__file__).resolve().parent
REPOSITORY = DIRECTORY.parents[3]


def python(module: str, **job: Any) -> list[str]:
    """The command line of one of the modules here."""
    return [sys.executable, str(DIRECTORY / f"{module}.py"), json.dumps(job)]


def rust(*arguments: object) -> list[str]:
    """The command line of the Rust benchmark."""
    return [rust_program(), *map(str, arguments)]


@functools.cache
def rust_program() -> str:
    """The program of the Rust benchmark; the first call builds it."""
    command = ["cargo", "bench", "--locked", "--package", "valkka", "--bench", "performance", "--no-run"]
    json_lines = ["--message-format", "json-render-diagnostics"]
    built = subprocess.run([*command, *json_lines], stdout=subprocess.PIPE, cwd=REPOSITORY, check=True)
    for message in map(json.loads, built.stdout.splitlines()):
        if message.get("executable") and message["target"]["name"] == "performance":
            return str(message["executable"])
    raise OSError("cargo built no benchmark")


class Process:
    """A process that says when it is ready, measures between two orders, and reports.

    An order is a byte on its standard input; when that is closed, also because we are gone, it ends.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._name = Path(command[1]).stem if command[0] == sys.executable else command[1]
        self._output = b""
        # OpenCV connects as we do.
        environment = {**os.environ, "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=REPOSITORY, env=environment)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait_until_ready(self) -> None:
        """Waits until it says that it has what it needs."""
        self.line()

    def order(self) -> None:
        """Has it begin, or end, to measure."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def report(self) -> Any:
        """What it has measured."""
        return json.loads(self.line())

    def line(self, seconds: float = PATIENCE_SECONDS) -> str:
        """The next line that it prints."""
        assert self._process.stdout
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._output:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{self._name} said nothing for {seconds:.0f} s")
                part = os.read(self._process.stdout.fileno(), 1 << 16)
                if not part:
                    raise OSError(f"{self._name} ended with {self._process.wait(PATIENCE_SECONDS)}")
                self._output += part
        line, _, self._output = self._output.partition(b"\n")
        return line.decode()

    def end(self) -> None:
        """Has it end, by force if need be."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Load(Process):
    """The cameras; `urls` are their addresses."""

    def __init__(self, streams: int) -> None:
        super().__init__(rust("serve", streams))
        self.urls = [self.line(ENCODING_SECONDS) for _ in range(streams)]
