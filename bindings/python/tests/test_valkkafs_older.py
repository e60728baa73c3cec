"""Stores of the C++ libValkka at level 1: they are read, and written on as they are."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

import valkka.core as core
from conftest import Cameras, Poll, Printed, program
from stores import SIZE, Folder, Frame, Recording, table


@pytest.fixture
def folder(tmp_path: Path, poll: Poll, printed: Printed) -> Folder:
    return Folder(tmp_path, poll, printed)


OLD_ID = 5


def old_record(one: int, time_ms: int, payload: bytes, codec: int = 28) -> bytes:
    return struct.pack("<QiqiiQ", one, 0, time_ms, 0, codec, len(payload)) + payload


def units(data: bytes) -> Iterator[bytes]:
    for part in data.split(b"\0\0\0\1")[1:]:
        yield b"\0\0\0\1" + part


@pytest.fixture
def pictures(tmp_path: Path) -> list[list[bytes]]:
    """Access units of H.264 as their NAL units; each tenth is a key frame."""
    stream = tmp_path / "stream.h264"
    scene = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2"]
    encode = ["-c:v", "libx264", "-g", "10", "-bf", "0", "-preset", "ultrafast", "-x264-params", "slices=1"]
    start = ["-bsf:v", "h264_metadata=aud=insert", "-f", "h264"]
    quiet = ["-nostdin", "-loglevel", "error"]
    subprocess.run([program("ffmpeg"), *quiet, *scene, *encode, *start, stream], check=True, timeout=60)
    data = stream.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").replace(b"\0\0\1", b"\0\0\0\1")
    found: list[list[bytes]] = []
    for unit in units(data):
        if unit[4] & 31 == 9:
            found.append([])
        elif unit[4] & 31 in (1, 5, 7, 8):
            found[-1].append(unit)
    return found


def write_old(folder: Folder, pictures: list[list[bytes]], blocksize: int, n_blocks: int) -> list[tuple[int, int]]:
    """A store as the C++ libValkka leaves it, of as many blocks as are needed; returns the times and types of units."""
    blocks: list[bytes] = [b""]
    rows: list[list[int]] = [[0, 0]]
    expected = []
    for number, picture in enumerate(pictures):
        time_ms = 1_600_000_000_000 + 40 * number
        record = b"".join(old_record(OLD_ID, time_ms, unit) for unit in picture)
        if len(blocks[-1]) + len(record) + 8 > blocksize:
            blocks.append(b"")
            rows.append([0, 0])
        blocks[-1] += record
        rows[-1][1] = time_ms
        if picture[0][4] & 31 == 7:
            rows[-1][0] = time_ms
        expected += [(time_ms, unit[4] & 31) for unit in picture]
    assert len(blocks) <= n_blocks
    data = b"".join(block.ljust(blocksize, b"\0") for block in blocks)
    (folder.path / "dumpfile").write_bytes(data)
    table_bytes = b"".join(struct.pack("<qq", *row) for row in rows).ljust(16 * n_blocks, b"\0")
    (folder.path / "blockfile").write_bytes(table_bytes)
    return expected


def times_and_types(frames: list[Frame]) -> list[tuple[int, int]]:
    return [(int(frame[0]), int(frame[4].split("=")[1])) for frame in frames]


def test_a_store_of_the_older_format_is_read_and_written_on(
    folder: Folder, pictures: list[list[bytes]], camera: Cameras
) -> None:
    blocksize, n_blocks = 128 << 10, 128
    expected = write_old(folder, pictures, blocksize, n_blocks)
    store = folder.store(n_blocks=n_blocks, blocksize=blocksize)
    before = table(store)
    used = int((before[:, 1] > 0).sum())
    assert before[0].tolist() != [0, 0] and used < n_blocks - 8
    assert times_and_types(folder.read(store, range(used), ids=(OLD_ID,))) == expected
    tool = core.ValkkaFSTool(store)
    folder.printed.new()
    tool.dumpBlock(0)
    assert len(re.findall(rf"^\[{OLD_ID}\] <BasicFrame", folder.printed.new(), re.M)) > 10
    # Writing goes on in the same format.
    store.setCurrentBlock(used)
    recording = Recording(folder, store, camera(*SIZE).url, one=OLD_ID)
    recording.frames(60)
    written = recording.end()
    assert times_and_types(folder.read(store, ids=(OLD_ID,))) == expected + times_and_types(written)
    raw = (folder.path / "blockfile").read_bytes()
    assert len(raw) == 16 * n_blocks
    rows = numpy.frombuffer(raw, dtype=numpy.int64).reshape(n_blocks, 2)
    assert rows[:used].tolist() == before[:used].tolist()
    keys = {int(frame[0]) for frame in written if frame[4] == "H264: slice_type=7"}
    assert rows[used][0] in keys and rows[used][1] == table(store)[used][1]
    # As another program would read it.
    data = (folder.path / "dumpfile").read_bytes()[used * blocksize :]
    found, at = [], 0
    while at + 36 <= len(data):
        one, _, time_ms, _, codec, length = struct.unpack_from("<QiqiiQ", data, at)
        if one == 0:
            break
        assert (one, codec) == (OLD_ID, 28)
        payload = data[at + 36 : at + 36 + length]
        assert payload[:4] == b"\0\0\0\1"
        found.append((time_ms, payload[4] & 31))
        at += 36 + length
    assert found == times_and_types(written)[: len(found)] and len(found) > 10
