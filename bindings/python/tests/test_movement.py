"""MovementFrameFilter and AlertFrameFilter: what they call back, and what they let through."""

from __future__ import annotations

import gc
import subprocess
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Cameras, Poll, Printed, play, program
from valkka.core import (
    AlertFrameFilter,
    AVThread,
    BriefInfoFrameFilter,
    ForkFrameFilter,
    InfoFrameFilter,
    MovementFrameFilter,
)

SLOT = 7


@pytest.fixture
def flashes(tmp_path: Path) -> Path:
    """Footage that is black for two seconds, and white for two seconds."""
    path = tmp_path / "flashes.mkv"
    colours = [f"color={colour}:size=320x240:rate=25:duration=2" for colour in ("black", "white")]
    inputs = [argument for colour in colours for argument in ("-f", "lavfi", "-i", colour)]
    encode = ["-filter_complex", "concat=n=2", "-c:v", "libx264", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"]
    command = [program("ffmpeg"), "-nostdin", "-loglevel", "error", *inputs, *encode, str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


class Watcher:
    """Its method is called back, and nobody else holds it."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def movement(self, event: tuple[bool, int, int]) -> None:
        self._seen.append(event)
        if len(self._seen) == 2:
            raise ValueError("raised on purpose")


def test_movement_is_called_back_and_lets_pictures_through(
    camera: Cameras, flashes: Path, poll: Poll, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[bool, int, int]] = []
    movement = MovementFrameFilter("move", 100, 0.3, 500, BriefInfoFrameFilter("moved"))
    # Without a filter behind it, and without a callback.
    lonely = MovementFrameFilter("lonely", interval=100, treshold=0.3, duration=500)
    movement.setCallback(Watcher(seen).movement)
    gc.collect()
    decoder = AVThread("decoder", ForkFrameFilter("fork", movement, lonely))
    decoder.startCall()
    decoder.decodingOnCall()
    live = play(camera("--file", str(flashes)).url, decoder.getFrameFilter(), SLOT)

    def regular() -> bool:
        """Whether a movement has lasted half a second, and the next one has begun two seconds after it."""
        events = seen[:]
        return any(
            moving and 500 <= end - begin < 1000 and 1500 < following - begin < 2500
            for (moving, _, begin), (_, _, end), (_, _, following) in zip(events, events[1:], events[2:])
        )

    # Where the machine stands still for a while, pictures come late or not at all.
    poll(lambda: len(seen) >= 4 and regular())
    live.stopCall()
    decoder.stopCall()
    assert all(moving == (index % 2 == 0) for index, (moving, _, _) in enumerate(seen))
    assert {slot for _, slot, _ in seen} == {SLOT}
    output = capfd.readouterr()
    began = [mstimestamp for moving, _, mstimestamp in seen if moving]
    moved = [line for line in output.out.splitlines() if ": moved : <AVBitmapFrame" in line]
    assert all(any(f"timestamp={mstimestamp} " in line for line in moved) for mstimestamp in began)
    assert "ValueError: raised on purpose" in output.err


def test_what_is_no_picture_is_dropped_with_one_word(camera: Cameras, poll: Poll, printed: Printed) -> None:
    packets = BriefInfoFrameFilter("packets")
    movement = MovementFrameFilter("move", 100, 0.3, 500, InfoFrameFilter("behind"))
    movement.reset()
    live = play(camera("--size", "320x240").url, ForkFrameFilter("fork", movement, packets), SLOT)
    poll(lambda: printed.text.count("BriefInfoFrameFilter : packets") > 20)
    live.stopCall()
    text = printed.text
    assert text.count("MovementFrameFilter: move: slot 7: only decoded pictures are taken") == 1
    assert "behind start dump" in text and "BasicFrame" not in text.replace("packets : <BasicFrame", "")


def test_an_alert_tells_that_a_stream_is_gone(camera: Cameras, poll: Poll, printed: Printed) -> None:
    seen: list[tuple[int]] = []
    one = camera("--size", "320x240")
    alert = AlertFrameFilter("alert", seen.append, BriefInfoFrameFilter("behind"))
    live = play(one.url, alert, SLOT, msreconnect=3000)

    def basic() -> int:
        return printed.text.count("BriefInfoFrameFilter : behind : <BasicFrame")

    poll(lambda: basic() > 10)
    # A camera may be slow on a busy machine.
    alerts = len(seen)
    one.pause()
    poll(lambda: len(seen) > alerts)
    one.resume()
    before = basic()
    poll(lambda: basic() > before + 10)
    alerts = len(seen)
    one.kill()
    poll(lambda: len(seen) > alerts)
    live.stopCall()
    assert set(seen) == {(SLOT,)}


def test_an_alert_tells_that_there_never_was_a_stream(poll: Poll) -> None:
    seen: list[tuple[int]] = []
    live = play("rtsp://127.0.0.1:9/nobody", AlertFrameFilter("alert", seen.append), SLOT, msreconnect=500)
    poll(lambda: seen == [(SLOT,)])
    live.stopCall()


@pytest.mark.parametrize("msreconnect", [0, 120_000])
def test_there_is_no_alert_before_its_time(msreconnect: int, camera: Cameras, poll: Poll, printed: Printed) -> None:
    seen: list[tuple[int]] = []
    one = camera("--size", "320x240")
    lost = AlertFrameFilter("alert", seen.append, BriefInfoFrameFilter("behind"))
    lives = [play(one.url, lost, SLOT, msreconnect=msreconnect)]
    poll(lambda: printed.text.count("BriefInfoFrameFilter : behind : <BasicFrame") > 5)
    one.kill()
    poll(lambda: "the connection has ended: " in printed.text)
    refused = AlertFrameFilter("alert", seen.append, BriefInfoFrameFilter("behind"))
    lives.append(play("rtsp://127.0.0.1:9/nobody", refused, SLOT, msreconnect=msreconnect))
    poll(lambda: '/nobody"]: Failed to get a SDP description: ' in printed.text)
    for live in lives:
        live.stopCall()
    assert seen == []
    # What the graph is told of lost connections is no frame.
    assert "<Frame" not in printed.text


@pytest.mark.parametrize("make", [lambda call: AlertFrameFilter("a", call), lambda call: watching(call)])
def test_callbacks_live_as_long_as_the_filter(make: Callable[[Any], Any]) -> None:
    class Call:
        def __call__(self, event: object) -> None: ...

    call = Call()
    gone = weakref.ref(call)
    made = make(call)
    del call
    gc.collect()
    assert gone() is not None
    del made
    gc.collect()
    assert gone() is None


def watching(call: Any) -> MovementFrameFilter:
    made = MovementFrameFilter("m", 1, 0.5, 1)
    made.setCallback(call)
    return made
