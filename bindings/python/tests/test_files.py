"""Files: recorded, played, and cut into fragments of MP4."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import valkka.core as core
from conftest import Cameras, Poll, Printed, program

# Ends of waits that are never reached on a machine that works.
SOON = 60.0


@pytest.fixture
def stream(camera: Cameras) -> Iterator[Stream]:
    """A camera that is received, and a thread that plays files."""
    received = Stream(camera("--size", "640x360").url)
    yield received
    received.stop()


class Stream:
    def __init__(self, url: str) -> None:
        self.live = core.LiveThread("live")
        self.live.startCall()
        self.url = url
        self.contexts: list[core.LiveConnectionContext] = []

    def into(self, filter: core.FrameFilter) -> None:
        context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, self.url, 1, filter)
        context.request_tcp = True
        self.live.registerStreamCall(context)
        self.live.playStreamCall(context)
        self.contexts.append(context)

    def stop(self) -> None:
        self.live.stopCall()


def ffprobe(file: Path, *entries: str) -> Any:
    command = [program("ffprobe"), "-v", "error", "-of", "json", "-show_entries", ":".join(entries), str(file)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SOON).stdout)


def decode(file: Path) -> int:
    """How many pictures ffmpeg decodes, refusing whatever is damaged."""
    command = [program("ffmpeg"), "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(file)]
    command += ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SOON)
    return sum(not line.startswith(b"#") for line in done.stdout.splitlines())


def record(stream: Stream, file: Path, poll: Poll, megabytes: float = 0.1) -> core.FileFrameFilter:
    filter = core.FileFrameFilter("recorder")
    stream.into(filter)
    filter.activate(str(file))
    poll(lambda: file.exists() and file.stat().st_size > megabytes * 1e6, SOON)
    return filter


def test_a_recording_can_be_played_by_others(stream: Stream, tmp_path: Path, poll: Poll) -> None:
    file = tmp_path / "camera.mkv"
    filter = record(stream, file, poll)
    filter.deActivate()
    size = file.stat().st_size
    found = ffprobe(file, "stream=codec_name,width,height", "format=duration")
    assert (found["streams"][0]["codec_name"], found["streams"][0]["width"]) == ("h264", 640)
    assert float(found["format"]["duration"]) > 1
    assert decode(file) > 25
    packets = ffprobe(file, "packet=pts_time,flags")["packets"]
    assert packets[0]["pts_time"] == "0.000000" and packets[0]["flags"].startswith("K")
    # Nothing is written any more.
    filter.deActivate()
    assert file.stat().st_size == size


def test_a_recording_follows_another_at_once(stream: Stream, tmp_path: Path, poll: Poll) -> None:
    first, second = tmp_path / "first.mkv", tmp_path / "second.mkv"
    filter = record(stream, first, poll)
    zero = int((time.time() - 100) * 1000)
    filter.activate(fname=str(second), zerotime=zero)
    poll(lambda: second.exists() and second.stat().st_size > 100_000, SOON)
    filter.deActivate()
    assert decode(first) > 25 and decode(second) > 25
    start = float(ffprobe(second, "packet=pts_time")["packets"][0]["pts_time"])
    assert 60 < start < 160


def test_what_goes_wrong_with_a_file_is_said_once(stream: Stream, tmp_path: Path, poll: Poll, printed: Printed) -> None:
    filter = core.FileFrameFilter("recorder", core.CountFrameFilter("count"))
    stream.into(filter)
    filter.activate("/dev/full")
    poll(lambda: "No space left on device" in printed.text, SOON)
    filter.activate(str(tmp_path / "missing" / "file.mkv"))
    poll(lambda: "No such file or directory" in printed.text, SOON)
    # The stream goes on, and so does the filter.
    count = printed.text.count("CountFrameFilter")
    poll(lambda: printed.text.count("CountFrameFilter") > count + 10, SOON)
    assert printed.text.count("the recording has ended") == 2
    filter.activate(str(tmp_path / "good.mkv"))
    filter.deActivate()
    assert decode(tmp_path / "good.mkv") > 0


def recorder(url: str, file: Path, then: str) -> list[str]:
    """A command that begins to record a stream, and goes on with the statements `then`."""
    script = """
import os, resource, sys, time
import valkka.core as core
url, file = sys.argv[1:]
filter = core.FileFrameFilter("recorder")
live = core.LiveThread("live")
live.startCall()
context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, url, 1, filter)
live.registerStreamCall(context)
live.playStreamCall(context)
filter.activate(file)
"""
    return [sys.executable, "-c", script + textwrap.dedent(then), url, str(file)]


def test_a_recording_is_finished_with_the_interpreter(camera: Cameras, tmp_path: Path) -> None:
    file = tmp_path / "ended.mkv"
    then = """
        del filter, context
        deadline = time.monotonic() + 60
        size = lambda path: os.path.getsize(path) if os.path.exists(path) else 0
        while time.monotonic() < deadline and size(file) < 100_000:
            time.sleep(0.05)
    """
    subprocess.run(recorder(camera().url, file, then), check=True, timeout=SOON * 2)
    assert decode(file) > 10
    # It was closed: it tells how long it is.
    assert float(ffprobe(file, "format=duration")["format"]["duration"]) > 0


def test_a_recording_that_is_killed_can_be_played(camera: Cameras, tmp_path: Path, poll: Poll) -> None:
    file = tmp_path / "killed.mkv"
    process = subprocess.Popen(recorder(camera().url, file, "time.sleep(600)"))
    try:
        poll(lambda: file.exists() and file.stat().st_size > 100_000, SOON)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(SOON)
    assert len(ffprobe(file, "packet=pts_time")["packets"]) > 25
    # And by us: how long it is has to be found out.
    player = core.FileThread("player")
    player.startCall()
    context = core.FileContext(str(file), 1, core.DummyFrameFilter("dummy", False))
    player.openFileStreamCall(context)
    assert context.status == core.FileState_stop
    assert context.duration > 1000
    player.stopCall()


def test_a_full_file_system_ends_the_recording(camera: Cameras, tmp_path: Path) -> None:
    file = tmp_path / "limited.mkv"
    then = """
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        time.sleep(600)
    """
    with subprocess.Popen(recorder(camera().url, file, then), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "the recording has ended" in line)
        process.kill()
    assert "File too large" in line
    # What was written can be played.
    assert len(ffprobe(file, "packet=pts_time")["packets"]) > 5


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of video as ffmpeg records it, with a key frame each second."""
    file = tmp_path_factory.mktemp("recording") / "recording.mkv"
    source = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-t", "4"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]
    command = [program("ffmpeg"), "-nostdin", "-v", "error", *source, *coding, str(file)]
    subprocess.run(command, check=True, timeout=SOON)
    return file


def slices(text: str) -> int:
    """How many frames are shown that hold a picture."""
    return text.count("slice_type=5>") + text.count("slice_type=1>")


def test_a_file_is_opened_sought_played_and_paused(recording: Path, poll: Poll, printed: Printed) -> None:
    player = core.FileThread("player")
    player.startCall()
    context = core.FileContext(str(recording), 7, core.BriefInfoFrameFilter("info"))
    assert (context.status, context.duration, context.mstimestamp) == (core.FileState_none, 0, 0)
    player.openFileStreamCall(context)
    assert context.status == core.FileState_stop
    assert context.duration == 4000
    # What announces the stream, and its first picture.
    lines = printed.new().splitlines()
    assert "SetupFrame" in lines[0] and "slot=7" in lines[0] and "media_type=0" in lines[0]
    assert any("slice_type" in line and "slot=7" in line for line in lines[1:])
    context.seektime_ = 2000
    player.seekFileStreamCall(context)
    assert context.mstimestamp == 2000
    assert slices(printed.new()) == 1
    context.seektime_ = 2990
    player.seekFileStreamCall(context)
    assert slices(printed.new()) == 25
    player.playFileStreamCall(context)
    poll(lambda: context.mstimestamp > 3100, SOON)
    player.stopFileStreamCall(context)
    at = context.mstimestamp

    def stands() -> bool:
        nonlocal at
        before, at = at, context.mstimestamp
        time.sleep(0.1)
        return before == at == context.mstimestamp

    poll(stands, SOON)
    printed.new()
    assert printed.new() == ""
    player.closeFileStreamCall(context)
    player.closeFileStreamCall(context)
    assert "FileThread: closeFileStream : there is no file at slot 7" in printed.new()
    player.stopCall()


def test_two_files_at_once_in_slots_of_their_own(recording: Path, poll: Poll, printed: Printed) -> None:
    player = core.FileThread("player")
    player.startCall()
    info = core.BriefInfoFrameFilter("info")
    contexts = [core.FileContext(str(recording), slot, info) for slot in (1, 2)]
    for context in contexts:
        player.openFileStreamCall(context)
    again = core.FileContext(str(recording), 2, info)
    player.openFileStreamCall(again)
    assert again.status == core.FileState_none
    assert "FileThread: openFileStream : slot 2 is in use" in printed.text
    for context in contexts:
        player.playFileStreamCall(context)
    poll(lambda: all(context.mstimestamp > 500 for context in contexts), SOON)
    assert "slot=1" in printed.text and "slot=2" in printed.text
    player.stopCall()
    player.stopCall()


def test_a_file_that_is_none_is_an_error(tmp_path: Path, printed: Printed) -> None:
    player = core.FileThread("player", core.FrameFifoContext())
    player.startCall()
    garbage = tmp_path / "garbage.mkv"
    garbage.write_bytes(b"\x07" * 10_000)
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:01,000 --> 00:00:02,000\nNothing to see.\n")
    for name in (str(words), str(tmp_path / "missing.mkv"), str(garbage), str(tmp_path), "", "a\0b"):
        context = core.FileContext(name, 1, core.DummyFrameFilter("dummy"))
        player.openFileStreamCall(context)
        assert context.status == core.FileState_error
    context = core.FileContext("", 256, core.DummyFrameFilter("dummy"))
    for call in (
        player.openFileStreamCall,
        player.seekFileStreamCall,
        player.playFileStreamCall,
        player.stopFileStreamCall,
        player.closeFileStreamCall,
    ):
        call(context)
    assert "missing.mkv failed: No such file or directory" in printed.text
    assert "garbage.mkv failed: " in printed.text
    assert "words.srt has no track that can be used (subrip)" in printed.text
    assert printed.text.count("slot 256 is not from 0 to 255") == 5
    player.stopCall()


def test_a_decoder_shows_what_is_sought(recording: Path, poll: Poll, printed: Printed) -> None:
    decoder = core.AVThread("decoder", core.BriefInfoFrameFilter("pictures"))
    player = core.FileThread("player")
    decoder.startCall()
    decoder.decodingOnCall()
    player.startCall()
    context = core.FileContext(str(recording), 1, decoder.getBlockingFrameFilter())
    player.openFileStreamCall(context)
    poll(lambda: printed.text.count("AVBitmapFrame") == 1, SOON)
    context.seektime_ = 1500
    player.seekFileStreamCall(context)
    poll(lambda: printed.text.count("AVBitmapFrame") == 14, SOON)
    player.playFileStreamCall(context)
    poll(lambda: printed.text.count("AVBitmapFrame") > 50, SOON)
    # In the wrong order, and nothing hangs.
    decoder.stopCall()
    player.stopCall()


def test_attributes_and_lifetimes(recording: Path) -> None:
    context = core.FileContext(filename=str(recording), slot=3, framefilter=core.DummyFrameFilter("d", False), st=500)
    assert (context.filename, context.slot, context.seektime_) == (str(recording), 3, 500)
    context.whatever = 1
    context.mstimestamp = 12
    assert context.mstimestamp == 12
    player = core.FileThread("player")
    # Before the start: it is carried out then.
    player.openFileStreamCall(context)
    player.playFileStreamCall(context)
    assert context.status == core.FileState_stop and context.mstimestamp == 0
    player.startCall()
    del context
    del player
    # Never started, never stopped.
    core.FileThread("player")
    with pytest.raises(AttributeError):
        core.MuxFrameFilter()


def test_fragments_of_mp4(
    stream: Stream, poll: Poll, tmp_path: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filter = core.FragMP4MuxFrameFilter(
        "mux", core.ForkFrameFilter("fork", core.BriefInfoFrameFilter("info"), core.DumpFrameFilter("dump"))
    )
    assert isinstance(filter, core.MuxFrameFilter)
    filter.sendMeta()
    assert "FragMP4MuxFrameFilter: No metadata!" in printed.text
    stream.into(filter)
    filter.activate()
    poll(lambda: printed.text.count("MuxFrame: ") > 100, SOON)
    filter.sendMeta()
    filter.deActivate()
    text = printed.text
    assert text.count("FragMP4MuxFrameFilter: got ftyp") == 1
    assert text.count("FragMP4MuxFrameFilter: got moov") == 1
    assert "FragMP4MuxFrameFilter: sending metadata!" in text
    assert "BasicFrame" not in text and "SetupFrame" not in text
    files = sorted(tmp_path.glob("packet_c*.bin"), key=lambda path: int(path.name.split("_")[1][1:]))
    boxes = [path.read_bytes() for path in files]
    kinds = [box[4:8] for box in boxes]
    assert kinds[:4] == [b"ftyp", b"moov", b"moof", b"mdat"]
    assert kinds.count(b"ftyp") == 2
    assert all(int.from_bytes(box[:4], "big") == len(box) for box in boxes)
    end = kinds.index(b"ftyp", 1)
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(b"".join(boxes[:end]))
    assert decode(whole) == (end - 2) // 2
