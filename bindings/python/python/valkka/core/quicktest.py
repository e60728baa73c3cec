"""Says whether the installation is sound, and what to do about what is missing.

``python -m valkka.core.quicktest`` prints a table, or with ``--json`` the same for machines, and exits with 0 if all
that is needed is there. What may be missing, such as a display, is noted and no fault.

What could crash or hang is tried in a process of its own.
"""

import argparse
import base64
import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Callable

from valkka import core

OK, NOTE, FAULT = "ok", "note", "fault"

# How long a check may take that runs in a process of its own.
CHECK_SECONDS = 30.0

# What is sent through shared memory.
PICTURES, CELLS, WIDTH, HEIGHT = 200, 10, 480, 270
# How long the reader waits for the next of them, on a machine that is busy.
PATIENCE_MS = 10_000

# Four pictures of 32 × 32 in one colour, H.264 in Matroska, as small as they get.
FOOTAGE = zlib.decompress(
    base64.b85decode(
        b"c-oV4y}x*|Q(GgW({~{L)X3uWxsk)EsUtVBq$s~QJJG2fDAd}>BoW+@&d2})OiY5lvrBgQ?(Pm=-"
        b"6HC_GA(#b<3b2eEM#3akax^?cMp&!6mmE{cuf<d9fT_rygM7jee(ul4nrgZtpLbX3$(6pZ02`z@NH=ENi0hXcLY-"
        b"|ogEI95Je!zeqIN4OV;&9#^R$LQ2mT^8X1(f&S@^qOX+B2XzLG)_YH7$H_`VD_Sbg|b8c>ARDRst!us_g!-"
        b"LKZjS9OO6=pRuB`;da=yZVV|3e1RbRd0`Gl#{2fq|I;NU$;=>72yKz?yNoanlJ<uv{uGKA(J`I~ieP`iYsYi`!lOoc&!~gIwBsfR"
        b"0U8$jMBqFfubqKe5PlafeH2kYk9azn@F{6axb*Fw!$IfC2^vdFO4Vm!3B=ES}fMz|a8lUus7S|3`@h3>u4N7+92(8yJ>OnOpi`ab"
        b"F`t3dl+}$5|HgPa8n|6HtB#du77n-bO|p5TDg?R)YCyP^?Yd-M_h!VS5)ag?wycocf`W82|uWr~v"
    )
)
FOOTAGE_SIZE = 32
FOOTAGE_COLOUR = (192, 32, 64)

QT = ["PySide2", "PyQt5", "PySide6", "PyQt6"]


@dataclass
class Finding:
    """What a check has found: ``advice`` says what to do about it, if anything is to be done."""

    status: str
    text: str
    advice: str = ""


def main() -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m valkka.core.quicktest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", choices=[*CHECKS, "reader"], help=argparse.SUPPRESS)
    parser.add_argument("--ring", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check == "reader":
        return read_pictures(arguments.ring)
    if arguments.check:
        print(json.dumps(asdict(guarded(CHECKS[arguments.check]))))
        return 0
    return report_json() if arguments.json else report_table()


def report_table() -> int:
    """Makes all checks and prints a table."""
    colours = {OK: "32", NOTE: "33", FAULT: "31"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}
    print(f"Valkka {core.PRODUCT_VERSION}, compatible with libValkka {core.__version__}\n")
    width = max(map(len, CHECKS))
    faults = 0
    for name, finding in findings():
        status = f"{finding.status:5}"
        if finding.status in colours:
            status = f"\x1b[{colours[finding.status]}m{status}\x1b[0m"
        print(f"  {status}  {name:{width}}  {finding.text}")
        if finding.advice:
            print(f"  {'':5}  {'':{width}}  → {finding.advice}")
        sys.stdout.flush()
        faults += finding.status == FAULT
    print("\nAll is well." if faults == 0 else f"\n{faults} of {len(CHECKS)} checks failed.")
    return 1 if faults else 0


def report_json() -> int:
    """Makes all checks and prints JSON."""
    checks = [{"name": name, **asdict(finding)} for name, finding in findings()]
    content = not any(check["status"] == FAULT for check in checks)
    version = {"version": core.PRODUCT_VERSION, "compatible": core.__version__}
    print(json.dumps({**version, "content": content, "checks": checks}, indent=2))
    return 0 if content else 1


def findings() -> Iterator[tuple[str, Finding]]:
    """Makes all checks, one after the other."""
    for name in CHECKS:
        yield name, isolated(name) if name in ISOLATED else guarded(CHECKS[name])


def guarded(check: Callable[[], Finding]) -> Finding:
    """Makes a check; whatever it raises is a fault."""
    try:
        return check()
    except Exception as error:
        return Finding(FAULT, f"{type(error).__name__}: {error}")


def isolated(name: str) -> Finding:
    """Makes a check in a process of its own."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--check", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding(FAULT, f"not done within {CHECK_SECONDS:.0f} s")
    # What the library prints comes before.
    with contextlib.suppress(IndexError, ValueError, TypeError):
        return Finding(**json.loads(done.stdout.splitlines()[-1]))
    last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
    return Finding(FAULT, f"ended with {done.returncode}: {last}")


def check_python() -> Finding:
    """Which Python this is."""
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if hasattr(platform, "freedesktop_os_release") else ""
    return Finding(OK, " ".join(filter(None, [platform.python_version(), "on", system or platform.platform()])))


def check_numpy() -> Finding:
    """Whether there is a numpy that arrays of pictures can be made with."""
    if importlib.util.find_spec("numpy") is None:
        return Finding(FAULT, "not installed", "pip install numpy, or apt install python3-numpy")
    version = core.get_numpy_version()
    if core.numpy_version_ok():
        return Finding(OK, version)
    return Finding(FAULT, f"{version} is too old", "pip install --upgrade numpy")


def check_ffmpeg() -> Finding:
    """Which FFmpeg is loaded."""
    versions = core.ffmpeg_versions()
    return Finding(OK, f"{versions['ffmpeg']} (libavcodec {versions['libavcodec']})")


def check_threads() -> Finding:
    """Whether threads can be made, with neither network nor display."""
    made = [
        core.LiveThread("quicktest_live"),
        core.AVThread("quicktest_av", core.DummyFrameFilter("quicktest_dummy", False)),
        core.OpenGLThread("quicktest_gl"),
    ]
    return Finding(OK, f"{', '.join(type(thread).__name__ for thread in made)} can be made")


def check_decoding() -> Finding:
    """Whether a file is read, decoded, scaled and shared, and comes out in the right colour."""
    import numpy

    name = f"valkka_quicktest_{os.getpid()}"
    with tempfile.NamedTemporaryFile(suffix=".mkv") as file:
        file.write(FOOTAGE)
        file.flush()
        shared = core.RGBShmemFrameFilter(name, 4, FOOTAGE_SIZE, FOOTAGE_SIZE)
        reader = core.SharedMemRingBufferRGB(name, 4, FOOTAGE_SIZE, FOOTAGE_SIZE, 10_000, False)
        scaler = core.SwScaleFrameFilter("quicktest_scale", FOOTAGE_SIZE, FOOTAGE_SIZE, shared)
        decoder = core.AVThread("quicktest_av", scaler)
        player = core.FileThread("quicktest_file")
        context = core.FileContext(file.name, 1, decoder.getBlockingFrameFilter())
        decoder.startCall()
        player.startCall()
        decoder.decodingOnCall()
        begin = time.monotonic()
        player.openFileStreamCall(context)
        player.playFileStreamCall(context)
        index, size, *_ = reader.clientPullPy()
        took = time.monotonic() - begin
        player.stopCall()
        decoder.stopCall()
    if index < 0:
        return Finding(FAULT, "no picture came out within 10 s")
    colour = reader.getBufferListPy()[index][:size].reshape(FOOTAGE_SIZE, FOOTAGE_SIZE, 3).mean(axis=(0, 1))
    if numpy.abs(colour - FOOTAGE_COLOUR).max() > 12:
        return Finding(FAULT, f"a picture has the colour {colour.round().tolist()}, not {list(FOOTAGE_COLOUR)}")
    return Finding(OK, f"H.264 from a file, in the right colour, after {took * 1000:.0f} ms")


def check_shared_memory() -> Finding:
    """Whether another process reads the pictures that this one writes."""
    import numpy

    name = f"valkka_quicktest_{os.getpid()}"
    server = core.SharedMemRingBufferRGB(name, CELLS, WIDTH, HEIGHT, 0, True)
    module = __spec__.name if __spec__ else __name__
    command = [sys.executable, "-m", module, "--check", "reader", "--ring", name]
    picture = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        # It reads from now on what is written from now on.
        reader.stdout.readline()
        for number in range(PICTURES):
            picture[:] = number % 251
            server.serverPushPyRGB(picture, 1, time.time_ns() // 1_000_000)
            time.sleep(0.001)
        try:
            answer, errors = reader.communicate(timeout=CHECK_SECONDS / 2)
        except subprocess.TimeoutExpired:
            reader.kill()
            return Finding(FAULT, "the reading process did not end", "look whether /dev/shm is mounted")
    if reader.returncode != 0:
        last = (errors.strip().splitlines() or ["nothing said"])[-1]
        return Finding(FAULT, last, "look whether /dev/shm is mounted, and df /dev/shm says that there is room")
    read, torn = map(int, answer.split()[-2:])
    # The newest are always there. A reader that has to wait for a processor misses others, which is no fault.
    if torn or read < CELLS:
        return Finding(FAULT, f"another process read {read} of {PICTURES} pictures, {torn} of them torn")
    return Finding(OK, f"another process read {read} of {PICTURES} pictures of {WIDTH} × {HEIGHT}, none torn")


def read_pictures(ring: str) -> int:
    """The process that reads: prints how many pictures it got, and how many of them were torn."""
    reader = core.SharedMemRingBufferRGB(ring, CELLS, WIDTH, HEIGHT, PATIENCE_MS, False)
    views = reader.getBufferListPy()
    print("ready", flush=True)
    read = torn = 0
    while True:
        index, size, *_ = reader.clientPullPy()
        if index < 0:
            break
        read += 1
        picture = views[index][:size]
        torn += bool(picture.min() != picture.max())
        if picture[0] == (PICTURES - 1) % 251:
            break
    print(read, torn)
    return 0


def check_display() -> Finding:
    """Whether windows can be opened."""
    name = os.environ.get("DISPLAY", "")
    if not name:
        return Finding(NOTE, "DISPLAY is not set; all but windows works", "windows need an X server: log in at one")
    thread = core.OpenGLThread("quicktest_gl")
    try:
        thread.startCall()
    except RuntimeError as error:
        return Finding(FAULT, str(error), f"try xdpyinfo -display {name} (apt install x11-utils)")
    thread.createWindow(False)
    thread.stopCall()
    return Finding(OK, f"{name} opens windows")


def check_graphics() -> Finding:
    """Whether there is a graphics card that this user may use."""
    directory = "/dev/dri"
    nodes = sorted(node for node in os.listdir(directory) if node.startswith("renderD")) if exists(directory) else []
    paths = [os.path.join(directory, node) for node in nodes]
    usable = [path for path in paths if os.access(path, os.R_OK | os.W_OK)]
    if usable:
        return Finding(OK, ", ".join(usable))
    if paths:
        return Finding(NOTE, f"{paths[0]} is closed to this user", "sudo usermod -aG render $USER, and log in again")
    return Finding(NOTE, "no graphics card: the processor draws and decodes")


def check_opencv() -> Finding:
    """Whether OpenCV is there, which some examples use."""
    return optional("cv2", "pip install opencv-python, or apt install python3-opencv")


def check_setproctitle() -> Finding:
    """Whether setproctitle is there, with which some examples name their processes."""
    return optional("setproctitle", "pip install setproctitle, or apt install python3-setproctitle")


def check_qt() -> Finding:
    """Whether a Qt is there, for programs with widgets."""
    found = [name for name in QT if importlib.util.find_spec(name) is not None]
    if not found:
        return Finding(
            NOTE, "none of " + ", ".join(QT), "pip install PySide6, or apt install python3-pyside2.qtwidgets"
        )
    return Finding(OK, ", ".join(f"{name} {version_of(name)}".strip() for name in found))


def check_v4l2() -> Finding:
    """Whether the command is there that tells cameras at this machine."""
    if shutil.which("v4l2-ctl"):
        return Finding(OK, "v4l2-ctl is there")
    return Finding(NOTE, "v4l2-ctl is not there: cameras at this machine are not listed", "apt install v4l-utils")


def optional(module: str, advice: str) -> Finding:
    """What there is of a module that some programs use."""
    if importlib.util.find_spec(module) is None:
        return Finding(NOTE, "not installed; some programs use it", advice)
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        return Finding(NOTE, f"cannot be imported: {error}", advice)
    return Finding(OK, str(getattr(found, "__version__", "")) or version_of(module) or "installed")


def version_of(distribution: str) -> str:
    """The version of an installed distribution; nothing if it does not say."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def exists(path: str) -> bool:
    """Whether there is a directory that can be listed."""
    return os.path.isdir(path) and os.access(path, os.R_OK)


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": check_python,
    "numpy": check_numpy,
    "FFmpeg": check_ffmpeg,
    "threads": check_threads,
    "decoding": check_decoding,
    "shared memory": check_shared_memory,
    "display": check_display,
    "graphics": check_graphics,
    "Qt": check_qt,
    "OpenCV": check_opencv,
    "setproctitle": check_setproctitle,
    "V4L2": check_v4l2,
}

# Those that could take this process with them.
ISOLATED = {"threads", "decoding", "shared memory", "display", "OpenCV", "setproctitle"}


if __name__ == "__main__":
    sys.exit(main())
