"""What runs, is stopped and is killed in test_chaos.py: servers and readers of shared memory, each a process.

    python chaos_roles.py ROLE STATUS NAME [ADDRESS OF A CAMERA]

What a process has seen goes into the file STATUS, which outlives it. SIGTERM ends it as a program ends that has
everything running: by an exception in its main thread.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy

from valkka import core
from valkka.api2 import FragMP4ShmemClient, ShmemClient, ShmemRGBClient

CELLS = 8
BYTES = 1 << 20
# Of numbered pictures, and of pictures of a camera.
NUMBERED = (160, 120)
SCALED = (80, 45)
# How long a pull waits.
PATIENCE_MS = 500


class Status(NamedTuple):
    """What a process has seen since it was started."""

    pid: int = 0
    frames: int = 0
    # Frames that were not what they should be.
    faults: int = 0
    # When the newest frame came, and the longest time without one, in seconds of the monotonic clock.
    newest: float = 0.0
    gap: float = 0.0


class StatusFile:
    """A status that one process writes and another reads."""

    _FORMAT = struct.Struct("<qqqdd")

    def __init__(self, path: str) -> None:
        with open(path, "a+b") as file:
            file.truncate(mmap.PAGESIZE)
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def write(self, status: Status) -> None:
        self._FORMAT.pack_into(self._map, 0, *status)

    def read(self) -> Status:
        return Status(*self._FORMAT.unpack_from(self._map, 0))


# Servers.


def pushes(name: str, seen: Callable[[str], None]) -> NoReturn:
    """Pictures, each with its number and a check sum of the rest."""
    ring = core.SharedMemRingBufferRGB(name, CELLS, *NUMBERED, 0, True)
    noise = numpy.random.default_rng(1).integers(0, 256, NUMBERED[0] * NUMBERED[1] * 3, numpy.uint8)
    number = 0
    while True:
        number += 1
        picture = numpy.roll(noise, number * 7919)
        picture[:8] = numpy.frombuffer(struct.pack("<Q", number), numpy.uint8)
        picture[8:12] = numpy.frombuffer(struct.pack("<I", zlib.crc32(picture[12:].data)), numpy.uint8)
        slot, stamp = number % 256, int(time.time() * 1000)
        pushed = ring.serverPushPyRGB(picture.reshape(NUMBERED[1], NUMBERED[0], 3), slot, stamp)
        seen("" if pushed else "not pushed")
        time.sleep(0.02)


def serves(name: str, seen: Callable[[str], None], address: str) -> NoReturn:
    """A camera as pictures, as fragmented MP4 and as it comes."""
    pictures = core.RGBShmemFrameFilter(name + "-rgb", CELLS, *SCALED)
    event = core.EventFd()
    pictures.useFd(event)
    interval = core.TimeIntervalFrameFilter("interval", 30, core.SwScaleFrameFilter("scale", *SCALED, pictures))
    decoder = core.AVThread("decoder", interval)
    muxer = core.FragMP4MuxFrameFilter("muxer", core.FragMP4ShmemFrameFilter(name + "-mp4", CELLS, BYTES))
    muxer.activate()
    raw = core.ShmemFrameFilter(name + "-raw", CELLS, BYTES)
    context = core.LiveConnectionContext(
        core.LiveConnectionType_rtsp, address, 1, core.ForkFrameFilter3("fork", decoder.getFrameFilter(), muxer, raw)
    )
    context.msreconnect = 1000
    context.request_tcp = True
    live = core.LiveThread("live")
    decoder.startCall()
    decoder.decodingOnCall()
    live.startCall()
    live.registerStreamCall(context)
    live.playStreamCall(context)
    while True:
        if select.select([event.getFd()], [], [], 1)[0]:
            event.clear()
            seen("")


# Readers: each yields what is wrong with a frame, mostly nothing (""), or None if none came.


class Pulled(NamedTuple):
    cell: int
    size: int
    slot: int
    stamp: int


def pulled_by_level_1(ring: Any) -> Pulled | None:
    index, size, _, _, slot, stamp = ring.clientPullPy()
    return Pulled(index, size, slot, stamp) if index >= 0 else None


def pulled_by_level_2(client: Any) -> Pulled | None:
    index, meta = client.pullFrame()
    return Pulled(index, meta.size, meta.slot, meta.mstimestamp) if index is not None else None


def waiting(event: Any, pull: Callable[[], Pulled | None]) -> Callable[[], Pulled | None]:
    """Pulls when an event says so, or has said nothing for long: a new writer is found by pulling."""

    def pull_then() -> Pulled | None:
        select.select([event.getFd()], [], [], PATIENCE_MS / 1000)
        return pull()

    return pull_then


def reads_numbered(name: str, way: str) -> Iterator[str | None]:
    """Each picture is whole, and stays so while the next one is pulled."""
    client: Any
    if "level-2" in way:
        client = ShmemRGBClient(
            name=name, n_ringbuffer=CELLS, width=NUMBERED[0], height=NUMBERED[1], mstimeout=PATIENCE_MS
        )
        arrays, use, pull = client.shmem_list, client.useEventFd, lambda: pulled_by_level_2(client)
    else:
        client = core.SharedMemRingBufferRGB(name, CELLS, *NUMBERED, PATIENCE_MS)
        arrays, use, pull = client.getBufferListPy(), client.clientUseFd, lambda: pulled_by_level_1(client)
    if "event" in way:
        event = core.EventFd()
        use(event)
        pull = waiting(event, pull)
    before: tuple[Any, int] | None = None
    while True:
        pulled = pull()
        if pulled is None:
            yield None
            continue
        picture = arrays[pulled.cell][: pulled.size]
        number = checked(picture)
        if number is None or number % 256 != pulled.slot:
            yield f"torn: {number} {pulled}"
        elif before is not None and checked(before[0]) != before[1]:
            yield f"{before[1]} has changed, which was pulled before {number}"
        else:
            yield ""
        before = None if number is None else (picture, number)


def checked(picture: Any) -> int | None:
    """The number of a picture, if it is whole."""
    number, check = struct.unpack_from("<QI", picture)
    return number if zlib.crc32(picture[12:].data) == check else None


def reads_pictures(name: str) -> Iterator[str | None]:
    """Pictures of the synthetic camera: of all brightnesses and colours, and not from long ago."""
    client = core.SharedMemRingBufferRGB(name + "-rgb", CELLS, *SCALED, PATIENCE_MS)
    arrays = client.getBufferListPy()
    while True:
        pulled = pulled_by_level_1(client)
        if pulled is None:
            yield None
            continue
        picture = arrays[pulled.cell][: pulled.size].reshape(SCALED[1], SCALED[0], 3)
        colourful = picture.std() > 20 and numpy.ptp(picture.astype(int), axis=2).max() > 50
        # Times are corrected when a stream comes late or in bursts: they may go back.
        recent = abs(pulled.stamp / 1000 - time.time()) < 60
        yield "" if colourful and recent and pulled.slot == 1 else f"{pulled}, spread {picture.std()}"


def reads_boxes(name: str) -> Iterator[str | None]:
    """Boxes that have the size and the name that they say."""
    client: Any = FragMP4ShmemClient(name=name + "-mp4", n_ringbuffer=CELLS, n_size=BYTES, mstimeout=PATIENCE_MS)
    while True:
        index, meta = client.pullFrame()
        if index is None:
            yield None
            continue
        size, kind = struct.unpack_from(">I4s", client.shmem_list[index])
        fits = size == meta.size and kind.decode() == meta.name and meta.name in ("ftyp", "moov", "moof", "mdat")
        yield "" if fits else f"{kind!r} of {size} bytes, said to be {meta.name} of {meta.size}"


def reads_units(name: str) -> Iterator[str | None]:
    """NAL units behind start codes."""
    client: Any = ShmemClient(name=name + "-raw", n_ringbuffer=CELLS, n_bytes=BYTES, mstimeout=PATIENCE_MS)
    while True:
        unit = client.pullBytes()
        if unit is None:
            yield None
        else:
            fits = unit[:4] == b"\0\0\0\1" and len(unit) > 4 and not unit[4] & 0x80
            yield "" if fits else f"{len(unit)} bytes: {unit[:8]!r}"


READERS: dict[str, Callable[[str], Iterator[str | None]]] = {
    "level-1": lambda name: reads_numbered(name, "level-1"),
    "level-1-event": lambda name: reads_numbered(name, "level-1-event"),
    "level-2": lambda name: reads_numbered(name, "level-2"),
    "level-2-event": lambda name: reads_numbered(name, "level-2-event"),
    "pictures": reads_pictures,
    "boxes": reads_boxes,
    "units": reads_units,
}


def end(_number: int, _frame: Any) -> NoReturn:
    sys.exit(0)


def main() -> None:
    role, path, name, *address = sys.argv[1:]
    signal.signal(signal.SIGTERM, end)
    file = StatusFile(path)
    status = Status(pid=os.getpid(), newest=time.monotonic())
    file.write(status)

    def seen(fault: str) -> None:
        nonlocal status
        if fault:
            print(f"fault: {fault}", file=sys.stderr, flush=True)
        now = time.monotonic()
        # The time before the first frame is its start.
        gap = max(status.gap, now - status.newest) if status.frames else 0.0
        status = Status(status.pid, status.frames + 1, status.faults + bool(fault), now, gap)
        file.write(status)

    if role == "pushes":
        pushes(name, seen)
    if role == "serves":
        serves(name, seen, *address)
    for fault in READERS[role](name):
        if fault is not None:
            seen(fault)


if __name__ == "__main__":
    main()
