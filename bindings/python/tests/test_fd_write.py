"""FDWriteThread: what a program reads from a pipe."""

from __future__ import annotations

import os
import select
import subprocess
import time

from conftest import Cameras, Poll, Printed, play, program
from valkka.core import (
    FDWriteContext,
    FDWriteThread,
    FrameFifoContext,
)

SLOT = 5


def read(fd: int, count: int, seconds: float = 60.0) -> bytes:
    """So many bytes, or what comes before the end."""
    data = b""
    deadline = time.monotonic() + seconds
    while len(data) < count:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{len(data)} of {count} bytes came"
        part = os.read(fd, count - len(data))
        if not part:
            break
        data += part
    return data


def test_a_pipe_gets_a_stream_that_others_decode(camera: Cameras) -> None:
    writer = FDWriteThread("writer", FrameFifoContext())
    reader, end = os.pipe()
    context = FDWriteContext(end, SLOT)
    writer.registerStreamCall(context)
    # It has a descriptor of its own: this one stays the program's.
    os.close(end)
    writer.startCall()
    live = play(camera("--size", "320x240").url, writer.getFrameFilter(), SLOT)
    data = read(reader, 60_000)
    # From a key frame on: access unit delimiter or parameter sets first.
    assert data[:4] == b"\0\0\0\1" and data[4] & 31 in (7, 9)
    command = [program("ffmpeg"), "-loglevel", "error", "-f", "h264", "-i", "-", "-frames:v", "5", "-f", "null", "-"]
    # Up to the last picture that is whole; what it reads behind five pictures, it may decode or not.
    start = b"\0\0\0\1"
    units = data.split(start)[:-1]
    while units[-1][0] & 31 not in (1, 5):
        units.pop()
    decoded = subprocess.run(command, input=start.join(units), capture_output=True, timeout=60)
    assert decoded.returncode == 0 and decoded.stderr == b""
    # Taken away, the pipe is at its end.
    writer.deregisterStreamCall(context)
    while read(reader, 1 << 20):
        pass
    live.stopCall()
    writer.stopCall()
    os.close(reader)


def test_what_cannot_be_written_is_said(camera: Cameras, poll: Poll, printed: Printed) -> None:
    writer = FDWriteThread(name="writer")
    writer.startCall()
    reader, end = os.pipe()
    writer.registerStreamCall(FDWriteContext(end, SLOT))
    writer.registerStreamCall(FDWriteContext(end, SLOT))
    writer.registerStreamCall(FDWriteContext(reader, 6))
    writer.registerStreamCall(FDWriteContext(-1, 7))
    writer.registerStreamCall(FDWriteContext(end, 256))
    writer.deregisterStreamCall(FDWriteContext(end, 8))
    live = play(camera("--size", "320x240").url, writer.getFrameFilter(), SLOT)
    read(reader, 1000)
    os.close(reader)
    os.close(end)
    poll(lambda: "FDWriteThread: writer: slot 5 is not written: Broken pipe" in printed.text)
    live.stopCall()
    writer.stopCall()
    for line in (
        "slot 5 is reserved",
        "slot 6 is not written: the descriptor is not open for writing",
        "slot 7 is not written: file descriptor -1: Bad file descriptor",
        "slot 256 is not from 0 to 255",
        "nothing at slot 8",
    ):
        assert f"FDWriteThread: writer: {line}" in printed.text, line


def test_a_reader_that_reads_nothing_holds_nobody_up(camera: Cameras) -> None:
    writer = FDWriteThread("writer")
    writer.startCall()
    stuck, stuck_end = os.pipe()
    reader, end = os.pipe()
    writer.registerStreamCall(FDWriteContext(stuck_end, SLOT))
    writer.registerStreamCall(FDWriteContext(end, SLOT + 1))
    url = camera("--size", "320x240").url
    live = play(url, writer.getFrameFilter(), SLOT)
    other = play(url, writer.getFrameFilter(), SLOT + 1)
    # Many times what a pipe holds.
    assert len(read(reader, 300_000)) == 300_000
    live.stopCall()
    other.stopCall()
    writer.stopCall()
    for fd in (stuck, stuck_end, reader, end):
        os.close(fd)
