"""Calls everything of level 1 with arguments of all kinds, at random: a program, run by test_lifetimes.py.

    python random_calls.py SEED SECONDS [ADDRESS OF A CAMERA]

Objects are made, wired, started, stopped and forgotten without any order; most arguments fit, the rest is of the
wrong type, out of range, or nothing that anybody would hand over. Whatever is wrong must be told by an ordinary
exception or a line, and nothing may wait for longer than it says. Prints how often each class was made and each method
returned.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import gc
import inspect
import os
import random
import resource
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from types import FrameType
from typing import Any

import numpy

from valkka import core

# What is raised when something wrong is handed over. Anything else is a fault: PanicException and SystemError above
# all.
ORDINARY = (TypeError, ValueError, OverflowError, RuntimeError, AttributeError, IndexError, OSError, MemoryError)

# A call that waits for ever, as some do by their definition, is interrupted after this ...
IMPATIENCE_SECONDS = 0.4
# ... and has so long to notice, on a machine that is busy.
LIMIT_SECONDS = 60.0

# No file gets larger.
MAX_FILE_BYTES = 64 << 20

# Arguments that are true or false.
FLAGS = {"verbose", "flush_when_full", "is_server", "map", "show", "clear", "init", "o_direct", "disk_write"}
FLAGS |= {"writethrough", "show_all"}

# So many objects live at a time.
OBJECTS = 60


class Impatience(Exception):
    """Stands for a user who presses Ctrl-C."""


class Raises:
    """A callable that raises, with an attribute access that does too."""

    def __call__(self, *arguments: Any) -> None:
        raise ValueError("a callback that raises")

    def __index__(self) -> int:
        raise ValueError("an index that raises")

    def __float__(self) -> float:
        raise ValueError("a number that raises")


class Fuzz:
    def __init__(self, seed: int, address: str | None) -> None:
        self.random = random.Random(seed)
        self.addresses = [address] if address else ["rtsp://127.0.0.1:1/nobody"]
        self.objects: list[Any] = []
        self.counts: Counter[str] = Counter()
        self.classes = [one for _, one in sorted(vars(core).items()) if inspect.isclass(one)]
        self.functions = [one for _, one in sorted(vars(core).items()) if inspect.isbuiltin(one)]
        self.names = [str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(6)]

    def step(self) -> None:
        choice = self.random.random()
        if choice < 0.35 or not self.objects:
            made = self.call(self.random.choice(self.classes))
            if made is not None:
                self.objects.append(made)
        elif choice < 0.40:
            self.call(self.random.choice(self.functions))
        elif choice < 0.42:
            self.chain()
        elif choice < 0.44:
            self.recording()
        elif choice < 0.85:
            one = self.random.choice(self.objects)
            special = self.random.random() < 0.03
            names = [
                name for name in dir(one) if name.startswith("__") is special and callable(getattr(one, name, None))
            ]
            if names:
                name = self.random.choice(names)
                result = self.call(getattr(one, name), f"{type(one).__name__}.{name}")
                if type(result).__module__.startswith("valkka"):
                    self.objects.append(result)
        elif choice < 0.92:
            self.set_attribute(self.random.choice(self.objects))
        else:
            self.objects.pop(self.random.randrange(len(self.objects)))
            if self.random.random() < 0.2:
                gc.collect()
        while len(self.objects) > OBJECTS:
            self.objects.pop(self.random.randrange(len(self.objects)))

    def chain(self) -> None:
        """Has frames flow: a camera is received, decoded, scaled and shared."""
        slot = self.random.randrange(1, 256)
        live, filters = core.LiveThread("live"), [one for one in self.objects if isinstance(one, core.FrameFilter)]
        try:
            shared = core.RGBShmemFrameFilter(self.random.choice(self.names), 5, 40, 30)
        except ORDINARY:
            return
        decoder = core.AVThread("av", core.ForkFrameFilter("f", core.SwScaleFrameFilter("sws", 40, 30, shared)))
        fork = core.ForkFrameFilter3(
            "fork", decoder.getFrameFilter(), *self.random.sample(filters, min(2, len(filters)))
        )
        context = core.LiveConnectionContext(core.LiveConnectionType_rtsp, self.addresses[0], slot, fork)
        decoder.startCall()
        live.startCall()
        decoder.decodingOnCall()
        live.registerStreamCall(context)
        live.playStreamCall(context)
        # Each of them may be forgotten before the others.
        self.objects += self.random.sample([shared, fork, context], 2) + [live, decoder]
        self.counts["chains"] += 1

    def recording(self) -> None:
        """Has what is received written into a store, and read back into anything."""
        fifo_ctx = core.FrameFifoContext()
        filters = [one for one in self.objects if isinstance(one, core.FrameFilter)]
        try:
            store = core.ValkkaFS(self.fitting("device_file"), self.fitting("block_file"), 65536, 8)
            store.setBlockCallback(self.random.choice([print, Raises(), self.meddle]))
            writer = core.ValkkaFSWriterThread("writer", store, fifo_ctx)
            writer.startCall()
        except ORDINARY:
            # Of another size, or somebody writes it.
            return
        context = core.LiveConnectionContext(
            core.LiveConnectionType_rtsp, self.addresses[0], 1, self.random.choice([writer.getFrameFilter(), *filters])
        )
        reader = core.ValkkaFSReaderThread("reader", store, self.random.choice([None, *filters]), fifo_ctx)
        for thread in (writer, reader):
            for slot in range(3):
                thread.setSlotIdCall(slot, slot + 1)
        live = core.LiveThread("live")
        for thread in (reader, live):
            thread.startCall()
        live.registerStreamCall(context)
        live.playStreamCall(context)
        self.objects += [store, writer, reader, live, core.ValkkaFSTool(store)]
        self.counts["recordings"] += 1

    def set_attribute(self, one: Any) -> None:
        names = [name for name in dir(one) if not name.startswith("__") and not callable(getattr(one, name, None))]
        if names:
            name = self.random.choice(names)
            self.attempt(f"{type(one).__name__}.{name} =", functools.partial(setattr, one, name, self.argument(name)))

    def call(self, what: Any, title: str | None = None) -> Any:
        """Calls it with arguments that mostly fit."""
        title = title or what.__name__
        arguments = [self.argument(name) for name in parameters(what)]
        while arguments and self.random.random() < 0.1:
            arguments.pop()
        if self.random.random() < 0.05:
            arguments.append(self.anything())
        # Now and then from another thread, which nobody waits for.
        if self.random.random() < 0.03 and threading.active_count() < 10:
            threading.Thread(target=self.attempt, args=(title, what, arguments), daemon=True).start()
            return None
        return self.attempt(title, what, arguments)

    def attempt(self, title: str, what: Any, arguments: list[Any] | None = None) -> Any:
        """Calls it; only what is ordinary may be raised."""
        arguments = arguments or []
        here = threading.current_thread() is threading.main_thread()
        if here:
            trace(f"{title} {shown(arguments)}")
            faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
            signal.setitimer(signal.ITIMER_REAL, IMPATIENCE_SECONDS)
        try:
            try:
                result = what(*arguments)
            finally:
                if here:
                    signal.setitimer(signal.ITIMER_REAL, 0)
        except Impatience:
            self.counts[f"{title} (interrupted)"] += 1
        except ORDINARY:
            self.counts[f"{title} (refused)"] += 1
        except BaseException as error:
            print(f"fault: {title} {shown(arguments)}: {type(error).__mro__}: {error}", file=sys.stderr, flush=True)
            os._exit(3)
        else:
            self.counts[title] += 1
            return result
        finally:
            if here:
                faulthandler.cancel_dump_traceback_later()
        return None

    def argument(self, name: str) -> Any:
        return self.fitting(name) if self.random.random() < 0.85 else self.anything()

    def fitting(self, name: str) -> Any:
        """Something that the argument of this name is meant for."""
        choice = self.random.choice
        if name in FLAGS or name.startswith("request"):
            return choice([True, False])
        if name in ("next", "next1", "next2", "next3", "outfilter", "framefilter", "filter"):
            filters = [one for one in self.objects if isinstance(one, core.FrameFilter)]
            return choice(filters) if filters else None
        if name == "ctx":
            return self.one_of("Context", but="Fifo")
        if name == "fifo_ctx":
            return self.one_of("FifoContext")
        if name in ("event_fd", "eventfd"):
            return self.one_of("EventFd")
        if name in ("index_p", "size_p", "obj"):
            return core.new_intp()
        if name == "meta":
            return choice([core.RGB24Meta(), core.FragMP4Meta(), core.new_intp()])
        if name == "rb":
            return self.one_of("Ring")
        if name in ("callable", "pycallback", "cb", "callback"):
            return choice([lambda *_: None, Raises(), self.meddle])
        if name == "array":
            return self.array()
        if name == "name":
            # Names of rings, so that both ends meet.
            return choice(self.names)
        if name == "address":
            return choice([*self.addresses, "/nowhere.sdp", "127.0.0.1", "stream"])
        if name in ("fname", "filename"):
            return choice(["one.mkv", "two.mkv", "no/such/folder.mkv", "."])
        if name == "device":
            return choice(["/dev/null", "/dev/video0"])
        if name in ("treshold",):
            return self.random.random()
        if name == "connection_type":
            return choice([core.LiveConnectionType_rtsp, core.LiveConnectionType_sdp])
        if name == "mstimeout":
            return choice([1, 10, 100, 0])
        if name == "portnum":
            return choice([0, self.random.randrange(20000, 60000)])
        if name in ("slot", "n_slot", "i"):
            return choice([0, 1, 2])
        if name == "valkkafs":
            return self.one_of("ValkkaFS", but="T")
        if name in ("device_file", "block_file"):
            return f"{name}{choice('12')}"
        if name == "blocksize":
            return choice([4096, 10_000, 65536])
        if name == "n_blocks":
            return choice([1, 2, 8])
        if name == "blocks":
            return choice([[0], [0, 1, 7], range(8), [None, 0], numpy.arange(3)])
        if name == "arr":
            return numpy.zeros((choice([1, 2, 8]), 2), choice([numpy.int64, numpy.int64, numpy.int32]))
        if name == "fd":
            return os.open(os.devnull, os.O_WRONLY) if self.random.random() < 0.02 else 2**20
        if name in ("width", "height", "target_width", "target_height"):
            return choice([40, 30])
        return choice([0, 1, 2, 3, 10, 100])

    def one_of(self, part: str, but: str = "nothing") -> Any:
        found = [one for one in self.objects if part in type(one).__name__ and but not in type(one).__name__]
        return self.random.choice(found) if found else None

    def anything(self) -> Any:
        """Something that nobody would hand over."""
        choice = self.random.choice
        plain = [
            None,
            True,
            "",
            "a",
            "\0",
            "ä" * 300,
            "\udcff\udc80.mkv",
            b"",
            b"bytes",
            (),
            [],
            {},
            object(),
            Raises(),
            int,
            1j,
        ]
        numbers = [
            -1,
            0,
            1,
            255,
            256,
            65535,
            65536,
            2**31 - 1,
            2**31,
            2**32,
            2**63 - 1,
            2**63,
            2**64,
            -(2**31),
            -(2**63),
            10**400,
        ]
        floats = [float("nan"), float("inf"), float("-inf"), 0.5, -1.0, 1e308]
        return choice([choice(plain), choice(numbers), choice(numbers), choice(floats), choice(self.objects or [None])])

    def array(self) -> Any:
        shape = self.random.choice([(30, 40, 3), (40, 30, 3), (3600,), (10,), (0,), (), (1, 2, 3, 4), (30, 0, 3)])
        return numpy.zeros(shape, self.random.choice([numpy.uint8, numpy.uint8, numpy.float32, object]))

    def meddle(self, *_: Any) -> None:
        """A callback that calls back, and forgets."""
        for one in self.objects[:]:
            if isinstance(one, core.Thread):
                one.requestStopCall()
        gc.collect()


@functools.cache
def parameters(what: Any) -> list[str]:
    """The names of the arguments that fit by position."""
    special = {"FrameFifoContext": ["n_basic", *["n"] * 5, "flush_when_full"]}
    if getattr(what, "__name__", None) in special:
        return special[what.__name__]
    try:
        found = inspect.signature(what).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]


def shown(arguments: list[Any]) -> str:
    return ", ".join(ascii(one)[:60] for one in arguments)


def trace(text: str) -> None:
    if os.environ.get("VALKKA_TRACE"):
        print("->", text, file=sys.stderr, flush=True)


def give_up(_number: int, _frame: FrameType | None) -> None:
    raise Impatience


def main() -> None:
    seed, seconds, *address = sys.argv[1:]
    fuzz = Fuzz(int(seed), address[0] if address else None)
    signal.signal(signal.SIGALRM, give_up)
    # Stores may be asked for that are as large as a disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    end = time.monotonic() + float(seconds)
    steps = 0
    while time.monotonic() < end:
        with contextlib.suppress(Impatience):
            fuzz.step()
        steps += 1
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    for title, count in sorted(fuzz.counts.items()):
        print(f"counted: {title}: {count}")
    print(f"counted: {steps} steps", flush=True)
    # The rest ends as the interpreter does, with everything running.


if __name__ == "__main__":
    main()
