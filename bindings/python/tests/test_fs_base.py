"""Recordings in their directories: made, opened, filled and found again."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

from conftest import Cameras, Poll, Printed, play, spawn
from recordings import START, Picture, Stream, make_pictures, write_recording
from valkka import core
from valkka.fs import ValkkaFSLoadError, ValkkaMultiFS, ValkkaSingleFS, base
from valkka.fs.thread import ValkkaFSWriterThread

KEYS = ["dumpfile", "partition_uuid", "blockfile", "blocksize", "n_blocks", "current_block", "jsonfile"]

# Blocks of these are filled in about a second by a camera of this size.
BLOCK = 64 << 10
CAMERA = ["--size", "320x180", "--bit-rate", "500000"]

# What is printed of a picture that comes from it.
PICTURE = r"live : <BasicFrame: .* slice_type=[15]>"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "pictures.h264", 200)


def new(directory: Path, n_blocks: int = 8) -> ValkkaSingleFS:
    return ValkkaSingleFS.newFromDirectory(dirname=str(directory), blocksize=BLOCK, n_blocks=n_blocks)


def said(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "valkkafs.json").read_text())
    return found


def test_a_new_one(tmp_path: Path, printed: Printed) -> None:
    directory = tmp_path / "a" / "b"
    valkkafs = ValkkaMultiFS.newFromDirectory(dirname=str(directory), blocksize=10_000, n_blocks=3)
    assert len(printed.lines) == 1 and "3 blocks of 8192 bytes" in printed.lines[0]
    assert said(directory) == {**valkkafs.getPars(), "format": 2}
    assert list(valkkafs.getPars()) == KEYS
    assert (valkkafs.blocksize, valkkafs.n_blocks, valkkafs.current_block) == (8192, 3, 0)
    assert valkkafs.dumpfile == str(directory / "dumpfile")
    assert os.path.getsize(valkkafs.dumpfile) == 3 * 8192
    assert os.stat(valkkafs.dumpfile).st_blocks * 512 >= 3 * 8192, "its room is reserved"
    assert valkkafs.blocktable.shape == (3, 2) and valkkafs.blocktable.dtype == numpy.int64
    assert not valkkafs.blocktable.any()
    assert valkkafs.getTimeRange() is None
    assert valkkafs.getInd((0, 1 << 50)) == [] and valkkafs.getIndNeigh() == []
    assert str(valkkafs) == f"<ValkkaFS {valkkafs.dumpfile}>"
    assert isinstance(valkkafs.core, core.ValkkaFS) and not isinstance(valkkafs.core, core.ValkkaFS2)
    assert isinstance(valkkafs.analyzer, core.ValkkaFSTool)
    assert (valkkafs.core.getBlockSize(), valkkafs.core.get_n_blocks()) == (8192, 3)
    valkkafs.report()
    assert "n_blocks = 3" in printed.text
    other = new(tmp_path / "c")
    assert isinstance(other.core, core.ValkkaFS2)
    assert int(other.getName()) == int(valkkafs.getName()) + 1


def test_relative_paths_stay_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    valkkafs = ValkkaSingleFS.newFromDirectory(dirname="rec", blocksize=4096, device_size=20_000)
    assert valkkafs.n_blocks == 4
    assert (said(tmp_path / "rec")["dumpfile"], valkkafs.jsonfile) == ("rec/dumpfile", "rec/valkkafs.json")
    assert ValkkaSingleFS.loadFromDirectory("rec").blockfile == "rec/blockfile"


def test_a_new_one_in_the_place_of_another(tmp_path: Path) -> None:
    new(tmp_path / "rec")
    (tmp_path / "rec" / "notes").write_text("mine")
    valkkafs = new(tmp_path / "rec", n_blocks=2)
    assert said(tmp_path / "rec")["n_blocks"] == 2
    assert os.path.getsize(str(valkkafs.dumpfile)) == 2 * BLOCK
    assert (tmp_path / "rec" / "notes").read_text() == "mine"


def test_a_new_one_in_the_place_of_an_upgraded_one(tmp_path: Path) -> None:
    directory = tmp_path / "rec"
    new(directory)
    # As an upgrade leaves it.
    (directory / "blockfile").rename(directory / "blockfile.2")
    text = (directory / "valkkafs.json").read_text().replace("/blockfile", "/blockfile.2")
    (directory / "valkkafs.json").write_text(text)
    with (directory / "blockfile.2").open("rb+") as table:
        fcntl.flock(table, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match="somebody is recording there"):
            new(directory)
    assert {path.name for path in directory.iterdir()} == {"blockfile.2", "dumpfile", "valkkafs.json"}
    new(directory)
    assert {path.name for path in directory.iterdir()} == {"blockfile", "dumpfile", "valkkafs.json"}


def test_without_room(tmp_path: Path) -> None:
    program = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from valkka.fs import ValkkaSingleFS
try:
    ValkkaSingleFS.newFromDirectory(dirname=sys.argv[1], blocksize=1 << 20, n_blocks=2)
except OSError as error:
    print("refused:", error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "rec")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "refused: " in done.stdout and "dumpfile" in done.stdout.split("refused: ")[1], done
    assert os.listdir(tmp_path / "rec") == [], "nothing is left of it"


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocksize": None},
        {"blocksize": 4096.0},
        {"blocksize": True},
        {"dirname": None},
        {"n_blocks": None},
        {"n_blocks": 0},
        {"n_blocks": -1},
        {"n_blocks": None, "device_size": 4095},
        {"n_blocks": None, "partition_uuid": "no-such-partition"},
        {"partition_uuid": "no-such-partition"},
    ],
)
def test_parameters_that_make_no_recording(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        ValkkaSingleFS.newFromDirectory(**{"dirname": str(tmp_path / "rec"), "blocksize": 4096, "n_blocks": 4, **wrong})
    assert not (tmp_path / "rec" / "valkkafs.json").exists()


def test_constructors_take_what_is_written_down(tmp_path: Path) -> None:
    pars = new(tmp_path / "rec").getPars()
    valkkafs = ValkkaSingleFS(**{**pars, "current_block": 3})
    assert valkkafs.current_block == 3
    assert valkkafs.is_same(partition_uuid=None, blocksize=BLOCK, n_blocks=8)
    assert valkkafs.is_same(n_blocks=8) and not valkkafs.is_same(n_blocks=9)
    with pytest.raises(AttributeError, match="mandatory"):
        ValkkaSingleFS(dumpfile="x")
    with pytest.raises(AttributeError, match="n_blocks"):
        ValkkaSingleFS(**{**pars, "n_blocks": "8"})
    with pytest.raises(AttributeError, match="Unknown"):
        ValkkaSingleFS(**pars, color="red")
    with pytest.raises(AssertionError, match="neither"):
        ValkkaSingleFS(**{**pars, "dumpfile": None})


def damage(directory: Path, what: str) -> None:
    """Makes a directory none that can be opened."""
    if what in ("dumpfile", "blockfile", "valkkafs.json"):
        (directory / what).unlink()
    elif what == "not JSON":
        (directory / "valkkafs.json").write_text("{")
    elif what == "a list":
        (directory / "valkkafs.json").write_text("[]")
    elif what == "a short table":
        (directory / "blockfile").write_bytes(b"VALKTAB\x02")
    elif what == "everything":
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
    else:
        key, _, value = what.partition("=")
        found = said(directory)
        if value:
            found[key] = json.loads(value)
        else:
            del found[key]
        (directory / "valkkafs.json").write_text(json.dumps(found))


@pytest.mark.parametrize(
    "what",
    [
        *["everything", "valkkafs.json", "dumpfile", "blockfile", "not JSON", "a list", "a short table"],
        *["blocksize", "n_blocks", "blockfile=null", "dumpfile=null", "blocksize=0", "n_blocks=-1", "n_blocks=8.0"],
        *["current_block=9", "current_block=-1", 'current_block="1"', "current_block=true", 'partition_uuid="none"'],
        *["blocksize=1099511627776", "n_blocks=16"],
    ],
)
def test_directories_that_hold_no_recording(tmp_path: Path, what: str) -> None:
    directory = tmp_path / "rec"
    new(directory)
    damage(directory, what)
    if what == 'partition_uuid="none"':
        damage(directory, "dumpfile=null")
    with pytest.raises(ValkkaFSLoadError, match="rec"):
        ValkkaSingleFS.loadFromDirectory(str(directory))


def test_checks(tmp_path: Path) -> None:
    directory = tmp_path / "rec"
    new(directory)
    assert ValkkaSingleFS.checkDirectory(str(directory)) is None  # type: ignore[func-returns-value]
    damage(directory, 'partition_uuid="none"')
    with pytest.raises(AssertionError, match="partition none"):
        ValkkaSingleFS.checkDirectory(str(directory))
    damage(directory, "not JSON")
    with pytest.raises(AssertionError, match="not JSON"):
        ValkkaSingleFS.checkDirectory(str(directory))
    damage(directory, "valkkafs.json")
    with pytest.raises(AssertionError, match=r"valkkafs\.json"):
        ValkkaSingleFS.checkDirectory(str(directory))
    with pytest.raises(AssertionError, match="no such directory"):
        ValkkaSingleFS.checkDirectory(str(tmp_path / "none"))


def test_the_last_block_is_followed_by_the_first(tmp_path: Path) -> None:
    new(tmp_path / "rec")
    damage(tmp_path / "rec", "current_block=8")
    assert ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).current_block == 0


def test_a_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"\xff" * 20_000)
    uuid = "0a0b"
    monkeypatch.setattr(base, "findBlockDevices", lambda: {uuid: (str(device), 20_000)})
    valkkafs = ValkkaMultiFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=4096, partition_uuid="0A0B")
    assert (valkkafs.dumpfile, valkkafs.partition_uuid, valkkafs.n_blocks) == (None, "0A0B", 4)
    assert str(valkkafs) == "<ValkkaFS 0A0B>"
    assert valkkafs.core.getDevice() == str(device)
    assert not (tmp_path / "rec" / "dumpfile").exists()
    assert device.stat().st_size == 20_000
    ValkkaMultiFS.checkDirectory(str(tmp_path / "rec"))
    assert ValkkaMultiFS.loadFromDirectory(str(tmp_path / "rec")).core.getDevice() == str(device)
    monkeypatch.setattr(base, "findBlockDevices", dict)
    with pytest.raises(AssertionError):
        ValkkaMultiFS.checkDirectory(str(tmp_path / "rec"))
    with pytest.raises(ValkkaFSLoadError, match="0A0B"):
        ValkkaMultiFS.loadFromDirectory(str(tmp_path / "rec"))


def test_recordings_of_the_older_format(tmp_path: Path, pictures: list[Picture], printed: Printed) -> None:
    written = write_recording(tmp_path / "rec", [Stream(7, pictures)])
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    assert valkkafs.getPars() == written
    table = numpy.fromfile(tmp_path / "rec" / "blockfile", numpy.int64).reshape(-1, 2)
    assert (valkkafs.blocktable == table).all()
    assert valkkafs.getTimeRange() == (START, START + 19_900)
    assert [type(one) for one in valkkafs.getTimeRange()] == [int, int]
    blocks = valkkafs.getInd((START + 5_000, START + 6_000))
    assert valkkafs.blocktable[blocks[0], 0] <= START + 5_000 and valkkafs.blocktable[blocks[-1], 1] >= START + 6_000
    assert valkkafs.getIndNeigh(n=1, time=START + 5_000)[0] == blocks[0]
    valkkafs.analyzer.dumpBlock(0)
    assert "----- Block number : 0 at position 0 -----" in printed.text
    assert printed.find(rf"\[7\] <BasicFrame: timestamp={START} ")
    # It stays what it is.
    valkkafs.writeJson()
    assert said(tmp_path / "rec") == written
    assert (tmp_path / "rec" / "blockfile").stat().st_size == 16 * valkkafs.n_blocks


def test_recordings_of_the_older_format_go_on_in_it(
    tmp_path: Path, pictures: list[Picture], camera: Cameras, poll: Poll
) -> None:
    # More than are filled until somebody looks.
    n_blocks = 100
    written = write_recording(tmp_path / "rec", [Stream(7, pictures)], blocksize=BLOCK, n_blocks=n_blocks)
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    begin, before = valkkafs.current_block, valkkafs.blocktable.copy()
    assert 0 < begin < 4
    writer = ValkkaFSWriterThread(valkkafs=valkkafs)
    writer.core.setSlotIdCall(1, 7)
    live = play(camera(*CAMERA).url, writer.getInput())
    poll(lambda: valkkafs.current_block >= begin + 2, 60)
    live.stopCall()
    writer.close()
    assert said(tmp_path / "rec") == {**written, "current_block": valkkafs.current_block}
    assert (tmp_path / "rec" / "blockfile").stat().st_size == 16 * n_blocks
    again = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    assert (again.blocktable == valkkafs.blocktable).all()
    assert (again.blocktable[:begin] == before[:begin]).all()
    assert (again.blocktable[begin : begin + 2] > START).all()


def test_a_recording_that_was_moved(tmp_path: Path, pictures: list[Picture]) -> None:
    write_recording(tmp_path / "rec", [Stream(7, pictures)])
    (tmp_path / "rec").rename(tmp_path / "moved")
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "moved"))
    assert valkkafs.dumpfile == str(tmp_path / "moved" / "dumpfile")
    assert valkkafs.jsonfile == str(tmp_path / "moved" / "valkkafs.json")
    assert valkkafs.getTimeRange() == (START, START + 19_900)


def test_reinit(tmp_path: Path, pictures: list[Picture]) -> None:
    write_recording(tmp_path / "rec", [Stream(7, pictures)])
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    table = valkkafs.blocktable
    valkkafs.reinit()
    assert valkkafs.blocktable is table and not table.any()
    assert valkkafs.getTimeRange() is None and valkkafs.current_block == 0
    assert ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).getTimeRange() is None


def test_blocks_that_were_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    valkkafs = new(tmp_path / "rec")
    calls: list[int] = []

    def wrong() -> None:
        calls.append(valkkafs.current_block)
        raise ValueError("raised on purpose")

    valkkafs.setBlockCallback(wrong)
    valkkafs.new_block_cb__(True, 5)
    assert said(tmp_path / "rec")["current_block"] == 5
    valkkafs.new_block_cb__(False, 6)
    assert said(tmp_path / "rec")["current_block"] == 6
    valkkafs.new_block_cb__(False, "req")
    valkkafs.update()
    assert calls == [5, 6]
    assert capfd.readouterr().err.count("ValueError: raised on purpose") == 2
    # Nothing of this stops a recording.
    (tmp_path / "rec" / "valkkafs.json").unlink()
    (tmp_path / "rec").rename(tmp_path / "elsewhere")
    valkkafs.new_block_cb__(True, 7)
    assert calls == [5, 6, 7]
    assert "valkkafs.json" in capfd.readouterr().err
    valkkafs.setBlockCallback(None)
    valkkafs.new_block_cb__(True, "keyframe")
    assert calls == [5, 6, 7]


def test_a_camera_is_recorded_round_and_round(tmp_path: Path, camera: Cameras, poll: Poll) -> None:
    valkkafs = new(tmp_path / "rec", n_blocks=4)
    table = valkkafs.blocktable
    blocks: list[int] = []
    valkkafs.setBlockCallback(lambda: blocks.append(valkkafs.current_block))
    writer = ValkkaFSWriterThread(name="writer", valkkafs=valkkafs)
    writer.core.setSlotIdCall(1, 925412)
    # Also when there is nothing in it yet.
    with pytest.raises(RuntimeError, match="somebody is recording there"):
        valkkafs.reinit()
    live = play(camera(*CAMERA).url, writer.getInput())
    poll(lambda: len(blocks) >= 6, 60)
    assert blocks[:6] == [1, 2, 3, 0, 1, 2]
    assert valkkafs.getBlockTable(reread=True) is table

    def one_piece() -> bool:
        first, last = valkkafs.getTimeRange()
        order = valkkafs.getInd((first, last))
        times = table[order, 1]
        return 0 < first < last and len(order) >= 3 and bool((times[:-1] < times[1:]).all())

    # All that is there is; the block that is being written is in it. Another one may begin while one looks.
    assert poll(one_piece)
    # It is not made anew, or empty, under the one who writes.
    with pytest.raises(RuntimeError, match="somebody is recording there"):
        new(tmp_path / "rec")
    with pytest.raises(RuntimeError, match="somebody is recording there"):
        valkkafs.reinit()
    live.stopCall()
    writer.close()
    writer.close()
    current = valkkafs.current_block
    assert said(tmp_path / "rec")["current_block"] == current
    assert valkkafs.blocktable[(current - 1) % 4, 1] == valkkafs.getTimeRange()[1]
    again = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    assert again.current_block == current
    assert again.getTimeRange()[1] == valkkafs.getTimeRange()[1]


def test_a_slow_callback_loses_nothing(tmp_path: Path, camera: Cameras, poll: Poll, printed: Printed) -> None:
    valkkafs = new(tmp_path / "rec", n_blocks=100)
    held, called = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        held.wait(60)

    valkkafs.setBlockCallback(wait)
    writer = ValkkaFSWriterThread(valkkafs=valkkafs)
    writer.core.setSlotIdCall(1, 1)
    live = play(camera(*CAMERA).url, core.ForkFrameFilter("fork", writer.getInput(), core.BriefInfoFrameFilter("live")))
    assert called.wait(60)
    # Four seconds of pictures wait meanwhile.
    count = len(printed.find(PICTURE))
    poll(lambda: len(printed.find(PICTURE)) >= count + 100)
    held.set()
    live.stopCall()
    writer.close()
    valkkafs.setBlockCallback(None)
    assert "OVERFLOW" not in printed.text
    came = len(printed.find(PICTURE))
    again = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec"))
    for block in again.getInd(again.getTimeRange()):
        again.analyzer.dumpBlock(block)
    assert len(printed.find(r"^\[1\] <BasicFrame: .* slice_type=[15]>")) == came


def test_it_is_written_down_though_nobody_holds_the_object(tmp_path: Path, camera: Cameras, poll: Poll) -> None:
    kept = new(tmp_path / "rec").core
    gc.collect()
    writer = core.ValkkaFSWriterThread("writer", kept)
    writer.setSlotIdCall(1, 1)
    writer.startCall()
    live = play(camera(*CAMERA).url, writer.getFrameFilter())
    poll(lambda: said(tmp_path / "rec")["current_block"] >= 2, 60)
    live.stopCall()
    writer.stopCall()


RECORDER = """
import sys, time
from conftest import play
from valkka.fs import ValkkaFSManager, ValkkaSingleFS
valkkafs = ValkkaSingleFS.loadFromDirectory(sys.argv[1])
manager = ValkkaFSManager([valkkafs])
manager.start()
manager.map_(write_slot=1, _id=1)
live = play(sys.argv[2], manager.getInputFilter())
time.sleep(100)
"""


def test_a_program_that_is_killed_goes_on_where_it_was(tmp_path: Path, camera: Cameras, poll: Poll) -> None:
    directory, url = tmp_path / "rec", camera(*CAMERA).url
    new(directory, n_blocks=100)

    def record_and_kill(blocks: int) -> None:
        program = spawn([sys.executable, "-c", RECORDER, str(directory), url], cwd=Path(__file__).parent)
        try:
            poll(lambda: said(directory)["current_block"] >= blocks, 60)
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait()

    record_and_kill(2)
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(directory))
    resumed, (first, last) = valkkafs.current_block, valkkafs.getTimeRange()
    assert resumed >= 2
    assert last > first
    # What is complete or was being written stays, and the next one comes behind it.
    before = valkkafs.blocktable.copy()
    record_and_kill(resumed + 2)
    valkkafs = ValkkaSingleFS.loadFromDirectory(str(directory))
    assert (valkkafs.blocktable[:resumed] == before[:resumed]).all()
    order = valkkafs.getInd(valkkafs.getTimeRange())
    assert order == sorted(order) and len(order) >= resumed + 2
    assert valkkafs.getTimeRange()[0] == first


def test_it_can_be_left_open_at_the_end_of_a_program(tmp_path: Path, camera: Cameras) -> None:
    new(tmp_path / "rec")
    program = RECORDER.replace(
        "time.sleep(100)", "while valkkafs.getBlockTable(reread=True).max() == 0: time.sleep(0.1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "rec"), camera(*CAMERA).url],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).getTimeRange() is not None
