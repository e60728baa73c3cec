"""Chains of level 2, from a camera to windows and other processes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from conftest import Cameras, Display, Poll, Printed
from valkka import core
from valkka.api2 import (
    BasicFilterchain,
    BasicFilterchain1,
    BitmapPort,
    FileThread,
    LiveManagedFilterchain,
    LiveThread,
    ManagedFilterchain,
    ManagedFilterchain2,
    ManagedFilterchain3,
    OpenFilterchain,
    OpenGLThread,
    ShmemFilterchain,
    ShmemFilterchain1,
    ShmemRGBClient,
    USBDeviceThread,
    USBManagedFilterchain,
    ViewPort,
)

# What a window shows without video, and more than that.
DARK, BRIGHT = 30, 120


@pytest.fixture
def live() -> Iterator[LiveThread]:
    thread = LiveThread(name="live")
    yield thread
    thread.close()


@pytest.fixture
def gl(display: Display) -> Iterator[OpenGLThread]:
    # The display is there as long as the thread is.
    thread = OpenGLThread(name="gl", msbuftime=300)
    yield thread
    thread.close()


def shows_video(display: Display, window: int) -> Any:
    """A condition: whether a window shows the bright bars of a camera."""
    display.place(window, 0, 0, 640, 360)
    return lambda: (display.picture()[:360, :640].max(axis=2) > BRIGHT).mean() > 0.3


def shows_none(display: Display) -> Any:
    return lambda: (display.picture()[:360, :640].max(axis=2) > BRIGHT).mean() < 0.1


def client_of(chain: Any, mstimeout: int = 60_000) -> ShmemRGBClient:
    name, n_ringbuffer, (width, height) = chain.getShmemPars()
    return ShmemRGBClient(name=name, n_ringbuffer=n_ringbuffer, width=width, height=height, mstimeout=mstimeout)


def test_a_stream_in_a_window(
    camera: Cameras, display: Display, live: LiveThread, gl: OpenGLThread, poll: Poll
) -> None:
    window = gl.createWindow()
    chain = BasicFilterchain(livethread=live, openglthread=gl, address=camera().url, slot=1)
    token = gl.connect(slot=1, window_id=window)
    chain.decodingOn()
    poll(shows_video(display, window))
    chain.close()
    poll(shows_none(display))
    gl.disconnect(token)
    chain.close()


def test_the_same_slot_again(camera: Cameras, live: LiveThread, poll: Poll, display: Display, gl: OpenGLThread) -> None:
    url = camera().url
    for _ in range(3):
        chain = ShmemFilterchain(
            livethread=live, openglthread=gl, address=url, slot=1, shmem_image_interval=0, shmem_name="test_again"
        )
        chain.decodingOn()
        assert client_of(chain).pullFrame()[0] is not None
        chain.close()


def test_pictures_for_other_processes(camera: Cameras, live: LiveThread, gl: OpenGLThread) -> None:
    chain = ShmemFilterchain(
        livethread=live, openglthread=gl, address=camera().url, slot=5, shmem_image_interval=100, n_threads=2
    )
    assert chain.getShmemPars() == ("shmemff" + chain.idst, 10, (480, 270))
    client = client_of(chain)
    chain.decodingOn()
    stamps = []
    for _ in range(5):
        index, meta = client.pullFrame()
        assert index is not None
        picture = client.shmem_list[index][0 : meta.size].reshape((meta.height, meta.width, 3))
        assert picture.std() > 10, "a camera's picture"
        assert (meta.width, meta.height, meta.slot) == (480, 270, 5)
        stamps.append(meta.mstimestamp)
    assert abs(stamps[0] - time.time() * 1000) < 60_000
    # The times of a stream that is late are corrected, and may go back.
    assert (numpy.abs(numpy.diff(stamps)) >= 100).all()
    chain.decodingOff()
    chain.close()


def test_nothing_is_decoded_before_it_is_asked_for(camera: Cameras, live: LiveThread, gl: OpenGLThread) -> None:
    chain = ShmemFilterchain(livethread=live, openglthread=gl, address=camera().url, slot=1, shmem_image_interval=0)
    client = client_of(chain, mstimeout=1500)
    assert client.pullFrame() == (None, None)
    chain.decodingOn()
    assert client_of(chain).pullFrame()[0] is not None
    chain.close()


def test_parameters_of_the_connection(live: LiveThread, gl: OpenGLThread) -> None:
    common = {"livethread": live, "openglthread": gl, "slot": 1}
    chain = BasicFilterchain(
        address="rtsp://127.0.0.1:9/x",
        msreconnect=5000,
        time_correction=core.TimeCorrectionType_dummy,
        recv_buffer_size=100_000,
        reordering_mstime=50,
        n_basic=7,
        **common,
    )
    context = chain.ctx
    assert context.connection_type == core.LiveConnectionType_rtsp
    assert (context.address, context.slot, context.msreconnect) == ("rtsp://127.0.0.1:9/x", 1, 5000)
    assert context.time_correction == core.TimeCorrectionType_dummy
    assert (context.recv_buffer_size, context.reordering_time) == (100_000, 50_000)
    assert context.framefilter is chain.av_in_filter
    assert chain.framefifo_ctx.n_basic == 7
    chain.close()
    chain = BasicFilterchain(address="camera.sdp", **common)
    assert chain.ctx.connection_type == core.LiveConnectionType_sdp
    assert chain.ctx.time_correction == core.TimeCorrectionType_smart
    assert chain.ctx.msreconnect == 0
    chain.close()


def test_wrong_parameters(live: LiveThread, gl: OpenGLThread) -> None:
    with pytest.raises(AttributeError, match="slot"):
        BasicFilterchain(livethread=live, openglthread=gl, address="x")
    with pytest.raises(AttributeError, match="livethread"):
        BasicFilterchain(livethread=live.core, openglthread=gl, address="x", slot=1)
    gc.collect()


def test_a_chain_ends_when_collected(camera: Cameras, live: LiveThread, gl: OpenGLThread, poll: Poll) -> None:
    chain: Any = ShmemFilterchain(
        livethread=live, openglthread=gl, address=camera().url, slot=1, shmem_image_interval=0, shmem_name="test_gone"
    )
    client = client_of(chain, mstimeout=500)
    chain.decodingOn()
    poll(lambda: client.pullFrame()[0] is not None)
    del chain
    poll(lambda: client.pullFrame()[0] is None)


def test_any_order_of_closing(camera: Cameras, display: Display) -> None:
    url = camera().url
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]):
        live, gl = LiveThread(), OpenGLThread()
        chain = BasicFilterchain(livethread=live, openglthread=gl, address=url, slot=1)
        chain.decodingOn()
        gl.connect(slot=1, window_id=gl.createWindow())
        parts = [live, chain, gl]
        for index in order:
            parts[index].close()


def test_steps_can_be_replaced(camera: Cameras, live: LiveThread, gl: OpenGLThread, poll: Poll) -> None:
    """What programs do: their own filters, their own parameters, their own order."""
    steps: list[str] = []

    class Mine(BasicFilterchain):
        parameter_defs = {**BasicFilterchain.parameter_defs, "interval": (int, 5)}

        def __init__(self, **kwargs: Any) -> None:
            steps.append("init")
            super().__init__(**kwargs)

        def makeChain(self) -> None:
            steps.append(f"chain {self.interval}")
            self.times: list[int] = []
            self.info = core.BriefInfoFrameFilter("info")
            self.makeDecoder(self.info)

        def createContext(self) -> None:
            steps.append("context")
            super().createContext()

        def closeContext(self) -> None:
            steps.append("close")
            super().closeContext()

        def startThreads(self) -> None:
            steps.append("start")
            super().startThreads()

        def stopThreads(self) -> None:
            steps.append("stop")
            super().stopThreads()

    chain = Mine(livethread=live, openglthread=gl, address=camera().url, slot=1, interval=7)
    chain.close()
    chain.close()
    assert steps == ["init", "chain 7", "context", "start", "close", "stop"]


def test_an_open_chain(camera: Cameras, live: LiveThread, printed: Printed, poll: Poll) -> None:
    chain = OpenFilterchain(livethread=live, address=camera().url, slot=1)
    chain.decodingOn()
    assert chain.connect("one", core.BriefInfoFrameFilter("one"))
    assert not chain.connect("one", core.BriefInfoFrameFilter("another"))
    poll(lambda: "<AVBitmapFrame" in printed.text)
    assert chain.disconnect("one")
    assert not chain.disconnect("one")
    printed.new()
    chain.close()
    assert "AVBitmapFrame" not in printed.new()


def test_a_source_of_ones_own(camera: Cameras, live: LiveThread, gl: OpenGLThread) -> None:
    chain = ShmemFilterchain1(openglthread=gl, slot=3, shmem_image_interval=0)
    assert not chain.fileStatusOk()
    chain.setLiveContext(camera().url)
    live.registerStream(chain.live_ctx)
    live.playStream(chain.live_ctx)
    chain.decodingOn()
    index, meta = client_of(chain).pullFrame()
    assert index is not None and meta.slot == 3
    live.stopStream(chain.live_ctx)
    live.deregisterStream(chain.live_ctx)
    chain.close()


def test_the_status_of_a_file(gl: OpenGLThread) -> None:
    chain = BasicFilterchain1(openglthread=gl, slot=3)
    chain.setFileContext("/nonexistent.mkv")
    assert chain.file_ctx.filename == "/nonexistent.mkv"
    assert not chain.fileStatusOk()
    chain.file_ctx.status = core.FileState_stop
    assert chain.fileStatusOk()
    chain.close()


def test_a_file(camera: Cameras, live: LiveThread, gl: OpenGLThread, tmp_path: Path, poll: Poll) -> None:
    path = tmp_path / "recording.mkv"
    recorder = core.FileFrameFilter("recorder")
    recorder.activate(str(path))
    context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, camera().url, 1, recorder)
    live.registerStream(context)
    live.playStream(context)
    poll(lambda: path.exists() and path.stat().st_size > 200_000)
    live.deregisterStream(context)
    live.core.waitReady()
    recorder.deActivate()

    player = FileThread(name="player")
    chain = ShmemFilterchain1(openglthread=gl, slot=6, shmem_image_interval=0)
    client = client_of(chain)
    chain.decodingOn()
    chain.setFileContext(str(path))
    player.openStream(chain.file_ctx)
    assert chain.fileStatusOk()
    assert chain.file_ctx.duration > 0
    assert client.pullFrame()[0] is not None, "opening shows the first picture"
    player.playStream(chain.file_ctx)
    for _ in range(5):
        index, meta = client.pullFrame()
        assert index is not None and meta.slot == 6
    player.stopStream(chain.file_ctx)
    chain.file_ctx.seektime_ = 0
    player.seekStream(chain.file_ctx)
    player.closeStream(chain.file_ctx)
    player.close()
    chain.close()


def managed(kind: Any, live: LiveThread, gls: list[OpenGLThread], url: str, **more: Any) -> Any:
    return kind(livethread=live, openglthreads=gls, address=url, slot=4, _id=9, **more)


@pytest.mark.parametrize("kind", [ManagedFilterchain, ManagedFilterchain2, LiveManagedFilterchain])
def test_ports(kind: Any, camera: Cameras, display: Display, live: LiveThread, gl: OpenGLThread, poll: Poll) -> None:
    windows = [gl.createWindow(), gl.createWindow()]
    chain = managed(kind, live, [gl], camera().url)
    assert (chain.get_slot(), chain.get__id(), chain.get_address()) == (4, 9, chain.address)
    assert chain.getParDic(["slot", "_id"]) == {"slot": 4, "_id": 9}
    ports = [ViewPort(window_id=window) for window in windows]
    for port in ports:
        chain.addViewPort(port)
    chain.addViewPort(ports[0])
    assert chain.getNumXscreenPorts(0) == 2
    assert chain.getNumXscreenPorts(1) == 0
    assert sorted(gl.render_groups) == sorted(windows)
    display.place(windows[1], 700, 0, 320, 180)
    poll(shows_video(display, windows[0]))
    chain.setBoundingBoxes(ports[0], [(0.25, 0.75, 0.75, 0.25), (0.1, 0.2, 0.2, 0.1)])

    def green() -> bool:
        red, bright, blue = (display.picture()[:360, :640, i].astype(int) for i in range(3))
        return bool(((bright > 200) & (red < 60) & (blue < 60)).sum() > 300)

    poll(green)
    chain.setBoundingBoxes(ports[0], [])
    for port in ports:
        chain.delViewPort(port)
    assert chain.getNumXscreenPorts(0) == 0
    assert gl.render_groups == []
    chain.addViewPort(ports[1])
    chain.requestClose()
    chain.waitClose()
    assert gl.render_groups == []
    chain.close()


def test_ports_that_are_wrong(live: LiveThread, gl: OpenGLThread, capfd: pytest.CaptureFixture[str]) -> None:
    chain = managed(ManagedFilterchain, live, [gl], "rtsp://127.0.0.1:9/x", verbose=True)
    chain.delViewPort(ViewPort(window_id=5))
    assert "FATAL" in capfd.readouterr().out
    chain.report("some", "thing")
    assert "some thing" in capfd.readouterr().out
    with pytest.raises(ValueError, match="1 X screens"):
        chain.addViewPort(ViewPort(window_id=5, x_screen_num=1))
    assert "slot=4" in str(chain)
    chain.close()


def test_view_ports() -> None:
    port = ViewPort(window_id=5, x_screen_num=1)
    assert (port.getWindowId(), port.getXScreenNum()) == (5, 1)
    port.setWindowId(6)
    port.setXScreenNum(0)
    assert str(port) == "<ViewPort: window_id=6 x_screen_num=0>"
    assert isinstance(port, BitmapPort)
    with pytest.raises(NotImplementedError):
        port.getWidth()


@pytest.mark.parametrize("kind", [ManagedFilterchain2, LiveManagedFilterchain])
def test_sharing_on_demand(kind: Any, camera: Cameras, live: LiveThread, gl: OpenGLThread, poll: Poll) -> None:
    chain = managed(kind, live, [gl], camera().url, shmem_image_interval=0, shmem_image_dimensions=(64, 48))
    names = [chain.getShmem(), chain.getShmem()]
    assert len(set(names)) == 2
    clients = [ShmemRGBClient(name=name, n_ringbuffer=10, width=64, height=48, mstimeout=60_000) for name in names]
    assert all(client.pullFrame()[0] is not None for client in clients)
    chain.releaseShmem(names[0])
    assert clients[1].pullFrame()[0] is not None
    chain.releaseShmem(names[1])
    chain.releaseShmem(names[1])
    again = chain.getShmem()
    assert again not in names
    chain.close()


def test_a_chain_of_ones_own_kind(gl: OpenGLThread) -> None:
    with pytest.raises(NotImplementedError):
        ManagedFilterchain3(openglthreads=[gl], address="x", slot=1)

    class Mine(ManagedFilterchain3):
        def createContext(self) -> None:
            self.ctx = "begun"

        def closeContext(self) -> None:
            self.ctx = "ended"

    chain = Mine(openglthreads=[gl], address="x", slot=1)
    chain.addViewPort(ViewPort(window_id=gl.createWindow()))
    assert chain.ctx == "begun"
    chain.close()
    assert chain.ctx == "ended"
    assert gl.render_groups == []


def test_a_camera_at_this_machine_that_is_not_there(gl: OpenGLThread) -> None:
    usb = USBDeviceThread()
    chain = USBManagedFilterchain(usbthread=usb, openglthreads=[gl], address="/dev/video99", slot=1)
    assert (chain.ctx.device, chain.ctx.width, chain.ctx.height) == ("/dev/video99", 1280, 720)
    chain.close()
    usb.close()
