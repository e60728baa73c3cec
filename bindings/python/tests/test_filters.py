"""The frame filters, fed by a camera."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Cameras, Poll, Printed
from valkka.core import (
    AVThread,
    BriefInfoFrameFilter,
    CachingGateFrameFilter,
    CountFrameFilter,
    DoubleGate,
    DummyFrameFilter,
    DummyTimestampFrameFilter,
    DumpAVBitmapFrameFilter,
    DumpFrameFilter,
    ForkFrameFilter,
    ForkFrameFilter3,
    ForkFrameFilterN,
    FPSCountFrameFilter,
    FrameFilter,
    GateFrameFilter,
    InfoFrameFilter,
    InitStreamFrameFilter,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
    PassSlotFrameFilter,
    RepeatH264ParsFrameFilter,
    RGBShmemFrameFilter,
    SetSlotFrameFilter,
    SharedMemRingBufferRGB,
    SlotFrameFilter,
    Switch,
    SwitchFrameFilter,
    SwScaleFrameFilter,
    ThreadSafeFrameFilter,
    TimeIntervalFrameFilter,
    TimestampFrameFilter,
    TimestampFrameFilter2,
)

SLOT = 3

FRAME = r"<(\w*)Frame: timestamp=(\d+) subsession_index=(-?\d+) slot=(\d+)(?: / (.*))?>"
SETUP = re.compile(r"media_type=0 codec_id=27")
DUMP = re.compile(
    r"InfoFrameFilter: (?P<name>\w+) start dump>> \n"
    rf"InfoFrameFilter: FRAME   : (?P<frame>{FRAME})\n"
    r"InfoFrameFilter: PAYLOAD : \[(?P<payload>.*)\]\n"
    r"InfoFrameFilter: timediff: (?P<late>-?\d+)\n"
    r"InfoFrameFilter: (?P=name) <<end dump   \n"
)


class Shown(Printed):
    def frames(self, name: str) -> list[re.Match[str]]:
        """The frames that the DummyFrameFilter `name` has shown."""
        return list(re.finditer(rf"^DummyFrameFilter : {name} : got frame : {FRAME}$", self.text, re.M))


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capfd)


Play = Callable[..., LiveThread]


@pytest.fixture
def play(camera: Cameras) -> Iterator[Play]:
    """`play(framefilter)` feeds a filter with a small camera, until the end of the test or `stopCall`."""
    threads = []
    url = camera("--size", "320x240", "--bit-rate", "200000").url

    def start(framefilter: FrameFilter, slot: int = SLOT) -> LiveThread:
        thread = LiveThread(f"live{slot}")
        context = LiveConnectionContext(LiveConnectionType_rtsp, url, slot, framefilter)
        context.request_tcp = True
        thread.startCall()
        thread.registerStreamCall(context)
        thread.playStreamCall(context)
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.stopCall()


def show(name: str) -> DummyFrameFilter:
    """A filter whose frames `Printed.frames(name)` gives."""
    return DummyFrameFilter(name)


def test_frames_are_shown_in_full(play: Play, printed: Shown, poll: Poll) -> None:
    live = play(InfoFrameFilter("info"))
    poll(lambda: len(DUMP.findall(printed.text)) > 20)
    live.stopCall()
    dumps = list(DUMP.finditer(printed.text))
    kind, _, track, slot, rest = dumps[0].groups()[2:7]
    assert (kind, track, slot) == ("Setup", "0", str(SLOT)) and SETUP.fullmatch(rest)
    assert dumps[0]["payload"] == ""
    types = [match[1] for dump in dumps if (match := re.search(r"H264: slice_type=(\d+)", dump["frame"]))]
    # A key frame comes with its parameter sets, each a frame of its own.
    first = types.index("7")
    assert types[first + 1] == "8" and "5" in types[first + 2 : first + 5] and "1" in types
    packets = [dump for dump in dumps if dump["frame"].startswith("<Basic")]
    assert all(re.match(r"0 0 0 1 (\d+ ){1,16}$", dump["payload"]) for dump in packets)
    assert all(abs(int(dump["late"])) < 60_000 for dump in packets)


def test_dumps_of_two_threads_do_not_mix(play: Play, printed: Shown, poll: Poll) -> None:
    threads = [play(InfoFrameFilter(f"info{slot}"), slot) for slot in (1, 2)]
    poll(lambda: all(printed.text.count(f"info{slot} <<end") > 40 for slot in (1, 2)))
    for thread in threads:
        thread.stopCall()
    rest = DUMP.sub("", printed.text)
    assert "InfoFrameFilter" not in rest


def test_other_filters_that_print(play: Play, printed: Shown, poll: Poll) -> None:
    chain = BriefInfoFrameFilter("brief", CountFrameFilter("count", FPSCountFrameFilter("fps", 500, show("end"))))
    live = play(DummyFrameFilter("quiet", False, chain))

    def rates() -> list[float]:
        return [float(rate) for rate in printed.find(r"^FPSCount fps : (\d+\.\d+)$")]

    # By the times of arrival: where the machine stands still for a while, nothing comes, and then all at once.
    poll(lambda: any(1 < rate < 100 for rate in rates()))
    live.stopCall()
    brief = re.findall(rf"^BriefInfoFrameFilter : brief : {FRAME} dT=(-?\d+)$", printed.text, re.M)
    counts = re.findall(r"^CountFrameFilter : got frame (\d+)$", printed.text, re.M)
    assert [int(count) for count in counts] == list(range(1, len(brief) + 1))
    assert len(printed.frames("end")) == len(brief)
    assert "quiet" not in printed.text
    assert len(rates()) == printed.text.count("FPSCount") and all(rate > 0 for rate in rates())


def test_forks_run_their_outputs_in_order(play: Play, printed: Shown, poll: Poll) -> None:
    fork = ForkFrameFilter3("fork", ForkFrameFilter("inner", show("a"), show("b")), None, show("c"))
    live = play(fork)
    poll(lambda: len(printed.frames("c")) > 10)
    live.stopCall()
    names = re.findall(r"^DummyFrameFilter : (\w) : got frame : <Setup", printed.text, re.M)
    assert names == ["a", "b", "c"]
    assert len(printed.frames("a")) == len(printed.frames("b")) == len(printed.frames("c"))


def test_outputs_come_and_go(play: Play, printed: Shown, poll: Poll) -> None:
    fork = ForkFrameFilterN("fork")
    assert fork.connect("2", show("second")) and fork.connect("1", show("first"))
    assert not fork.connect("1", show("third"))
    assert 'has a branch "1" already' in printed.text
    live = play(ThreadSafeFrameFilter("safe", fork))
    poll(lambda: len(printed.frames("second")) > 5)
    assert fork.disconnect("1") and not fork.disconnect("1")
    before = len(printed.frames("first"))
    # Who comes late is told what is online.
    assert fork.connect("1", show("late"))
    seen = len(printed.frames("second"))
    poll(lambda: len(printed.frames("second")) > seen + 5 and len(printed.frames("late")) > 5)
    live.stopCall()
    assert len(printed.frames("first")) == before
    assert printed.frames("late")[0][1] == "Setup"
    names = re.findall(r"^DummyFrameFilter : (\w+) : got frame", printed.text, re.M)
    assert names[:2] == ["first", "second"]


def test_filters_that_python_forgets_go_on(play: Play, printed: Shown, poll: Poll) -> None:
    fork = ForkFrameFilterN("fork")
    fork.connect("a", SlotFrameFilter("slot", 9, show("end")))
    play(fork)
    del fork
    gc.collect()
    poll(lambda: len(printed.frames("end")) > 5)


def test_a_gate(play: Play, printed: Shown, poll: Poll) -> None:
    strict = GateFrameFilter("gate", show("strict"))
    strict.noConfigFrames()
    gate = GateFrameFilter("gate", show("gate"))
    play(ForkFrameFilter3("fork", strict, gate, show("all")))
    poll(lambda: len(printed.frames("all")) > 10)
    assert [frame[1] for frame in printed.frames("gate")] == ["Setup"]
    assert not printed.frames("strict")
    gate.set()
    poll(lambda: len(printed.frames("gate")) > 5)
    gate.unSet()
    # One frame may be on its way through.
    seen = len(printed.frames("all"))
    poll(lambda: len(printed.frames("all")) > seen + 5)
    passed, seen = len(printed.frames("gate")), len(printed.frames("all"))
    poll(lambda: len(printed.frames("all")) > seen + 10)
    assert len(printed.frames("gate")) == passed


def test_a_gate_that_remembers(play: Play, printed: Shown, poll: Poll) -> None:
    gate = CachingGateFrameFilter("gate", show("gate"))
    # Whoever sees a frame knows that the gate has it.
    source = GateFrameFilter("source", ForkFrameFilter("fork", gate, show("all")))
    source.set()
    play(source)
    poll(lambda: any("slice_type=5" in frame[5] for frame in printed.frames("all") if frame[5]))
    source.unSet()
    assert not printed.frames("gate")
    # No frame comes any more: what is remembered is handed on by the call itself.
    gate.set()
    frames = printed.frames("gate")
    assert [frame[1] for frame in frames[:2]] == ["Setup", "Basic"]
    assert frames[1][5].endswith("H264: slice_type=7")
    assert any(frame[5].endswith("H264: slice_type=5") for frame in frames)
    gate.unSet()
    frames = printed.frames("gate")
    source.set()
    seen = len(printed.frames("all"))
    poll(lambda: len(printed.frames("all")) > seen + 5)
    assert len(printed.frames("gate")) == len(frames)


def test_one_of_two_outputs(play: Play, printed: Shown, poll: Poll) -> None:
    switch = SwitchFrameFilter("switch", show("first"), show("second"))
    play(switch)
    poll(lambda: len(printed.frames("first")) > 5)
    assert not printed.frames("second")
    switch.set2()
    poll(lambda: len(printed.frames("second")) > 5)
    switch.set1()
    seen = len(printed.frames("first"))
    poll(lambda: len(printed.frames("first")) > seen + 5)


@pytest.mark.parametrize("kind", [Switch, DoubleGate])
def test_one_of_two_inputs(kind: type, play: Play, printed: Shown, poll: Poll) -> None:
    outputs = [show("first"), show("second")]
    switch = kind("switch", *outputs) if kind is DoubleGate else kind("switch", show("both"))
    assert switch.getCurrentChannel() == -1
    switch.setChannel(2)
    switch.setChannel(-1)
    assert switch.getCurrentChannel() == -1 and switch.getInputChannel(2) is None
    assert printed.text.count("wrong channel 2") == 2 and "wrong channel -1" in printed.text
    inputs = [switch.getInputChannel(channel) for channel in (0, 1)]
    assert all(isinstance(one, CachingGateFrameFilter) for one in inputs)
    play(ForkFrameFilter("fork", *(SlotFrameFilter("slot", 10 + n, one) for n, one in enumerate(inputs))))
    for channel in (0, 1):
        name = "both" if kind is Switch else ("first", "second")[channel]
        switch.setChannel(channel)
        assert switch.getCurrentChannel() == channel
        slot = str(10 + channel)
        poll(lambda name=name, slot=slot: [frame[4] for frame in printed.frames(name)].count(slot) > 5)


def test_slots(play: Play, printed: Shown, poll: Poll) -> None:
    set_slot = SetSlotFrameFilter(
        "set", ForkFrameFilter("fork", show("all"), PassSlotFrameFilter("pass", 7, show("7")))
    )
    play(set_slot)
    poll(lambda: len(printed.frames("all")) > 5)
    assert {frame[4] for frame in printed.frames("all")} == {str(SLOT)} and not printed.frames("7")
    set_slot.setSlot(7)
    poll(lambda: len(printed.frames("7")) > 5)
    assert {frame[4] for frame in printed.frames("7")} == {"7"}
    set_slot.setSlot()
    poll(lambda: printed.frames("all")[-1][4] == str(SLOT))


def test_thinning(play: Play, printed: Shown, poll: Poll) -> None:
    live = play(TimeIntervalFrameFilter("interval", 400, show("thin")))

    def stamps() -> list[int]:
        return list(dict.fromkeys(int(frame[2]) for frame in printed.frames("thin") if frame[1] == "Basic"))

    poll(lambda: len(stamps()) > 3)
    live.stopCall()
    distances = [abs(later - earlier) for earlier, later in zip(stamps(), stamps()[1:])]
    assert min(distances) >= 399


@pytest.mark.parametrize("kind", [TimestampFrameFilter, TimestampFrameFilter2, DummyTimestampFrameFilter])
def test_time_stamps(kind: type, play: Play, printed: Shown, poll: Poll) -> None:
    play(kind("stamps", BriefInfoFrameFilter("brief", show("end"))))
    poll(lambda: len(printed.frames("end")) > 20)
    late = [int(match[1]) for match in re.finditer(r"dT=(-?\d+)$", printed.text, re.M)]
    assert all(abs(one) < 30_000 for one in late)


def test_streams_are_announced(play: Play, printed: Shown, poll: Poll) -> None:
    gate = GateFrameFilter("gate", InitStreamFrameFilter("init", RepeatH264ParsFrameFilter("repeat", show("end"))))
    gate.noConfigFrames()
    play(ForkFrameFilter("fork", gate, show("all")))
    poll(lambda: len(printed.frames("all")) > 5)
    gate.set()
    poll(lambda: len(printed.frames("end")) > 5)
    setup, first = printed.frames("end")[:2]
    assert setup[1] == "Setup" and SETUP.fullmatch(setup[5])
    assert (setup[2], setup[4]) == (first[2], first[4]) and first[1] == "Basic"


def test_frames_as_files(
    play: Play, printed: Shown, poll: Poll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    live = play(DumpFrameFilter("dump", show("end")))
    poll(lambda: len(printed.frames("end")) > 10)
    live.stopCall()
    frames = [frame for frame in printed.frames("end") if frame[1] == "Basic"]
    for count, frame in enumerate(frames):
        size = int(frame[5].removeprefix("payload size=").split()[0])
        data = (tmp_path / f"packet_c{count}_s{frame[3]}_{frame[2]}.bin").read_bytes()
        assert len(data) == size and data.startswith(b"\0\0\0\1")
    assert len(list(tmp_path.iterdir())) == len(frames)


def test_pictures(play: Play, printed: Shown, poll: Poll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scaled = SwScaleFrameFilter("scale", 64, 48, InfoFrameFilter("rgb"))
    unused = SwScaleFrameFilter("scale", 64, 48)
    every = TimeIntervalFrameFilter("interval", 300, DumpAVBitmapFrameFilter("dump", InfoFrameFilter("yuv")))
    decoder = AVThread("decoder", ForkFrameFilter3("fork", scaled, unused, every))
    decoder.startCall()
    decoder.decodingOnCall()
    live = play(decoder.getFrameFilter())
    poll(lambda: (tmp_path / "image_c1_s0_.yuv").exists() and "AVRGBFrame" in printed.text)
    live.stopCall()
    decoder.stopCall()
    rest = r"timestamp=\d+ subsession_index=0 slot=3"
    assert re.search(rf"<AVRGBFrame: {rest} / h=48; w=64; l=\(192,0,0\); f=2>", printed.text)
    assert re.search(rf"<AVBitmapFrame: {rest} / h=240; w=320; l=\(\d+,\d+,\d+\); f=(0|12)>", printed.text)
    assert re.search(r"PAYLOAD : \[(\d+ ){10} \| (\d+ ){10} \| (\d+ ){10}\]", printed.text)
    assert "DumpAVBitmapFrameFilter: wrote YUV420P image 0 : 320x240" in printed.lines
    assert (tmp_path / "image_c0_s0_.yuv").stat().st_size == 320 * 240 * 3 // 2


def test_pictures_of_no_size() -> None:
    for width, height in [(0, 48), (64, -1), (64, 1 << 40)]:
        with pytest.raises(ValueError, match=f"small: no pictures of {width}x{height} can be made"):
            SwScaleFrameFilter("small", width, height)


def test_pictures_reach_shared_memory_either_way(play: Play) -> None:
    size = (64, 48)
    servers = [RGBShmemFrameFilter(f"{os.getpid()}_{way}", 4, *size) for way in ("straight", "copied")]
    clients = [SharedMemRingBufferRGB(f"{os.getpid()}_{way}", 4, *size, 60_000) for way in ("straight", "copied")]
    # The one is scaled into the memory itself, the other passes a filter.
    straight = SwScaleFrameFilter("scale", *size, servers[0])
    copied = SwScaleFrameFilter("scale", *size, ThreadSafeFrameFilter("safe", servers[1]))
    decoder = AVThread("decoder", ForkFrameFilter("fork", straight, copied))
    decoder.startCall()
    decoder.decodingOnCall()
    play(decoder.getFrameFilter())
    pictures: dict[int, dict[int, Any]] = {}
    for _ in range(25):
        for way, client in enumerate(clients):
            index, bytes_, width, height, slot, stamp = client.clientPullPy()
            assert (bytes_, width, height, slot) == (64 * 48 * 3, 64, 48, SLOT) and index >= 0
            pictures.setdefault(stamp, {})[way] = client.getBufferListPy()[index].reshape(48, 64, 3).copy()
    pairs = [both for both in pictures.values() if len(both) == 2]
    assert pairs and all((both[0] == both[1]).all() for both in pairs)
    # The first bar of the scene is grey.
    assert abs(int(pairs[0][0][24, 2].mean()) - 191) < 8
    decoder.stopCall()
