"""Bytes, pictures and boxes through shared memory, with the clients and servers of level 2."""

from __future__ import annotations

import logging
import multiprocessing
import os
import select
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy
import pytest

from conftest import Poll
from valkka import core
from valkka.api2 import FragMP4ShmemClient, ShmemClient, ShmemRGBClient, ShmemRGBServer, ShmemServer
from valkka.api2.shmem.fragmp4 import BoxName

fork = multiprocessing.get_context("fork")
_numbers = count()


@pytest.fixture
def name() -> str:
    return f"test_api2_{os.getpid()}_{next(_numbers)}"


def bytes_pair(name: str, **more: Any) -> tuple[ShmemServer, ShmemClient]:
    server = ShmemServer(name=name, n_ringbuffer=8, n_bytes=1000)
    return server, ShmemClient(name=name, n_ringbuffer=8, n_bytes=1000, **{"mstimeout": 60_000, **more})


def rgb_pair(name: str, **more: Any) -> tuple[ShmemRGBServer, ShmemRGBClient]:
    server = ShmemRGBServer(name=name, n_ringbuffer=8, width=20, height=10)
    return server, ShmemRGBClient(name=name, n_ringbuffer=8, width=20, height=10, **{"mstimeout": 60_000, **more})


def test_bytes(name: str) -> None:
    server, client = bytes_pair(name)
    assert len(client.shmem_list) == 8
    assert server.pushBytes(b"abc")
    assert server.pushArray(numpy.arange(5, dtype=numpy.uint8))
    assert server.pushObject({"a": [1, None]})
    index, size = client.pull()
    assert client.shmem_list[index][0:size].tobytes() == b"abc"
    array = client.pullArray()
    assert array.tolist() == [0, 1, 2, 3, 4]
    assert not array.flags.writeable
    assert client.pullObject() == {"a": [1, None]}
    server.pushBytes(b"xyz")
    assert client.pullBytes() == b"xyz"


def test_names_leave_no_loggers(name: str, caplog: pytest.LogCaptureFixture) -> None:
    before = len(logging.root.manager.loggerDict)
    for number in range(3):
        _server, client = bytes_pair(f"{name}_{number}", mstimeout=10)
        client.setDebug()
        assert client.pull() == (None, None)
        assert f"ShmemClient : {name}_{number} : pull: timeout" in caplog.text
        assert client.logger.level == logging.DEBUG
    # One for each class.
    assert len(logging.root.manager.loggerDict) <= before + 2
    client.logger.setLevel(logging.WARNING)


def test_nothing_comes(name: str) -> None:
    _server, client = bytes_pair(name, mstimeout=50)
    assert client.pull() == (None, None)
    assert client.pullArray() is None
    assert client.pullBytes() is None
    assert client.pullObject() is None


def test_what_does_not_fit(name: str) -> None:
    server, client = bytes_pair(name)
    assert not server.pushArray(numpy.zeros((2, 2), numpy.uint8))
    assert not server.pushArray(numpy.zeros(4, numpy.float32))
    with pytest.raises(ValueError, match="n_bytes is 1000"):
        server.pushObject(bytes(2000))
    server.pushBytes(bytes(2000))
    assert client.pull()[1] == 1000


def test_pictures(name: str) -> None:
    server, client = rgb_pair(name)
    picture = numpy.random.default_rng(1).integers(0, 256, (10, 20, 3), numpy.uint8)
    for pull in (client.pullFrame, client.pullFrameThread):
        assert server.pushFrame(picture, 3, 1_700_000_000_123)
        index, meta = pull()
        assert (meta.width, meta.height, meta.slot, meta.mstimestamp) == (20, 10, 3, 1_700_000_000_123)
        got = client.shmem_list[index][0 : meta.size].reshape((meta.height, meta.width, 3))
        assert (got == picture).all()
        expected = "width = 20 / height = 10 / slot = 3 / mstimestamp = 1700000000123 / size = 600"
        assert ShmemRGBClient.metaToString(meta) == expected
    assert not server.pushFrame(picture[:5], 3, 0)


def test_no_picture_comes(name: str) -> None:
    _server, client = rgb_pair(name, mstimeout=50)
    assert client.pullFrame() == (None, None)
    assert client.pullFrameThread() == (None, None)
    assert client.pull() == (None, None)


def test_other_threads_run_while_one_pulls(name: str, poll: Poll) -> None:
    server, client = rgb_pair(name)
    got: list[Any] = []
    puller = threading.Thread(target=lambda: got.append(client.pullFrame()))
    puller.start()
    server.pushFrame(numpy.zeros((10, 20, 3), numpy.uint8), 1, 2)
    puller.join(90)
    assert got[0][1].mstimestamp == 2


def test_another_process(name: str) -> None:
    server = ShmemRGBServer(name=name, n_ringbuffer=8, width=20, height=10)
    ours, theirs = fork.Pipe()
    reader = fork.Process(target=read_three, args=(name, theirs))
    reader.start()
    assert ours.poll(60)
    assert ours.recv() == "ready"
    for value in (1, 2, 3):
        server.pushFrame(numpy.full((10, 20, 3), value, numpy.uint8), 7, value)
    assert ours.poll(60)
    assert ours.recv() == [(7, 1, 1, 1), (7, 2, 2, 2), (7, 3, 3, 3)]
    reader.join()


def read_three(name: str, pipe: Any) -> None:
    client = ShmemRGBClient(name=name, n_ringbuffer=8, width=20, height=10, mstimeout=60_000)
    pipe.send("ready")
    seen = []
    for _ in range(3):
        index, meta = client.pullFrame()
        frame = client.shmem_list[index][0 : meta.size]
        seen.append((meta.slot, meta.mstimestamp, int(frame.min()), int(frame.max())))
    pipe.send(seen)


def test_select(name: str) -> None:
    """The pattern of programs with many streams: an event for each, made before the fork."""
    event = core.EventFd()
    server, client = rgb_pair(name)
    server.useEventFd(event)
    client.useEventFd(event)
    assert readable(event) == []
    for _ in range(2):
        server.pushFrame(numpy.zeros((10, 20, 3), numpy.uint8), 1, 2)
    for _ in range(2):
        assert readable(event) == [event.getFd()]
        assert client.pullFrame()[0] is not None
    assert readable(event) == []


def readable(event: Any) -> list[int]:
    return select.select([event.getFd()], [], [], 0)[0]


def test_debugging(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    _server, client = rgb_pair(name, mstimeout=10)
    client.pull()
    assert capfd.readouterr().err == ""
    client.setDebug()
    client.pull()
    assert "timeout" in capfd.readouterr().err


@pytest.mark.parametrize("kind", [ShmemClient, ShmemRGBClient, FragMP4ShmemClient, ShmemServer, ShmemRGBServer])
def test_parameters(kind: Any) -> None:
    with pytest.raises(AttributeError, match="mandatory"):
        kind()
    with pytest.raises(AttributeError, match="Unknown"):
        kind(name="x", nonsense=1)


def test_names_of_boxes() -> None:
    name = BoxName(b"moof", "latin-1")
    assert name == "moof"
    assert name.decode("utf-8") == "moof"
    assert type(name.decode()) is str
    assert f"{name}" == "moof"
    assert {name: 1}["moof"] == 1


@pytest.fixture
def boxes(camera: Any, name: str) -> Iterator[str]:
    shared = core.FragMP4ShmemFrameFilter(name, 10, 1024 * 1024)
    muxer = core.FragMP4MuxFrameFilter("muxer", shared)
    muxer.activate()
    live = core.LiveThread("live")
    context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, camera().url, 1, muxer)
    live.startCall()
    live.registerStreamCall(context)
    live.playStreamCall(context)
    yield name
    live.stopCall()


def test_boxes(boxes: str) -> None:
    client = FragMP4ShmemClient(name=boxes, n_ringbuffer=10, n_size=1024 * 1024, mstimeout=60_000)
    seen = []
    while len(seen) < 20:
        index, meta = client.pullFrame()
        assert meta is not None and index is not None
        data = client.shmem_list[index][0 : meta.size].tobytes()
        assert data[4:8].decode() == meta.name.decode("utf-8")
        assert int.from_bytes(data[:4], "big") == meta.size
        assert meta.slot == 1
        seen.append(str(meta.name))
    assert {"moof", "mdat"} <= set(seen)
