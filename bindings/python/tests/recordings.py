"""Recordings as the C++ libValkka makes them, byte by byte: for tests that need one without waiting for it.

The format is described in docs/store-format.md.
"""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from conftest import program

# Of the pictures: how long each is shown, and how many lie between two key frames.
INTERVAL_MS = 100
GOP = 10

# A moment of the year 2026, in milliseconds, at the beginning of a second.
START = 1_772_600_819_000

H264 = 28
HEADER = struct.Struct("<QiqiiQ")


class Picture(NamedTuple):
    """An access unit of H.264, as its NAL units with their start codes."""

    units: list[bytes]
    key: bool


class Stream(NamedTuple):
    """A stream to be recorded."""

    id: int
    pictures: Sequence[Picture]
    start: int = START


def make_pictures(path: Path, count: int) -> list[Picture]:
    """Encodes pictures; `path` is a file for the encoder."""
    rate, seconds = 1000 // INTERVAL_MS, count * INTERVAL_MS / 1000
    scene = ["-f", "lavfi", "-i", f"testsrc2=size=64x48:rate={rate}:duration={seconds}"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-g", str(GOP), "-bf", "0", "-sc_threshold", "0"]
    plain = ["-bsf:v", "h264_metadata=aud=insert", "-f", "h264", "-y"]
    quiet = ["-nostdin", "-loglevel", "error"]
    subprocess.run([program("ffmpeg"), *quiet, *scene, *encode, *plain, path], check=True, timeout=120)
    # Each after a delimiter, which is left out; start codes of three bytes become four.
    parts = path.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
    pictures: list[Picture] = []
    for part in parts:
        kind = part[0] & 31
        if kind == 9:
            pictures.append(Picture([], len(pictures) % GOP == 0))
        elif kind != 6:
            pictures[-1].units.append(b"\0\0\0\1" + part)
    assert len(pictures) == count
    return pictures


def write_recording(
    directory: Path, streams: Sequence[Stream], *, blocksize: int = 16 << 10, n_blocks: int = 0, first_key: bool = True
) -> dict[str, object]:
    """Makes a recording of the older format; returns what its JSON file says.

    The frames of all streams are in the order of their times. The table has the time of the first key frame of each
    block, or of the last one. Without `n_blocks` there are as many as are needed, and one more.
    """
    frames = sorted(
        (stream.start + index * INTERVAL_MS, stream.id, picture)
        for stream in streams
        for index, picture in enumerate(stream.pictures)
    )
    blocks, table = [bytearray()], [[0, 0]]
    for time, number, picture in frames:
        records = b"".join(HEADER.pack(number, 0, time, 0, H264, len(unit)) + unit for unit in picture.units)
        if len(blocks[-1]) + len(records) + 8 > blocksize:
            blocks.append(bytearray())
            table.append([0, 0])
        blocks[-1] += records
        row = table[-1]
        if picture.key and not (first_key and row[0]):
            row[0] = time
        row[1] = time
    count = n_blocks or len(blocks) + 1
    assert len(blocks) <= count
    directory.mkdir()
    (directory / "dumpfile").write_bytes(b"".join(bytes(block).ljust(blocksize, b"\0") for block in blocks))
    rows = [*table, *[[0, 0]] * (count - len(blocks))]
    (directory / "blockfile").write_bytes(b"".join(struct.pack("<qq", *row) for row in rows))
    said: dict[str, object] = {
        "dumpfile": str(directory / "dumpfile"),
        "partition_uuid": None,
        "blockfile": str(directory / "blockfile"),
        "blocksize": blocksize,
        "n_blocks": count,
        "current_block": len(blocks) % count,
        "jsonfile": str(directory / "valkkafs.json"),
    }
    (directory / "valkkafs.json").write_text(json.dumps(said) + "\n")
    return said
