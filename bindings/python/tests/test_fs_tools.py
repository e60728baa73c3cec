"""What is shown of recordings' times, and the partitions that they can be kept on."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

import conftest
from valkka.fs import findBlockDevices, formatMstimestamp, formatMstimeTuple, tools

# 2026-03-04 05:06:59.999 in UTC.
TIME = 1_772_600_819_999


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is none whose disks hang."""
    monkeypatch.setattr(tools, "SFDISK_SECONDS", 60.0)


@pytest.fixture
def helsinki(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is two hours ahead of UTC, without a database of time zones."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "EET-2")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def sbin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where `sfdisk` is looked for, and nowhere else; the disks are a and b."""
    monkeypatch.setattr(tools, "disks", lambda: ["/dev/a", "/dev/b"])
    monkeypatch.setattr(tools, "SBIN", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    return tmp_path


@pytest.mark.usefixtures("helsinki")
def test_times() -> None:
    assert formatMstimestamp(TIME) == "4.3 / 7:6"
    assert formatMstimestamp(numpy.int64(TIME)) == "4.3 / 7:6"
    assert formatMstimestamp(float(TIME)) == "4.3 / 7:6"
    assert formatMstimestamp(-1) == "1.1 / 1:59"
    assert formatMstimeTuple((0, TIME)) == "(1.1 / 2:0 ==> 4.3 / 7:6)"
    assert formatMstimeTuple((0, 0)) == "(1.1 / 2:0 ==> 1.1 / 2:0)"
    assert formatMstimeTuple(None) == "<NONE>"
    with pytest.raises((OverflowError, OSError, ValueError)):
        formatMstimestamp(1 << 80)


def test_whole_disks_are_looked_at_and_not_their_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["nvme0n1p1", "nvme0n1", "nvme0", "sdaa", "sda", "sda1", "sr0", "null", "nvme10n2"]
    monkeypatch.setattr(os, "listdir", lambda _: there)
    assert tools.disks() == ["/dev/nvme0n1", "/dev/nvme10n2", "/dev/sda", "/dev/sdaa"]


def test_partitions_of_real_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tools.SBIN}")
    sfdisk = conftest.program("sfdisk")
    disk = make_disk(sfdisk, tmp_path / "disk", "label: gpt\nsize=4M, type=S\nsize=3M, type=S\nsize=2M, type=L\n")
    old = make_disk(sfdisk, tmp_path / "old", "label: dos\nsize=4M, type=S\n")
    empty = make_disk(sfdisk, tmp_path / "empty")
    monkeypatch.setattr(tools, "disks", lambda: [empty, str(tmp_path / "none"), old, disk])
    found = findBlockDevices()
    assert sorted(found.values()) == [(f"{disk}1", 4 << 20), (f"{disk}2", 3 << 20)]
    assert all(uuid == uuid.lower() and len(uuid) == 36 for uuid in found)


def test_partitions_of_all_disks(sbin: Path) -> None:
    answers = {
        "/dev/a": printed(swap("/dev/a1", "AB-1", 8)),
        "/dev/b": printed(swap("/dev/b1", "AB-2", 9), sector=4096),
    }
    cases = "".join(f"'--json {disk}') echo '{answer}' ;;\n" for disk, answer in answers.items())
    script(sbin, f'case "$*" in\n{cases}esac')
    assert findBlockDevices() == {"ab-1": ("/dev/a1", 8 * 512), "ab-2": ("/dev/b1", 9 * 4096)}


def test_without_sfdisk_there_are_none(sbin: Path) -> None:
    assert findBlockDevices() == {}


@pytest.mark.parametrize("answer", ["exit 1", "echo 'no JSON'", "printf '\\377'", ":", "kill -9 $$"])
def test_sfdisk_that_fails(sbin: Path, answer: str) -> None:
    script(sbin, answer)
    assert findBlockDevices() == {}


def test_a_program_that_is_none(sbin: Path) -> None:
    command = sbin / "sfdisk"
    command.write_bytes(b"\x7fELF")
    command.chmod(0o755)
    assert findBlockDevices() == {}


def test_disks_that_hang(sbin: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tools, "SFDISK_SECONDS", 0.1)
    script(sbin, "exec /bin/sleep 100")
    with caplog.at_level(logging.WARNING):
        assert findBlockDevices() == {}
    assert [record.args for record in caplog.records] == [("/dev/a", 0.1), ("/dev/b", 0.1)]


@pytest.mark.parametrize(
    "table",
    [
        *["", "[]", "1", "{}", "null", '"partitiontable"', "[" * 100_000],
        *['{"partitiontable": null}', '{"partitiontable": {"partitions": 1}}'],
        '{"partitiontable": {"partitions": [], "sectorsize": "large"}}',
    ],
)
def test_tables_that_are_none(table: str) -> None:
    assert tools.swap_partitions(table) == {}


def test_partitions_that_are_none() -> None:
    sound = swap("/dev/a1", "AB", 8)
    wrong = [None, 1, [], {}, {**sound, "type": 82}, {**sound, "uuid": None}, {**sound, "size": "x"}]
    assert tools.swap_partitions(printed(*wrong, sound)) == {"ab": ("/dev/a1", 8 * 512)}


def swap(node: str, uuid: str, size: int) -> dict[str, object]:
    """A partition as `sfdisk` prints it."""
    return {"node": node, "start": 2048, "size": size, "type": tools.SWAP.upper(), "uuid": uuid}


def printed(*partitions: object, sector: int | None = None) -> str:
    """A table as `sfdisk` prints it; old versions say nothing of sectors."""
    said = {} if sector is None else {"sectorsize": sector}
    return json.dumps({"partitiontable": {"label": "gpt", "unit": "sectors", **said, "partitions": partitions}})


def script(directory: Path, body: str) -> None:
    """Has `sfdisk` do something else."""
    command = directory / "sfdisk"
    command.write_text(f"#!/bin/sh\n{body}\n")
    command.chmod(0o755)


def make_disk(sfdisk: str, path: Path, layout: str = "") -> str:
    """Makes the image of a disk, with a partition table unless there is no layout."""
    with path.open("wb") as image:
        image.truncate(20 << 20)
    if layout:
        subprocess.run([sfdisk, "--quiet", str(path)], input=layout, text=True, check=True, timeout=30)
    return str(path)
