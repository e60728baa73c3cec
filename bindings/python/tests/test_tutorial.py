"""Every lesson of the tutorial runs, and shows what it says."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import DEVICE, REPOSITORY, Cameras, Display, Poll, free_port, program, spawn
from valkka.fs import ValkkaSingleFS

pytest.importorskip("numpy")

TUTORIAL = REPOSITORY / "examples/tutorial"

# For so many seconds lessons run that are ended as soon as they have shown what they are to show.
LONG = 600

# The bars of the synthetic camera from left to right, as red, green, blue.
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)]
GREEN = (0, 255, 0)


class Lesson:
    """A lesson that runs in a process of its own, in an empty directory."""

    def __init__(
        self, name: str, arguments: Sequence[object], directory: Path, environment: dict[str, str] | None
    ) -> None:
        self.output = ""
        program = [sys.executable, "-u", "-X", "faulthandler", str(TUTORIAL / name), *map(str, arguments)]
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = spawn(program, stdout=log, stderr=subprocess.STDOUT, cwd=directory, env=environment)

    def so_far(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def end(self) -> None:
        """Ends it before its time."""
        self.process.kill()
        self.process.wait()

    def finish(self, seconds: float = 100) -> str:
        """Waits until it has ended as it should, and returns what it printed."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {seconds} s; it printed:\n{self.so_far()[-4000:]}")
        assert code == 0, f"it ended with {code}:\n{self.so_far()[-4000:]}"
        return self.so_far()


Start = Callable[..., Lesson]


@pytest.fixture
def lesson(tmp_path: Path) -> Iterator[Start]:
    started: list[Lesson] = []

    def start(name: str, *arguments: object, environment: dict[str, str] | None = None) -> Lesson:
        started.append(Lesson(name, arguments, tmp_path, environment))
        return started[-1]

    yield start
    for one in started:
        one.end()


LongEnough = Callable[..., str]


@pytest.fixture
def long_enough(lesson: Start) -> LongEnough:
    """Runs a lesson for some seconds, and again for longer if the machine stood still for so long that what it printed
    is not `enough`: `long_enough(enough, name, argument, seconds, ...)`."""

    def run(enough: Callable[[str], object], name: str, argument: object, seconds: float, *more: object) -> str:
        for longer in (1, 5):
            output = lesson(name, argument, seconds * longer, *more).finish(100 + seconds * longer)
            if enough(output):
                return output
        pytest.fail(f"{name} has not shown enough; it printed:\n{output[-4000:]}")

    return run


def test_1a_receive(camera: Cameras, long_enough: LongEnough) -> None:
    def enough(output: str) -> bool:
        return len(re.findall(r"slice_type=[15]", output)) > 25

    output = long_enough(enough, "lesson_01a_receive.py", camera().url, 3)
    frames = re.findall(r"InfoFrameFilter: FRAME   : <(.*)>", output)
    assert "media_type=0 codec_id=27" in frames[0] and frames[0].startswith("SetupFrame")
    types = [int(found) for frame in frames[1:] for found in re.findall(r"slice_type=(\d+)", frame)]
    video = [one for one in types if one in (1, 5, 7, 8)]
    assert video[:4] == [7, 8, 5, 1], "parameter sets, a key frame, and a picture that builds on it"
    assert all("slot=1 " in frame for frame in frames)
    assert len(video) > 25
    dump = output.split("InfoFrameFilter: info start dump>> \n")[2]
    lines = dump.splitlines()
    assert lines[1].startswith("InfoFrameFilter: PAYLOAD : [0 0 0 1 103 ")
    assert re.fullmatch(r"InfoFrameFilter: timediff: -?\d+", lines[2])
    assert lines[3] == "InfoFrameFilter: info <<end dump   "
    assert output.endswith("bye\n")


def test_1b_a_chain_runs_in_its_order(camera: Cameras, long_enough: LongEnough) -> None:
    output = long_enough(lambda output: output.count("<<end dump") > 60, "lesson_01b_chain.py", camera().url, 2)
    names = re.findall(r"InfoFrameFilter: (\w+) start dump>>", output)
    frames = re.findall(r"InfoFrameFilter: FRAME   : (<.*>)", output)
    # A picture may have several parts: a filter shows all of them before the next filter does.
    order = [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    assert order[:6] == ["first", "second", "third"] * 2
    shown = {name: [f for n, f in zip(names, frames) if n == name] for name in ("first", "second", "third")}
    assert shown["first"][:20] == shown["second"][:20] == shown["third"][:20]


def test_1c_a_gate_and_a_file(camera: Cameras, long_enough: LongEnough, tmp_path: Path) -> None:
    def enough(output: str) -> bool:
        return output.count("slice_type=1>") > 25

    output = long_enough(enough, "lesson_01c_fork.py", camera().url, 6, "out.mkv")
    closed, rest = output.split("the gate is open, and a file is recorded\n")
    opened, again = rest.split("the gate is closed again\n")
    assert "BasicFrame" not in closed
    assert opened.count("slice_type=1>") > 25
    # The picture that was in the gate when it closed may come after: a key frame has four parts at most.
    assert again.count("BasicFrame") <= 4
    probed = probe(tmp_path / "out.mkv")
    assert probed["streams"][0]["codec_name"] == "h264"
    assert (probed["streams"][0]["width"], probed["streams"][0]["height"]) == (1280, 720)
    assert int(probed["streams"][0]["nb_read_frames"]) > 25


def test_2_decode(camera: Cameras, long_enough: LongEnough) -> None:
    output = long_enough(lambda output: output.count("AVBitmap") > 25, "lesson_02_decode.py", camera().url, 3)
    frames = re.findall(r"FRAME   : <AVBitmapFrame: (.*)>", output)
    assert len(frames) > 25
    assert all("slot=1 " in frame and "h=720; w=1280; l=(" in frame for frame in frames)
    payload = re.findall(r"PAYLOAD : \[(.*)\]", output)[-1]
    assert re.fullmatch(r"(\d+ ){10} \| (\d+ ){10} \| (\d+ ){10}", payload), payload


def test_3a_a_window(camera: Cameras, display: Display, lesson: Start, poll: Poll) -> None:
    url = camera().url
    running = lesson("lesson_03a_window.py", url, LONG)
    poll(lambda: shows_bars(display.picture()))
    running.end()
    assert lesson("lesson_03a_window.py", url, 2).finish().endswith("bye\n")


def test_3b_one_camera_in_many_windows(camera: Cameras, display: Display, lesson: Start, poll: Poll) -> None:
    url = camera().url
    running = lesson("lesson_03b_windows.py", url, LONG)
    windows = poll(lambda: len(display.windows()) == 5 and display.windows())
    tile(display, windows)
    poll(lambda: count_bars(display.picture()) == 5)
    running.end()
    assert lesson("lesson_03b_windows.py", url, 2).finish().endswith("bye\n")


def test_3c_cameras(camera: Cameras, display: Display, lesson: Start, poll: Poll) -> None:
    urls = camera("--count", "2").urls
    running = lesson("lesson_03c_cameras.py", *urls, LONG)
    windows = poll(lambda: len(display.windows()) == 2 and display.windows())
    tile(display, windows)
    poll(lambda: count_bars(display.picture()) == 2)
    running.end()
    assert lesson("lesson_03c_cameras.py", *urls, 2).finish().endswith("bye\n")


def test_4a_other_processes(camera: Cameras, lesson: Start, poll: Poll) -> None:
    pytest.importorskip("cv2")
    first = lesson("lesson_04a_reader.py", 4)
    poll(lambda: "timeout" in first.so_far())  # nothing is shared yet
    lesson("lesson_04a_share.py", camera().url, LONG)
    second = lesson("lesson_04a_opencv.py", 3)
    for reader in (first, second):
        output = reader.finish()
        pictures = re.findall(r"slot 1 at (\d+) ms: \(270, 480, 3\)", output)
        assert len(pictures) >= 3
        steps = [int(b) - int(a) for a, b in zip(pictures, pictures[1:])]
        assert all(step >= 1000 for step in steps), steps


def test_4b_one_process(camera: Cameras, lesson: Start) -> None:
    output = lesson("lesson_04b_one_process.py", camera().url, 10).finish()
    assert output.count("(270, 480, 3)") == 10


def test_4c_fragments(camera: Cameras, lesson: Start, tmp_path: Path) -> None:
    output = lesson("lesson_04c_fragments.py", camera().url, 82, "out.mp4").finish()
    boxes = re.findall(r"^(\w{4}): \d+ bytes of slot 1", output, re.MULTILINE)
    assert boxes == ["ftyp", "moov"] + ["moof", "mdat"] * 40
    assert "moof" in next(line for line in output.splitlines() if "key frame" in line)
    probed = probe(tmp_path / "out.mp4")
    assert int(probed["streams"][0]["nb_read_frames"]) == 40


def test_5a_multicast(camera: Cameras, lesson: Start) -> None:
    if not multicast_works():
        pytest.skip("this machine does not deliver multicast to itself: it may need a route for 224.0.0.0/4")
    lesson("lesson_05a_multicast.py", camera().url, LONG)
    received = subprocess.run(
        [program("ffmpeg"), "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,udp,rtp"]
        + ["-i", str(TUTORIAL / "multicast.sdp"), "-frames:v", "50", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert len([line for line in received.stdout.splitlines() if line.startswith("0,")]) == 50, received.stderr


def test_5b_rtsp_server(camera: Cameras, lesson: Start, poll: Poll) -> None:
    port = free_port()
    running = lesson("lesson_05b_rtsp_server.py", camera().url, LONG, port)
    poll(lambda: f"serving rtsp://127.0.0.1:{port}/garden" in running.so_far())
    url = f"rtsp://127.0.0.1:{port}/garden"
    probed = poll(lambda: try_probe(url, "-rtsp_transport", "tcp", "-read_intervals", "%+2"))
    assert (probed["streams"][0]["codec_name"], probed["streams"][0]["width"]) == ("h264", 1280)


def test_6_file(camera: Cameras, display: Display, lesson: Start, poll: Poll, tmp_path: Path) -> None:
    running = lesson("lesson_06_file.py", camera().url, 15, "out.mkv")
    poll(lambda: "seeking" in running.so_far())
    poll(lambda: shows_bars(display.picture()))
    output = running.finish()
    duration = int(re.findall(r"opened out\.mkv: (\d+) ms", output)[0])
    probed = probe(tmp_path / "out.mkv", "-show_format")
    assert duration > 3000 and abs(duration - 1000 * float(probed["format"]["duration"])) < 50
    assert output.index("seeking") < output.index("playing") < output.index("paused")
    assert int(probed["streams"][0]["nb_read_frames"]) > 50


def test_7_everything(
    camera: Cameras, display: Display, lesson: Start, long_enough: LongEnough, poll: Poll, tmp_path: Path
) -> None:
    url, port = camera().url, free_port()
    running = lesson("lesson_07_everything.py", url, LONG, "out.mkv", port)
    reader = lesson("lesson_04a_reader.py", 3)
    windows = poll(lambda: len(display.windows()) == 2 and display.windows())
    tile(display, windows)
    poll(lambda: count_bars(display.picture()) == 2)
    garden = f"rtsp://127.0.0.1:{port}/garden"
    probed = poll(lambda: try_probe(garden, "-rtsp_transport", "tcp", "-read_intervals", "%+1"))
    assert probed["streams"][0]["width"] == 1280
    assert reader.finish().count("slot 2 at") == 3
    running.end()

    def enough(output: str) -> bool:
        assert "recorded out.mkv" in output
        return int(probe(tmp_path / "out.mkv")["streams"][0]["nb_read_frames"]) > 100

    long_enough(enough, "lesson_07_everything.py", url, 6, "out.mkv", port)


def test_8_level_2(camera: Cameras, display: Display, lesson: Start, poll: Poll) -> None:
    url = camera().url
    running = lesson("lesson_08_level_2.py", url, LONG)
    poll(lambda: shows_bars(display.picture()))
    running.end()
    assert lesson("lesson_08_level_2.py", url, 2).finish().endswith("bye\n")


def test_9_boxes(camera: Cameras, display: Display, lesson: Start, poll: Poll) -> None:
    running = lesson("lesson_09_boxes.py", camera().url, 30)

    def greens() -> int:
        return pixels_of(display.picture(), GREEN)

    poll(lambda: shows_bars(display.picture()))
    one = poll(greens)
    poll(lambda: greens() > one)
    poll(lambda: "no boxes" in running.so_far() and greens() == 0)
    running.finish()


def test_10_usb(device: dict[str, str], display: Display, lesson: Start, poll: Poll) -> None:
    environment = {**device, "DISPLAY": display.name}
    running = lesson("lesson_10_usb.py", DEVICE, LONG, environment=environment)
    # Before there are pictures, the window is of one colour.
    poll(lambda: len({tuple(color) for color in display.picture()[100:500:40, 100:500:40].reshape(-1, 3)}) > 5)
    running.end()
    assert lesson("lesson_10_usb.py", DEVICE, 2, environment=environment).finish().endswith("bye\n")


@pytest.mark.deadline(600)
def test_11_recordings(camera: Cameras, lesson: Start, long_enough: LongEnough, poll: Poll, tmp_path: Path) -> None:
    def table_of(output: str) -> list[list[int]]:
        return [[int(time) for time in row] for row in re.findall(r"\[\[? *(\d+) +(\d+)\]", output)]

    def is_long(output: str) -> bool:
        first, last = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).getTimeRange() or (0, 0)
        return sum(row[0] > 0 for row in table_of(output)) >= 3 and last - first > 8000

    output = long_enough(is_long, "lesson_11a_record.py", camera().url, 12, "rec")
    assert "a block is full" in output
    table = table_of(output)
    assert len(table) == 20
    used = [row for row in table if row[0]]
    assert used == table[: len(used)] and len(used) >= 3, "the block that was being written is there too"
    assert used == sorted(used), "one piece"

    output = long_enough(lambda output: output.count("<Marker") == 2, "lesson_11b_read.py", "rec", 1)
    first, last = ValkkaSingleFS.loadFromDirectory(str(tmp_path / "rec")).getTimeRange()
    assert float(re.findall(r"recorded: ([\d.]+) s", output)[0]) == (last - first) / 1000
    frames = re.findall(r"FRAME   : <(\w+)Frame: .* slot=(\d+)", output)
    assert frames[0][0] == frames[-1][0] == "Marker"
    assert {slot for kind, slot in frames if kind == "Basic"} == {"2"}
    assert sum(kind == "Basic" for kind, _ in frames) > 50

    output = lesson("lesson_11c_inspect.py", "rec").finish()
    assert "blocksize = 131072" in output and f"1 : {table[1][0]} {table[1][1]}" in output
    assert "----- Block number : 0 at position 0 -----" in output
    marked = re.findall(r"\[925412\] <BasicFrame: .* slice_type=(\d+)> \* ", output)
    assert marked and set(marked) == {"7"}

    def exported() -> dict[str, Any] | None:
        assert "exported out.mkv" in lesson("lesson_11d_export.py", "rec", "out.mkv").finish()
        found: dict[str, Any] = probe(tmp_path / "out.mkv")["streams"][0]
        return found if int(found["nb_read_frames"]) > 150 else None

    # It takes what stands still for two seconds for whole.
    probed = poll(exported)
    assert (probed["codec_name"], probed["width"]) == ("h264", 1280)

    def times_of(output: str) -> list[float]:
        return [float(time) for time in re.findall(r"current time: ([\d.]+) s", output)]

    def has_played(output: str) -> bool:
        return len(times_of(output)) >= 3 and output.split("paused")[0].count("slice_type=1>") > 50

    output = long_enough(has_played, "lesson_11e_play.py", "rec", 5)
    assert times_of(output) == sorted(times_of(output))
    assert output.index("in memory") < output.index("playing") < output.index("paused")


def test_12_processes(camera: Cameras, long_enough: LongEnough) -> None:
    output = long_enough(lambda output: "'pictures': 20" in output, "lesson_12_processes.py", camera().url, 12)
    assert output.endswith("bye\n")


def probe(source: Path | str, *options: str) -> dict[str, Any]:
    """What ffprobe says of a file or an address, with its frames counted."""
    arguments = ["-v", "error", *options, "-count_frames", "-show_streams", "-of", "json", str(source)]
    done = subprocess.run([program("ffprobe"), *arguments], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def try_probe(source: str, *options: str) -> dict[str, Any] | None:
    try:
        probed = probe(source, *options)
    except subprocess.SubprocessError:
        return None
    return probed if probed.get("streams") else None


def shows_bars(picture: Any) -> bool:
    return count_bars(picture) > 0


def count_bars(picture: Any) -> int:
    """How many pictures of the synthetic camera there are on the screen: how many areas of its magenta."""
    import cv2
    import numpy

    magenta = (abs(picture.astype(int) - BARS[4]).max(axis=2) < 12).astype(numpy.uint8)
    others = all(pixels_of(picture, bar) > 500 for bar in BARS[2:6])
    if not others:
        return 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(magenta)
    return sum(1 for area in stats[1:, cv2.CC_STAT_AREA] if area > 500)


def pixels_of(picture: Any, color: tuple[int, int, int]) -> int:
    return int((abs(picture.astype(int) - color).max(axis=2) < 12).sum())


def tile(display: Display, windows: Sequence[Any]) -> None:
    """Puts windows beside each other: there is no window manager to do it."""
    width, height = 400, 300
    for index, window in enumerate(windows):
        display.place(window, (index % 3) * (width + 20), index // 3 * (height + 20), width, height)


def multicast_works() -> bool:
    """Whether what this machine sends to a group comes back to it."""
    group, port = "224.1.168.91", 50902
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((group, port))
        receiver.settimeout(20)
        try:
            member = socket.inet_aton(group) + socket.inet_aton("0.0.0.0")
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"?", (group, port))
            return receiver.recv(16) == b"?"
        except OSError:
            return False
