"""Any order of making, starting, stopping and forgetting is safe; so is any end of the process."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Cameras, Display, reap, spawn, wait_for

HERE = Path(__file__).parent
SMALL = ("--size", "160x90")
LIMIT_SECONDS = 120.0
# How long each test of calls at random takes; `make test-faults` takes a minute.
RANDOM_SECONDS = float(os.environ.get("VALKKA_RANDOM_SECONDS", "6"))

# Has frames flow from a camera into everything that takes them; `parts` has every object.
SCENE = """
import atexit, gc, os, signal, sys, threading, time, weakref
from valkka.core import *

def shared(name):
    return f"test_lifetimes_{name}_{os.getpid()}"

def until(condition, seconds=80):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)

class Parts(dict):
    pass

def scene(url, name="scene", streams=2):
    calls, parts = [], Parts()
    parts["shared"] = RGBShmemFrameFilter(shared(name), 8, 80, 45)
    parts["event"] = EventFd()
    parts["shared"].useFd(parts["event"])
    parts["scale"] = SwScaleFrameFilter("scale", 80, 45, parts["shared"])
    parts["interval"] = TimeIntervalFrameFilter("interval", 40, parts["scale"])
    parts["movement"] = MovementFrameFilter("movement", 40, 0.0, 1000)
    parts["movement"].setCallback(calls.append)
    parts["screen"] = OpenGLThread("screen")
    parts["pictures"] = ForkFrameFilter3("f", parts["interval"], parts["movement"], parts["screen"].getFrameFilter())
    parts["decoder"] = AVThread("decoder", parts["pictures"])
    parts["boxes"] = FragMP4ShmemFrameFilter(shared(name + "b"), 8, 1 << 20)
    parts["muxer"] = FragMP4MuxFrameFilter("muxer", parts["boxes"])
    parts["muxer"].activate()
    parts["raw"] = ShmemFrameFilter(shared(name + "r"), 8, 1 << 20)
    parts["sender"] = LiveThread("sender")
    parts["store"] = ValkkaFS(shared(name) + ".dump", shared(name) + ".blocks", 64 << 10, 8)
    parts["store"].setBlockCallback(lambda *arguments: calls.append(arguments))
    parts["writer"] = ValkkaFSWriterThread("writer", parts["store"])
    parts["cache"] = FileCacheThread("cache")
    parts["reader"] = ValkkaFSReaderThread("reader", parts["store"], parts["cache"].getFrameFilter())
    parts["fork"] = ForkFrameFilterN("fork")
    for tag in ("decoder", "muxer", "raw", "sender", "writer"):
        branch = parts[tag].getFrameFilter() if hasattr(parts[tag], "getFrameFilter") else parts[tag]
        if tag == "decoder":
            # A decoder is for one stream.
            branch = PassSlotFrameFilter("one", 1, branch)
        assert parts["fork"].connect(tag, branch)
    parts["alert"] = AlertFrameFilter("alert", calls.append, parts["fork"])
    parts["live"] = LiveThread("live")
    parts["test"] = TestThread("test")
    parts["test"].setCallback(calls.append)
    for slot in range(1, streams + 1):
        ctx = LiveConnectionContext(LiveConnectionType_rtsp, url, slot, parts["alert"])
        ctx.request_tcp = slot % 2 == 0
        ctx.msreconnect = 1000
        parts["live"].registerStreamCall(ctx)
        parts["live"].playStreamCall(ctx)
        parts[f"ctx{slot}"] = ctx
        parts["writer"].setSlotIdCall(slot, slot)
        parts["reader"].setSlotIdCall(slot, slot)
    parts["decoder"].decodingOnCall()
    for name in ("test", "sender", "decoder", "cache", "reader", "writer", "live"):
        parts[name].startCall()
    parts["reader"].pullBlocksPyCall(range(8))
    return parts, calls

def flows(name="scene"):
    client = SharedMemRingBufferRGB(shared(name), 8, 80, 45, 80_000)
    for _ in range(3):
        assert client.clientPullPy()[0] >= 0, "no picture"
    return client
"""


class Program:
    """A Python program in a process of its own, that stands on SCENE. It has a deadline, and must not panic."""

    def __init__(self, body: str, folder: Path, *arguments: str, **environment: str) -> None:
        script = folder / "program.py"
        script.write_text(SCENE + textwrap.dedent(body))
        # The extension's own lines go to the same descriptor as what it prints.
        self._output, self._errors = folder / "stdout", folder / "stderr"
        command = [sys.executable, "-X", "faulthandler", str(script), *arguments]
        variables = {**os.environ, "RUST_BACKTRACE": "1", **environment}
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = spawn(command, cwd=folder, env=variables, stdout=output, stderr=errors)

    def wait_for_line(self, wanted: str = "") -> None:
        """Waits until it has printed this line, or any."""
        wait_for(lambda: f"{wanted}\n" in self.output() or self._process.poll() is not None)
        assert f"{wanted}\n" in self.output(), self.errors()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self, status: int = 0) -> str:
        """Waits for its end and returns what it printed."""
        try:
            self._process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            # Its Python stacks are the only thing that says where it hangs.
            self._process.send_signal(signal.SIGABRT)
            self._process.wait(LIMIT_SECONDS)
            pytest.fail(f"does not end: {self.errors()}")
        errors = self.errors()
        assert "panicked" not in errors and "Fatal Python error" not in errors, errors
        assert self._process.returncode == status, errors
        return self.output()

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def errors(self) -> str:
        return self._errors.read_text(errors="replace")[-6000:]

    def kill(self) -> None:
        self._process.kill()
        reap(self._process)


class Run:
    """Starts programs; what is left of them is killed after the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[Program] = []

    def __call__(self, body: str, *arguments: str, **environment: str) -> Program:
        folder = self._folder / str(len(self._programs))
        folder.mkdir()
        self._programs.append(Program(body, folder, *arguments, **environment))
        return self._programs[-1]

    def kill(self) -> None:
        for program in self._programs:
            program.kill()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.kill()


# The end of the process.

ENDS = {
    "the last line": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "sys.exit in a function that holds everything": ("def f(everything=parts): sys.exit(3)\nf()", 3),
    "an exception": ("raise KeyError", 1),
    "os._exit": ("os._exit(4)", 4),
    "everything forgotten": ("del parts, calls", 0),
    "everything in a cycle": ("parts['self'] = parts; calls.append(calls); parts.calls = calls; del parts, calls", 0),
    "everything kept by a module": (
        "import types; sys.modules['kept'] = types.ModuleType('kept'); sys.modules['kept'].parts = parts; del parts",
        0,
    ),
    "an interrupt": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT),
    "a handler that uses everything": (
        """
        def last():
            LiveThread("late").startCall()
            late, _ = scene(sys.argv[1], "late")
            for one in [*parts.values(), *late.values()]:
                if isinstance(one, Thread):
                    one.requestStopCall()
                    one.stopCall()
        atexit.register(last)
        """,
        0,
    ),
    "finalisers that use everything": (
        """
        class Last:
            def __init__(self, parts):
                self.parts = parts
            def __del__(self):
                for one in self.parts.values():
                    if isinstance(one, Thread):
                        one.stopCall()
                AVThread("late", self.parts["pictures"]).startCall()
                EventFd().set()
        last = Last(parts)
        calls.append(last)
        """,
        0,
    ),
    "threads that wait": (
        """
        def waits(kind, name, *size):
            client = kind(shared(name), 8, *size)
            while True:
                client.clientPullPy() if hasattr(client, "clientPullPy") else client.clientPull(new_intp(), new_intp())
        for what in [(SharedMemRingBufferRGB, "scene", 80, 45), (SharedMemRingBufferRGB, "nobody", 80, 45),
                     (FragMP4SharedMemRingBuffer, "sceneb", 1 << 20), (SharedMemRingBuffer, "scener", 1 << 20)]:
            for _ in range(2):
                threading.Thread(target=waits, args=what, daemon=True).start()
        time.sleep(0.3)
        """,
        0,
    ),
    "threads that start and stop": (
        """
        def plays():
            while True:
                test = TestThread("test")
                test.setCallback(calls.append)
                test.startCall()
                decoder = AVThread("again", parts["pictures"])
                decoder.startCall()
                parts["fork"].connect(str(threading.get_ident()), decoder.getFrameFilter())
                parts["fork"].disconnect(str(threading.get_ident()))
                test.stopCall()
        for _ in range(3):
            threading.Thread(target=plays, daemon=True).start()
        time.sleep(0.3)
        """,
        0,
    ),
    "callbacks that take long": ("parts['test'].setCallback(lambda i: time.sleep(3)); time.sleep(1.2)", 0),
    "a stop for each": ("[one.stopCall() for one in parts.values() if isinstance(one, Thread)]", 0),
    "a wish to stop for each": ("[one.requestStopCall() for one in parts.values() if isinstance(one, Thread)]", 0),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_process_ends_with_everything_running(end: str, camera: Cameras, run: Run) -> None:
    last, status = ENDS[end]
    body = "parts, calls = scene(sys.argv[1])\nclient = flows()\nprint('flows', flush=True)\n" + textwrap.dedent(last)
    assert "flows\n" in run(body, camera(*SMALL).url).end(status)


FORKS = {
    "os._exit": "os._exit(0)",
    "an ordinary end": "",
    "sys.exit": "sys.exit(0)",
    "an exception": "sys.stderr = None; raise SystemExit",
    "everything forgotten": "del parts, calls, client; gc.collect()",
    "everything stopped": "[one.stopCall() for one in parts.values() if isinstance(one, Thread)]",
    "everything waited for": "[one.waitReady() for one in parts.values() if isinstance(one, Thread)]",
    "a client of its own": "flows(name)",
    "a scene of its own": "more, more_calls = scene(sys.argv[1], 'own'); flows('own')",
    "a child of its own": "os.fork() or os._exit(0)",
}


@pytest.mark.parametrize("end", FORKS)
def test_a_process_is_forked_off_with_everything_running(end: str, camera: Cameras, run: Run) -> None:
    """The child ends, and tears nothing down that is its parent's."""
    body = f"""
    parts, calls = scene(sys.argv[1])
    client = flows()
    # A child finds what is its parent's by the name that the parent gave.
    ours = shared("scene")
    for _ in range(3):
        child = os.fork()
        if child == 0:
            signal.alarm(90)
            def flows(name):
                there = SharedMemRingBufferRGB(ours if name is None else shared(name), 8, 80, 45, 80_000)
                assert there.clientPullPy()[0] >= 0
            name = None
            {FORKS[end]}
            sys.exit(0)
        until(lambda: (ended := os.waitpid(child, os.WNOHANG))[0] == child and (ended[1] == 0 or os._exit(9)))
        flows()
        assert client.clientPullPy()[0] >= 0
    print("flows", flush=True)
    """
    assert "flows\n" in run(body, camera(*SMALL).url).end()


# What is forgotten.


def test_everything_is_forgotten_in_any_order_while_frames_flow(camera: Cameras, run: Run) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    body = """
    import random
    order = random.Random(int(sys.argv[2]))
    for turn in range(6):
        parts, calls = scene(sys.argv[1], f"turn{turn}")
        client = flows(f"turn{turn}")
        gone = {name: weakref.ref(part) for name, part in parts.items()}
        names = list(parts)
        order.shuffle(names)
        for name in names:
            del parts[name]
            if order.random() < 0.5:
                gc.collect()
        gc.collect()
        assert not [name for name, part in gone.items() if part() is not None]
    until(lambda: not [one for one in os.listdir("/proc/self/task") if one != str(os.getpid())])
    print("forgotten", flush=True)
    """
    assert "forgotten\n" in run(body, camera(*SMALL).url, str(seed)).end()


def test_a_chain_goes_on_whose_parts_are_forgotten(camera: Cameras, run: Run) -> None:
    body = """
    parts, calls = scene(sys.argv[1])
    client = flows()
    for name in list(parts):
        if name not in ("live", "decoder"):
            del parts[name]
            gc.collect()
    for _ in range(50):
        assert client.clientPullPy()[0] >= 0
    # What the thread feeds goes with it.
    parts["decoder"].stopCall()
    del parts["live"]
    gc.collect()
    del parts["decoder"]
    print("flows", flush=True)
    """
    assert "flows\n" in run(body, camera(*SMALL).url).end()


def test_a_callback_is_kept_until_another_takes_its_place(run: Run) -> None:
    body = """
    class Owner:
        def __init__(self, made):
            self.made = made
            made.setCallback(self.called)
        def called(self, *_):
            pass
    for made in (TestThread("test"), MovementFrameFilter("movement", 100, 0.1, 1000)):
        gone = weakref.ref(Owner(made))
        gc.collect()
        assert gone() is not None
        made.setCallback(None)
        gc.collect()
        assert gone() is None
    print("gone", flush=True)
    """
    assert "gone\n" in run(body).end()


# Callbacks.

CALLBACKS = {
    "raises": "raise ValueError('raised by a callback')",
    "exits": "sys.exit(5)",
    "stops": "thread.stopCall()",
    "asks for a stop": "thread.requestStopCall(); thread.waitStopCall()",
    "forgets": "global thread; thread = None; gc.collect()",
    "starts": "thread.startCall()",
    "replaces itself": "thread.setCallback(lambda i: None); gc.collect()",
    "makes others": "other = TestThread('other'); other.setCallback(print); other.startCall()",
    "collects": "gc.collect()",
    "is no more": "thread.setCallback(None)",
}


@pytest.mark.parametrize("does", CALLBACKS)
def test_a_callback_of_a_thread(does: str, run: Run) -> None:
    body = f"""
    called = threading.Event()
    def callback(number):
        called.set()
        {CALLBACKS[does]}
    thread = TestThread("thread")
    thread.setCallback(callback)
    thread.startCall()
    assert called.wait(80)
    print("called", flush=True)
    if thread:
        thread.stopCall()
    """
    program = run(body)
    assert "called\n" in program.end()
    said = {"raises": "ValueError: raised by a callback", "exits": "SystemExit: 5"}.get(does, "")
    assert said in program.errors()


def test_the_interpreter_waits_for_a_callback_that_nobody_waits_for(run: Run) -> None:
    """One that has stopped its own thread, which is therefore not waited for."""
    body = """
    stopped = threading.Event()
    def callback(number):
        thread.stopCall()
        stopped.set()
        for _ in range(100):
            time.sleep(0.01)
        print("late", flush=True)
        raise ValueError
    thread = TestThread("thread")
    thread.setCallback(callback)
    thread.startCall()
    assert stopped.wait(80)
    """
    program = run(body)
    assert "late\n" in program.end()
    assert "ValueError" in program.errors()


FRAME_CALLBACKS = {
    "raises": "raise ValueError('raised by a callback')",
    "stops the thread it is called by": "parts['decoder'].stopCall()",
    "stops the source": "parts['live'].stopCall()",
    "ends the stream": "parts['live'].deregisterStreamCall(parts['ctx1']); parts['live'].waitReady()",
    "forgets everything": "parts.clear(); gc.collect()",
    "disconnects": "parts['fork'].disconnect('decoder')",
    "connects": "parts['fork'].connect(str(len(calls)), DummyFrameFilter('more', False))",
    "resets the filter": "parts['movement'].reset()",
}


@pytest.mark.parametrize("does", FRAME_CALLBACKS)
def test_a_callback_of_a_filter(does: str, camera: Cameras, run: Run) -> None:
    body = f"""
    parts, calls = scene(sys.argv[1])
    called = threading.Event()
    def callback(event):
        assert event[0] in (True, False) and event[1] == 1
        called.set()
        {FRAME_CALLBACKS[does]}
    parts["movement"].setCallback(callback)
    parts["movement"].reset()
    assert called.wait(80)
    print("called", flush=True)
    parts.clear()
    """
    assert "called\n" in run(body, camera(*SMALL).url).end()


def test_alerts_that_stop_what_calls_them(camera: Cameras, run: Run) -> None:
    body = """
    called = threading.Event()
    def gone(event):
        # On a busy machine, it may be called before the first frame.
        print("gone", flush=True)
        live.stopCall()
        called.set()
        raise ValueError
    live = LiveThread("live")
    alert = AlertFrameFilter("alert", gone, InfoFrameFilter("info"))
    ctx = LiveConnectionContext(LiveConnectionType_rtsp, sys.argv[1], 1, alert)
    ctx.msreconnect = 300
    live.registerStreamCall(ctx)
    live.playStreamCall(ctx)
    live.startCall()
    assert called.wait(80)
    """
    one = camera(*SMALL)
    program = run(body, one.url)
    program.wait_for_line()
    one.kill()
    program.end()
    assert "ValueError" in program.errors()


def test_a_chain_that_nobody_closed_ends_without_a_word(camera: Cameras, run: Run) -> None:
    body = """
    from valkka import api2
    live = api2.LiveThread(name="live")
    chain = api2.OpenFilterchain(livethread=live, address=sys.argv[1], slot=1)
    seen = threading.Event()
    movement = MovementFrameFilter("movement", 1, 0.0, 1000)
    movement.setCallback(lambda event: seen.set())
    chain.connect("movement", movement)
    chain.decodingOn()
    assert seen.wait(80)
    """
    assert "nothing at slot" not in run(body, camera(*SMALL).url).end()


# Starts and stops.


def test_threads_are_started_and_stopped_in_any_order(run: Run, camera: Cameras) -> None:
    body = """
    import random
    order = random.Random(1)
    abstract = (AbstractFileThread, DecoderThread, Thread)
    store = ValkkaFS("dump", "blocks", 4096, 4)
    kinds = [one for _, one in sorted(globals().items()) if isinstance(one, type) and issubclass(one, Thread)]
    calls = [(kind, name) for kind in kinds for name in dir(kind) if name.endswith("Call") and "Stream" not in name]
    def make(kind):
        try:
            ends = [DummyFrameFilter("d", False)] if kind in (ValkkaFSReaderThread, AVThread, VAAPIThread) else []
            stores = [store] if kind.__name__.startswith("ValkkaFS") else []
            return kind("t", *stores, *ends)
        except (AttributeError, TypeError) as error:
            assert kind in abstract, error
    for kind in kinds:
        if kind in abstract:
            continue
        for _ in range(30):
            thread = make(kind)
            names = [order.choice(["startCall", "stopCall", "requestStopCall", "waitStopCall", "waitReady"])
                     for _ in range(6)]
            started = False
            for name in names:
                try:
                    getattr(thread, name)()
                    assert name != "startCall" or not started, f"{kind} started twice: {names}"
                except RuntimeError as error:
                    assert name == "startCall", (names, error)
                started |= name == "startCall"
        # At once, from several Python threads: when a stop returns, it has stopped.
        for _ in range(10):
            thread = make(kind)
            stops = ("stopCall", "waitStopCall", "stopCall")
            users = [threading.Thread(target=getattr(thread, name)) for name in stops]
            try:
                thread.startCall()
            except RuntimeError:
                pass
            [user.start() for user in users]
            [user.join() for user in users]
    print("done", flush=True)
    """
    assert "done\n" in run(body).end()


def test_when_a_stop_returns_no_callback_comes(run: Run) -> None:
    """Also if two stop it at once: neither returns before its end."""
    body = """
    inside, ended = threading.Event(), []
    def callback(number):
        inside.set()
        time.sleep(1)
        ended.append(time.monotonic())
    thread = TestThread("thread")
    thread.setCallback(callback)
    thread.startCall()
    assert inside.wait(80)
    early = []
    def stops():
        thread.stopCall()
        if not ended:
            early.append(threading.current_thread().name)
    users = [threading.Thread(target=stops) for _ in range(3)]
    [user.start() for user in users]
    [user.join() for user in users]
    assert not early, early
    print("done", flush=True)
    """
    assert "done\n" in run(body).end()


def test_what_is_stopped_can_still_be_asked(run: Run, camera: Cameras) -> None:
    body = """
    parts, calls = scene(sys.argv[1])
    flows()
    threads = [one for one in parts.values() if isinstance(one, Thread)]
    [one.stopCall() for one in threads]
    called = []
    live, ctx = parts["live"], parts["ctx1"]
    out = LiveOutboundContext(LiveConnectionType_sdp, "127.0.0.1", 1, 50000)
    for call in (live.registerStreamCall, live.playStreamCall, live.stopStreamCall, live.deregisterStreamCall):
        call(ctx)
    live.registerOutboundCall(out)
    live.deregisterOutboundCall(out)
    parts["decoder"].decodingOnCall()
    parts["decoder"].decodingOffCall()
    parts["screen"].newRenderContextCall(1, 77, 0)
    parts["test"].addCall()
    parts["store"].updateTable()
    parts["reader"].pullBlocksPyCall([0])
    for one in (parts["reader"], parts["writer"]):
        one.clearSlotIdCall()
        one.setSlotIdCall(1, 1)
    for one in threads:
        one.waitReady()
        one.waitStopCall()
        one.stopCall()
    print("done", flush=True)
    """
    assert "done\n" in run(body, camera(*SMALL).url).end()


# Ctrl-C.

WAITS = {
    "a pull": "client = SharedMemRingBufferRGB(shared('nobody'), 8, 80, 45); ready(); client.clientPullPy()",
    "a pull of bytes": "client = SharedMemRingBuffer(shared('nobody'), 8, 80); ready(); "
    "client.clientPull(new_intp(), new_intp())",
    "a pull of level 2": "from valkka.api2 import ShmemRGBClient; "
    "client = ShmemRGBClient(name=shared('nobody'), width=80, height=45); ready(); client.pullFrame()",
    "a pull of another thread": "client = SharedMemRingBufferRGB(shared('nobody'), 8, 80, 45); "
    "threading.Thread(target=client.clientPullPy, daemon=True).start(); ready(); time.sleep(60)",
    "a file that is none": "os.mkfifo('pipe.mkv'); thread = FileThread('file'); thread.startCall(); ready(); "
    "thread.openFileStreamCall(FileContext('pipe.mkv', 1, DummyFrameFilter('d'))); time.sleep(60)",
    "an address that does not answer": "thread = LiveThread('live'); thread.startCall(); "
    "ctx = LiveConnectionContext(LiveConnectionType_rtsp, 'rtsp://10.255.255.1/none', 1, DummyFrameFilter('d')); "
    "thread.registerStreamCall(ctx); thread.playStreamCall(ctx); ready(); thread.waitReady(); time.sleep(60)",
    "a start again and again": "ready()\nwhile True: TestThread('t').startCall()",
}


@pytest.mark.parametrize("what", WAITS)
def test_an_interrupt_ends_what_waits(what: str, run: Run) -> None:
    body = f"""
def ready():
    # From another thread, so that the main one waits already.
    threading.Timer(0.3, lambda: print("ready", flush=True)).start()
try:
    {WAITS[what].replace(chr(10), chr(10) + "    ")}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    program = run(body)
    program.wait_for_line("ready")
    program.interrupt()
    assert "interrupted\n" in program.end()


# Everything at random.

_seeds = itertools.count(random.randrange(1 << 32))


@pytest.mark.deadline(RANDOM_SECONDS + 4 * LIMIT_SECONDS)
@pytest.mark.parametrize("way", ["plain", "development mode", "damaged memory"])
def test_calls_at_random(way: str, camera: Cameras, tmp_path: Path) -> None:
    environment: dict[str, str] = {
        "plain": {},
        "development mode": {"PYTHONDEVMODE": "1"},
        # The checks are in a library of their own; where it is missing, the loader says so and goes on.
        "damaged memory": {
            "LD_PRELOAD": "libc_malloc_debug.so.0",
            "MALLOC_CHECK_": "3",
            "MALLOC_PERTURB_": "165",
            "PYTHONMALLOC": "malloc",
        },
    }[way]
    random_calls(environment, camera(*SMALL).url, tmp_path)


@pytest.mark.deadline(RANDOM_SECONDS + 4 * LIMIT_SECONDS)
def test_calls_at_random_with_a_screen(display: Display, camera: Cameras, tmp_path: Path) -> None:
    random_calls({}, camera(*SMALL).url, tmp_path)


def random_calls(environment: dict[str, str], url: str, folder: Path) -> None:
    seed = next(_seeds)
    print(f"seed {seed}")
    command = [sys.executable, "-X", "faulthandler", str(HERE / "random_calls.py"), str(seed), str(RANDOM_SECONDS), url]
    output, errors = folder / "stdout", folder / "stderr"
    # It writes many files.
    with output.open("wb") as out, errors.open("wb") as err, tempfile.TemporaryDirectory() as scratch:
        process = spawn(command, cwd=scratch, env={**os.environ, **environment}, stdout=out, stderr=err)
        status = process.wait(RANDOM_SECONDS + 2 * LIMIT_SECONDS)
    said = errors.read_text(errors="replace")
    assert status == 0 and "panicked" not in said, f"seed {seed}, status {status}: {said[-6000:]}"
