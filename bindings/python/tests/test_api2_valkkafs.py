"""Recordings of level 2 as older programs have them, and the chains that record and play."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import valkka.fs
from conftest import Cameras, Poll, Printed
from recordings import INTERVAL_MS, START, Picture, Stream, make_pictures, write_recording
from valkka import core
from valkka.api2 import (
    LiveThread,
    ValkkaFS,
    ValkkaFSFileFilterchain,
    ValkkaFSLiveFilterchain,
    ValkkaFSLoadError,
    ValkkaFSManager,
    ValkkaFSWriterThread,
    findBlockDevices,
    formatMstimestamp,
)

COUNT = 200
END = START + (COUNT - 1) * INTERVAL_MS


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return make_pictures(tmp_path_factory.mktemp("pictures") / "pictures.h264", COUNT)


@pytest.fixture
def recording(tmp_path: Path, pictures: list[Picture]) -> ValkkaFS:
    write_recording(tmp_path / "rec", [Stream(7, pictures)], first_key=False)
    return ValkkaFS.loadFromDirectory(dirname=str(tmp_path / "rec"))


@pytest.fixture
def manager(recording: ValkkaFS) -> Iterator[ValkkaFSManager]:
    one = ValkkaFSManager(recording, write=False)
    yield one
    one.close()


def stamps(printed: Printed, name: str) -> list[int]:
    return [int(found) for found in printed.find(rf"{name} : <BasicFrame: timestamp=(\d+) .* slice_type=[15]>")]


def test_times_are_shown_as_they_were() -> None:
    at = time.localtime(START // 1000)
    assert formatMstimestamp(START) == f"{at.tm_min}:{at.tm_sec}"
    assert valkka.fs.formatMstimestamp is not formatMstimestamp
    assert findBlockDevices is valkka.fs.findBlockDevices


def test_methods_take_a_table(recording: ValkkaFS, tmp_path: Path) -> None:
    first, last = recording.getTimeRange()  # type: ignore[misc]
    assert START <= first < last == END
    assert recording.getInd((START, END)) == recording.getInd((START, END), recording.getBlockTable())
    table = numpy.array([[0, 0], [10, 19], [20, 29]])
    assert recording.getTimeRange(table) == (10, 29)
    assert recording.getTimeRange(numpy.zeros((2, 2), int)) == ()
    assert recording.getInd((10, 12), blocktable=table) == [1, 2]
    assert recording.getIndNeigh(n=1, time=15, blocktable=table) == [1, 2]
    assert recording.is_same(n_blocks=recording.n_blocks)
    assert isinstance(recording.core, core.ValkkaFS) and isinstance(recording.analyzer, core.ValkkaFSTool)
    with pytest.raises(ValkkaFSLoadError):
        ValkkaFS.loadFromDirectory(str(tmp_path / "none"))
    assert ValkkaFS.newFromDirectory(dirname=str(tmp_path / "new"), blocksize=4096, n_blocks=2).getTimeRange() == ()


def test_playing(manager: ValkkaFSManager, printed: Printed, poll: Poll) -> None:
    times: list[int] = []
    limits: list[Any] = []
    blocks: list[None] = []
    manager.setTimeCallback(times.append)
    manager.setTimeLimitsCallback(limits.append)
    manager.setBlockCallback(lambda: blocks.append(None))
    ctx = manager.setOutput(7, 101, core.BriefInfoFrameFilter("out"))
    assert isinstance(ctx, core.FileStreamContext) and ctx.slot == 101
    first, last = manager.getTimeRange()  # type: ignore[misc]
    assert manager.timeOK(first) and not manager.timeOK(last + 1)
    assert manager.play() is False
    assert manager.seek(START - 1) is False and manager.play() is False
    assert not manager.hasFrames() and manager.getCurrentTime() == 0
    assert manager.seek(START + 5_000) is True
    poll(lambda: manager.hasFrames() and manager.currentTimeOK(START + 5_000))
    poll(lambda: limits and limits[-1][0] <= START + 5_000 <= limits[-1][1])
    assert manager.play() is True
    poll(lambda: len(times) >= 2 and stamps(printed, "out"))
    assert times[0] >= START + 5_000
    manager.stop()
    assert manager.smartSeek(START + 6_000) is True
    assert manager.getCurrentTime() == START + 6_000
    assert manager.reqBlocks(START + 6_000) is True
    manager.readBlockTable()
    manager.readBlockTableIf()

    def forgets() -> bool:
        # What was asked for before may still be on its way.
        manager.clearTime()
        return manager.getCurrentTime() == 0 and not manager.hasFrames()

    poll(forgets)
    manager.valkkafs.update()
    assert blocks == [None]
    manager.clearOutput(ctx)
    manager.setOutput_(7, 102)
    for unset in (manager.setTimeCallback, manager.setTimeLimitsCallback, manager.setBlockCallback):
        unset(None)
    assert (ValkkaFSManager.timetolerance, ValkkaFSManager.timediff) == (2000, 5)


@pytest.mark.parametrize("parts", [{}, {"write": False}, {"read": False}, {"cache": False, "write": False}])
def test_without_some_of_its_threads(recording: ValkkaFS, parts: dict[str, bool]) -> None:
    manager = ValkkaFSManager(recording, **parts)
    assert manager.active
    plays = parts.get("read", True) and parts.get("cache", True)
    assert manager.seek(START + 5_000) is plays
    assert manager.play() is plays
    if parts.get("write", True):
        assert manager.getFrameFilter() is not None
        manager.setInput(7, 1)
        manager.clearInput(1)
    else:
        with pytest.raises(AssertionError, match="not recorded here"):
            manager.getInputFrameFilter()
    manager.requestClose()
    manager.waitClose()
    assert not manager.active
    manager.close()


def test_a_writer(tmp_path: Path) -> None:
    valkkafs = ValkkaFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=4096, n_blocks=2)
    writer = ValkkaFSWriterThread(name="writer", valkkafs=valkkafs)
    assert isinstance(writer.core, core.ValkkaFSWriterThread)
    assert writer.getInput() is writer.input_filter and writer.active
    writer.requestClose()
    writer.waitClose()
    assert not writer.active
    writer.close()
    with pytest.raises(AttributeError, match="valkkafs"):
        ValkkaFSWriterThread(valkkafs=valkkafs.core)
    with pytest.raises(AttributeError, match="valkkafs"):
        ValkkaFSWriterThread()


@pytest.mark.deadline(500)
def test_a_camera_is_recorded_and_played_by_chains(
    tmp_path: Path, camera: Cameras, printed: Printed, poll: Poll
) -> None:
    valkkafs = ValkkaFS.newFromDirectory(dirname=str(tmp_path / "rec"), blocksize=64 << 10, n_blocks=30)
    manager = ValkkaFSManager(valkkafs)
    live = LiveThread(name="live")
    url = camera("--size", "320x180", "--bit-rate", "500000").url
    chain = ValkkaFSLiveFilterchain(livethread=live, valkkafsmanager=manager, address=url, slot=1, id_rec=9)
    assert chain.connect_to_stream("out", core.BriefInfoFrameFilter("stream"))
    assert not chain.connect_to_stream("out", core.BriefInfoFrameFilter("stream"))
    assert chain.connect_to_yuv("out", core.BriefInfoFrameFilter("yuv"))
    chain.decodingOn()
    poll(lambda: "stream : <BasicFrame" in printed.text and "yuv : <AVBitmapFrame" in printed.text)
    assert chain.disconnect_from_stream("out") and not chain.disconnect_from_stream("out")
    assert chain.disconnect_from_yuv("out") and not chain.disconnect_from_yuv("out")
    poll(lambda: valkkafs.current_block >= 4, 60)
    manager.readBlockTable()
    first, _ = manager.getTimeRange()  # type: ignore[misc]

    replay = ValkkaFSFileFilterchain(valkkafsmanager=manager, slot=101, id_rec=9)
    replay.connect_to_stream("out", core.BriefInfoFrameFilter("replayed"))
    replay.connect_to_yuv("out", core.BriefInfoFrameFilter("decoded"))
    replay.decodingOn()
    assert manager.seek(first + 500) and manager.play()
    poll(lambda: len(stamps(printed, "replayed")) > 20 and printed.text.count("decoded : <AVBitmapFrame") > 20)
    assert "slot=101" in printed.text
    replay.close()
    replay.close()
    chain.close()
    # It may come back.
    chain = ValkkaFSLiveFilterchain(livethread=live, valkkafsmanager=manager, address=url, slot=1, id_rec=9)
    block = valkkafs.current_block
    poll(lambda: valkkafs.current_block > block, 60)
    chain.close()
    manager.close()
    live.close()


def test_chains_may_outlive_what_they_use(recording: ValkkaFS) -> None:
    manager, live = ValkkaFSManager(recording), LiveThread(name="live")
    common = {"valkkafsmanager": manager, "slot": 1, "id_rec": 9}
    chain = ValkkaFSLiveFilterchain(livethread=live, address="rtsp://127.0.0.1:9/x", **common)
    replay = ValkkaFSFileFilterchain(**{**common, "slot": 2})
    live.close()
    manager.close()
    chain.close()
    replay.close()
    with pytest.raises(AttributeError, match="valkkafsmanager"):
        ValkkaFSFileFilterchain(valkkafsmanager=None, slot=1, id_rec=9)
