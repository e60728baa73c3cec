"""LiveThread: streams that are received, made anew, and sent."""

from __future__ import annotations

import gc
import json
import re
import socket
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Cameras, Poll, Printed, free_port, program, spawn
from valkka.core import (
    BriefInfoFrameFilter,
    FrameFifoContext,
    LiveConnectionContext,
    LiveConnectionType_none,
    LiveConnectionType_rtsp,
    LiveConnectionType_sdp,
    LiveOutboundContext,
    LiveThread,
    TimeCorrectionType_dummy,
    TimeCorrectionType_smart,
    setLiveOutPacketBuffermaxSize,
)

GROUP = "239.255.91.91"
SMALL = ("--size", "320x240", "--bit-rate", "200000")

BRIEF = re.compile(
    r"^BriefInfoFrameFilter : (\w+) : <(\w+)Frame: timestamp=(\d+) .* slot=(\d+) / (.*)> dT=(-?\d+)$", re.M
)


class Shown(Printed):
    def frames(self, name: str = "f", kind: str = "Basic") -> list[tuple[int, str]]:
        """Slot and description of the frames that the BriefInfoFrameFilter `name` has shown."""
        return [(int(m[4]), m[5]) for m in BRIEF.finditer(self.text) if m[1] == name and m[2] == kind]


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capfd)


@pytest.fixture
def live() -> Iterator[LiveThread]:
    thread = LiveThread("live")
    yield thread
    thread.stopCall()


def rtsp(url: str, slot: int, name: str = "f", **attributes: object) -> LiveConnectionContext:
    """A stream that is received over TCP, and shown by a BriefInfoFrameFilter."""
    context = LiveConnectionContext(LiveConnectionType_rtsp, url, slot, BriefInfoFrameFilter(name))
    context.request_tcp = True
    for attribute, value in attributes.items():
        setattr(context, attribute, value)
    return context


def receive(thread: LiveThread, context: LiveConnectionContext) -> LiveConnectionContext:
    thread.registerStreamCall(context)
    thread.playStreamCall(context)
    return context


def multicast_works() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.sendto(b"probe", (GROUP, free_port()))
        except OSError:
            return False
    return True


def test_contexts_have_the_defaults_of_the_interface() -> None:
    context: Any = LiveConnectionContext()
    assert (context.connection_type, context.address, context.slot) == (LiveConnectionType_none, "", 0)
    assert context.framefilter is None and context.msreconnect == 10000
    assert (context.request_multicast, context.request_tcp) == (False, False)
    assert (context.recv_buffer_size, context.reordering_time) == (0, 0)
    assert context.time_correction == TimeCorrectionType_smart
    context.mstimeout = 10000  # whatever programs put there
    framefilter = BriefInfoFrameFilter("f")
    context.framefilter = framefilter
    assert context.framefilter is framefilter and context.mstimeout == 10000
    outbound = LiveOutboundContext(LiveConnectionType_sdp, "224.1.168.91", 3, 50000)
    assert (outbound.connection_type, outbound.address, outbound.slot) == (2, "224.1.168.91", 3)
    assert (outbound.portnum, outbound.ttl) == (50000, 255)
    assert (LiveOutboundContext().slot, LiveOutboundContext().portnum) == (0, 0)
    setLiveOutPacketBuffermaxSize(95000)
    LiveThread("live", FrameFifoContext())


@pytest.mark.parametrize("tcp", [True, False])
def test_frames_come_over_tcp_and_udp(camera: Cameras, live: LiveThread, printed: Shown, poll: Poll, tcp: bool) -> None:
    live.startCall()
    context = receive(live, rtsp(camera(*SMALL).url, 7, request_tcp=tcp))
    poll(lambda: len(printed.frames()) > 60)
    assert printed.frames(kind="Setup") == [(7, "media_type=0 codec_id=27")]
    assert {slot for slot, _ in printed.frames()} == {7}
    types = [int(text.rsplit("=")[-1]) for _, text in printed.frames()]
    # Beside parameter sets and slices, there is what the encoder says of itself.
    slices = [one for one in types[types.index(7) :] if one != 6]
    assert slices[:3] == [7, 8, 5]
    # What follows the first key frame may have been lost over UDP.
    assert any(slices[at : at + 4] == [7, 8, 5, 1] for at in range(len(slices)))
    live.stopStreamCall(context)
    live.deregisterStreamCall(context)
    live.waitReady()
    count = len(printed.frames())
    assert printed.text.count("BriefInfo") - 1 == count


def test_what_is_asked_before_the_start_is_done_then(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    url = camera(*SMALL).url
    first, second, third = (rtsp(url, slot) for slot in (1, 2, 3))
    for context in (first, second, third):
        receive(live, context)
    live.stopStreamCall(second)
    live.deregisterStreamCall(third)
    live.stopCall()
    live.startCall()
    poll(lambda: len(printed.frames()) > 20)
    assert {slot for slot, _ in printed.frames()} == {1}


def test_a_stopped_stream_brings_nothing_before_it_is_registered_anew(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    live.startCall()
    context = receive(live, rtsp(camera(*SMALL).url, 1))
    other = receive(live, rtsp(context.address, 2, "other"))
    poll(lambda: printed.frames() and printed.frames("other"))
    live.stopStreamCall(context)
    count, others = len(printed.frames()), len(printed.frames("other"))
    live.playStreamCall(context)
    poll(lambda: len(printed.frames("other")) > others + 50)
    assert len(printed.frames()) == count
    live.deregisterStreamCall(context)
    receive(live, context)
    poll(lambda: len(printed.frames()) > count + 10)
    live.stopStreamCall(other)


def test_calls_that_fit_no_slot_say_so_and_do_nothing(live: LiveThread, printed: Shown) -> None:
    live.startCall()
    one, same, far = (
        LiveConnectionContext(LiveConnectionType_rtsp, "rtsp://127.0.0.1:1/", n, None) for n in (1, 1, 256)
    )
    live.playStreamCall(one)
    live.stopStreamCall(one)
    live.deregisterStreamCall(one)
    live.registerStreamCall(one)
    live.registerStreamCall(same)
    live.registerStreamCall(far)
    live.registerStreamCall(LiveConnectionContext())
    live.deregisterOutboundCall(LiveOutboundContext())
    live.registerOutboundCall(LiveOutboundContext(LiveConnectionType_sdp, "nowhere", 1, 50000))
    live.registerOutboundCall(LiveOutboundContext(LiveConnectionType_rtsp, "garden", 1, 0))
    assert printed.text.splitlines() == [
        "LiveThread: playStream : nothing at slot 1",
        "LiveThread: stopStream : nothing at slot 1",
        "LiveThread: registerStream : slot 1 is reserved! ",
        "LiveThread: registerStream : slot 256 is not from 0 to 255",
        "LiveThread: registerStream : no connection type was given for slot 0",
        'LiveThread: registerOutbound : slot 1 is not sent: "nowhere" is no IP address',
        'LiveThread: registerOutbound : slot 1 is not sent: there is no RTSP server to serve "garden"',
    ]


def test_a_camera_that_is_not_there_is_named_without_its_password(live: LiveThread, printed: Shown, poll: Poll) -> None:
    live.startCall()
    with socket.socket() as closed:
        # Nobody listens there, and nobody else gets it.
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        receive(live, rtsp(f"rtsp://admin:s3cret@127.0.0.1:{port}/cam", 1, msreconnect=0))
        poll(lambda: "Failed" in printed.text)
    url = f"rtsp://127.0.0.1:{port}/cam"
    start = f'ValkkaRTSPClient: [URL:"{url}"]: Failed to get a SDP description: cannot connect to 127.0.0.1:{port}'
    assert printed.text.startswith(start) and "s3cret" not in printed.text
    for slot, (typed, shown) in enumerate(MISTYPED.items(), 2):
        receive(live, rtsp(typed, slot))
        failed = f'ValkkaRTSPClient: [URL:"{shown}"]: Failed to get a SDP description: '
        poll(lambda failed=failed: failed in printed.text)  # type: ignore[misc]
    assert "s3cret" not in printed.text


# Addresses that are none, and what is shown of them.
MISTYPED = {
    "rtsp://admin:s3cret@": "rtsp://***@",
    "rtsp://admin:s3cret@camera:99999/x": "rtsp://***@camera:99999/x",
    "admin:s3cret@camera/x": "***@camera/x",
    "rtsp://admin:s3cret": "",
}


def test_a_thread_that_has_stopped_is_silent_of_its_streams(live: LiveThread, printed: Shown) -> None:
    live.startCall()
    context = rtsp("rtsp://127.0.0.1:1/", 1, msreconnect=0)
    live.registerStreamCall(context)
    live.stopCall()
    # The usual order: first the thread, then the chains that it has fed.
    live.stopStreamCall(context)
    live.deregisterStreamCall(context)
    assert printed.text == ""


def test_ports_that_are_none(live: LiveThread) -> None:
    for port in (-1, 65536):
        with pytest.raises(RuntimeError, match=f"cannot listen on port {port}"):
            live.setRTSPServer(port)


@pytest.mark.parametrize("tcp", [True, False])
def test_a_killed_camera_is_received_again(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll, tcp: bool
) -> None:
    live.startCall()
    cam = camera(*SMALL)
    receive(live, rtsp(cam.url, 1, msreconnect=1000, request_tcp=tcp))
    poll(lambda: printed.frames())
    # This one has one try.
    receive(live, rtsp(cam.url, 2, "never", msreconnect=0))
    poll(lambda: printed.frames("never"))
    failed = printed.text.count("Failed to get a SDP description")
    cam.kill()
    poll(lambda: printed.text.count("Failed to get a SDP description") > failed)
    before, setups = len(printed.frames()), len(printed.frames(kind="Setup"))
    cam.start()
    # It is announced anew, so that a decoder downstream starts anew.
    poll(lambda: len(printed.frames(kind="Setup")) > setups and len(printed.frames()) > before + 10)
    assert len(printed.frames("never", "Setup")) == 1


def test_silence_ends_a_connection_if_it_is_to_be_made_anew(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    live.startCall()
    cam = camera(*SMALL)
    receive(live, rtsp(cam.url, 1, msreconnect=1000))
    poll(lambda: printed.frames())
    receive(live, rtsp(cam.url, 2, "never", msreconnect=0))
    poll(lambda: printed.frames("never"))
    silences = printed.text.count("sent nothing for 1 s")
    cam.pause()
    poll(lambda: printed.text.count("sent nothing for 1 s") > silences)
    setups, never = len(printed.frames(kind="Setup")), len(printed.frames("never"))
    cam.resume()
    poll(lambda: len(printed.frames(kind="Setup")) > setups and len(printed.frames("never")) > never + 10)
    assert len(printed.frames("never", "Setup")) == 1, "the connection is the first one"


def test_a_changed_context_holds_from_the_next_connection_on(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    live.startCall()
    first, second = camera(*SMALL), camera(*SMALL)
    context = receive(live, rtsp(first.url, 1, msreconnect=500))
    poll(lambda: len(printed.frames()) > 10)
    setups = len(printed.frames(kind="Setup"))
    context.address = second.url
    first.kill()
    poll(lambda: len(printed.frames(kind="Setup")) > setups)
    count = len(printed.frames())
    poll(lambda: len(printed.frames()) > count + 10)


def test_nothing_that_python_forgets_is_lost_while_it_is_needed(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    live.startCall()
    context = receive(live, rtsp(camera(*SMALL).url, 1))
    gone = weakref.ref(context), weakref.ref(context.framefilter)
    del context
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    poll(lambda: len(printed.frames()) > 30)
    count = len(printed.frames())
    gc.collect()
    poll(lambda: len(printed.frames()) > count + 30)


def test_threads_end_in_any_order_and_without_being_asked(camera: Cameras, printed: Shown, poll: Poll) -> None:
    never = LiveThread("never")
    never.stopCall()
    never.requestStopCall()
    never.waitStopCall()
    never.waitReady()
    del never
    url = camera(*SMALL).url
    sender, receiver = LiveThread("sender"), LiveThread("receiver")
    incoming = LiveConnectionContext(LiveConnectionType_rtsp, url, 1, sender.getFrameFilter())
    receive(receiver, incoming)
    sender.registerOutboundCall(LiveOutboundContext(LiveConnectionType_sdp, "127.0.0.1", 1, free_port()))
    receiver.startCall()
    sender.startCall()
    receive(receiver, rtsp(url, 2))
    poll(lambda: printed.frames())
    with pytest.raises(RuntimeError, match="once"):
        receiver.startCall()
    sender.stopCall()
    sender.stopCall()
    del sender
    gc.collect()
    count = len(printed.frames())
    poll(lambda: len(printed.frames()) > count + 10)
    del receiver
    gc.collect()
    count = len(printed.frames())
    assert len(printed.frames()) == count


def test_time_stamps_are_the_arrivals_if_that_is_wanted(
    camera: Cameras, live: LiveThread, printed: Shown, poll: Poll
) -> None:
    live.startCall()
    receive(live, rtsp(camera(*SMALL).url, 1, time_correction=TimeCorrectionType_dummy))

    def late() -> list[int]:
        return sorted(-int(match[6]) for match in BRIEF.finditer(printed.text))

    # In the thread that received them, they are shown at once: most of them, wherever that thread had to wait.
    poll(lambda: len(late()) > 50 and late()[len(late()) // 2] < 20)
    assert late()[0] >= 0


def probe(url: str) -> dict[str, str] | None:
    """What ffprobe says of the first stream of `url`; None if it cannot receive it."""
    command = [program("ffprobe"), "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)["streams"][0] if done.returncode == 0 else None


def test_a_stream_is_served_by_rtsp(camera: Cameras, printed: Shown, poll: Poll) -> None:
    port = free_port()
    sender, receiver = LiveThread("sender"), LiveThread("receiver")
    sender.setRTSPServer(port)
    with pytest.raises(RuntimeError, match=f"{port} already"):
        sender.setRTSPServer(port)
    with pytest.raises(RuntimeError, match=f"cannot listen on 0.0.0.0:{port}: Address already in use"):
        LiveThread("other").setRTSPServer(port)
    sender.startCall()
    receiver.startCall()
    incoming = LiveConnectionContext(LiveConnectionType_rtsp, camera(*SMALL).url, 2, sender.getFrameFilter())
    receive(receiver, incoming)
    # It comes before it is registered: what announces it must not be lost.
    receive(receiver, rtsp(incoming.address, 3))
    poll(lambda: len(printed.frames()) > 30)
    outbound = LiveOutboundContext(LiveConnectionType_rtsp, "garden", 2, 0)
    sender.registerOutboundCall(outbound)
    url = f"rtsp://127.0.0.1:{port}/garden"
    found = poll(lambda: probe(url))
    assert (found["codec_name"], found["width"], found["height"]) == ("h264", 320, 240)
    receive(receiver, rtsp(url, 4, "again"))
    poll(lambda: len(printed.frames("again")) > 30)
    sender.deregisterOutboundCall(outbound)
    assert probe(url) is None
    sender.stopCall()
    receiver.stopCall()
    # The port is free again.
    LiveThread("next").setRTSPServer(port)


@pytest.mark.parametrize("group", [GROUP, "127.0.0.1"])
def test_a_stream_is_sent_unasked(camera: Cameras, printed: Shown, poll: Poll, tmp_path: Path, group: str) -> None:
    if not multicast_works():
        pytest.skip("no multicast: this machine has no route for it")
    port = free_port()
    # Written by hand: without parameter sets, which come with the stream.
    sdp = tmp_path / "stream-without-extension"
    sdp.write_text(
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 {group}\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )
    sender, receiver, viewer = LiveThread("sender"), LiveThread("receiver"), LiveThread("viewer")
    incoming = LiveConnectionContext(LiveConnectionType_rtsp, camera(*SMALL).url, 2, sender.getFrameFilter())
    outbound = LiveOutboundContext(LiveConnectionType_sdp, group, 2, port)
    outbound.ttl = 1
    for thread in (viewer, receiver, sender):
        thread.startCall()
    receive(receiver, incoming)
    sender.registerOutboundCall(outbound)
    receive(viewer, LiveConnectionContext(LiveConnectionType_sdp, str(sdp), 9, BriefInfoFrameFilter("f")))
    poll(lambda: len(printed.frames()) > 50, 60)
    assert {slot for slot, _ in printed.frames()} == {9}
    sender.deregisterOutboundCall(outbound)
    for thread in (sender, receiver, viewer):
        thread.stopCall()


def test_the_interpreter_ends_with_everything_running(camera: Cameras, poll: Poll, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys, time
            from valkka.core import *
            url, port, end = sys.argv[1], int(sys.argv[2]), sys.argv[3]
            sender, receiver = LiveThread("sender"), LiveThread("receiver")
            sender.setRTSPServer(port)
            framefilter = ForkFrameFilter("fork", BriefInfoFrameFilter("f"), sender.getFrameFilter())
            contexts = []
            for slot in range(1, 5):
                context = LiveConnectionContext(LiveConnectionType_rtsp, url, slot, framefilter)
                context.request_tcp = slot % 2 == 0
                contexts.append(context)
                receiver.registerStreamCall(context)
                receiver.playStreamCall(context)
                sender.registerOutboundCall(LiveOutboundContext(LiveConnectionType_rtsp, f"cam{slot}", slot, 0))
            sender.startCall()
            receiver.startCall()
            while not os.path.exists(end):
                time.sleep(0.05)
            print("bye", flush=True)
            """
        )
    )
    shown, end = tmp_path / "shown", tmp_path / "end"
    command = [sys.executable, "-X", "faulthandler", str(script), camera(*SMALL).url, str(free_port()), str(end)]
    with shown.open("wb") as file:
        process = spawn(command, stdout=file, stderr=subprocess.STDOUT)
    slots = [f"slot={slot} " for slot in range(1, 5)]
    poll(lambda: all(slot in shown.read_text() for slot in slots) or process.poll() is not None)
    end.touch()
    status = process.wait(60)
    text = shown.read_text()
    assert status == 0 and "bye\n" in text, text[-3000:]
    assert all(slot in text for slot in slots)
