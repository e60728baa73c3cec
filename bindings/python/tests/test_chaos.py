"""Cameras, servers and readers are killed, stopped and restarted at random; whoever is left goes on.

It runs for VALKKA_CHAOS_SECONDS, 20 unless told otherwise, with the seed VALKKA_CHAOS_SEED; `make test-faults` takes
five minutes.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from chaos_roles import READERS, Status, StatusFile

from conftest import Camera, Cameras, Poll, reap, spawn

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("VALKKA_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("VALKKA_CHAOS_SEED", random.randrange(1 << 32)))

# A storm is followed by a calm, in which everything must be well again within this.
STORM_SECONDS = 5.0
RECOVERY_SECONDS = 120.0
# A reader that nobody touches, of a writer that nobody touches, gets its 50 frames a second; on a busy machine both may
# have to wait for a processor.
WITNESS_SECONDS = 20.0
# A process that is told to end ends within this.
END_SECONDS = 90.0
# How much memory a server may gain in the whole time, besides what it had when it had warmed up.
GROWTH_KIB = 8 * 1024


class Actor:
    """A process that can be killed, stopped, continued and ended."""

    def __init__(self, role: str, name: str, folder: Path, *address: str) -> None:
        self.role = role
        self.title = f"{role} {name}"
        self._status = folder / f"{role}-{name}-{time.monotonic_ns()}.status"
        self._file = StatusFile(str(self._status))
        self._errors: IO[bytes] = self._status.with_suffix(".errors").open("wb")
        self._command = [sys.executable, "-X", "faulthandler", str(HERE / "chaos_roles.py"), role]
        self._command += [str(self._status), name, *address]
        self.stopped = False
        self.start()

    def start(self) -> None:
        self._process = spawn(self._command, stdout=subprocess.DEVNULL, stderr=self._errors)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> Status:
        """What it has seen since it was started."""
        status = self._file.read()
        return status if status.pid == self.pid else Status()

    def kill(self) -> None:
        self._process.kill()
        reap(self._process)
        self.stopped = False

    def restart(self) -> None:
        """After a sudden end."""
        self.kill()
        self.start()

    def replace(self) -> None:
        """After an end as programs end."""
        self.end()
        self.start()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = True

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def end(self) -> None:
        self.resume()
        self._process.terminate()
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            # Tells where it hangs.
            self._process.send_signal(signal.SIGABRT)
            self._process.wait(END_SECONDS)
            pytest.fail(f"{self.title} does not end: {self.errors()}")
        # Before it has its handler, the signal itself ends it.
        assert status in (0, -signal.SIGTERM), f"{self.title} ended with {status}: {self.errors()}"

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def errors(self) -> str:
        return self._status.with_suffix(".errors").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        self.kill()
        self._errors.close()


class Cast:
    """Everybody who takes part."""

    def __init__(self, cameras: Cameras, folder: Path, prefix: str) -> None:
        self.prefix = prefix
        self.actors: list[Actor] = []
        self.cameras = [cameras("--size", "320x180"), cameras("--size", "160x90")]
        self.paused_cameras: set[int] = set()

        def add(role: str, name: str, *address: str) -> Actor:
            self.actors.append(Actor(role, prefix + name, folder, *address))
            return self.actors[-1]

        # Never killed, so that their memory can be watched; stopped only the second and the third.
        self.untouched = add("pushes", "steady")
        self.lasting = [self.untouched, add("pushes", "lasting"), add("serves", "home", self.cameras[0].url)]
        self.witness = add("level-1", "steady")
        self.mortal = [add("pushes", "mortal"), add("serves", "away", self.cameras[1].url)]
        numbered = [kind for kind in READERS if kind.startswith("level")]
        self.readers = [add(kind, "steady") for kind in numbered[1:]]
        self.readers += [add(kind, "lasting") for kind in numbered[:2]]
        self.readers += [add(kind, "mortal") for kind in numbered]
        self.readers += [add(kind, "home") for kind in READERS if kind not in numbered]
        self.readers += [add("pictures", "away")]

    def act(self, chance: random.Random) -> None:
        """Something happens to somebody."""
        choice = chance.random()
        if choice < 0.15:
            self.act_on_a_camera(chance, chance.choice(self.cameras))
        elif choice < 0.3:
            actor = chance.choice(self.lasting[1:])
            actor.resume() if actor.stopped else actor.pause()
        else:
            actor = chance.choice(self.mortal if choice < 0.45 else self.readers)
            if actor.stopped and chance.random() < 0.7:
                actor.resume()
            else:
                chance.choice([actor.restart, actor.restart, actor.replace, actor.pause, actor.pause])()

    def act_on_a_camera(self, chance: random.Random, camera: Camera) -> None:
        if camera.pid in self.paused_cameras:
            self.paused_cameras.discard(camera.pid)
            camera.resume()
        elif chance.random() < 0.5:
            camera.kill()
            camera.start()
        else:
            self.paused_cameras.add(camera.pid)
            camera.pause()

    def calm(self, poll: Poll) -> float:
        """Everybody may go on; returns after how many seconds each had frames again."""
        for camera in self.cameras:
            if camera.pid in self.paused_cameras:
                camera.resume()
        self.paused_cameras.clear()
        for actor in self.actors:
            actor.resume()
        start = time.monotonic()
        waiting = {actor: (actor.pid, actor.status.frames) for actor in self.actors}
        late: list[str] = []

        def well() -> bool:
            for actor, (_, frames) in list(waiting.items()):
                if actor.status.frames > frames + 3:
                    del waiting[actor]
            late[:] = [f"{actor.title}: {actor.status}" for actor in waiting]
            assert all(actor.is_alive() for actor in self.actors), [actor.errors() for actor in self.actors]
            return not waiting or time.monotonic() > start + RECOVERY_SECONDS

        poll(well, 2 * RECOVERY_SECONDS)
        assert not late, f"no frames within {RECOVERY_SECONDS} s after all was well: {late}"
        return time.monotonic() - start

    def check(self) -> None:
        """What must hold at any time."""
        for actor in self.actors:
            errors = actor.errors()
            assert actor.status.faults == 0 and "panicked" not in errors, f"{actor.title}: {actor.status}: {errors}"
        witness = self.witness.status
        assert witness.gap < WITNESS_SECONDS, f"the witness was held up: {witness}"
        assert time.monotonic() - witness.newest < WITNESS_SECONDS, f"the witness is held up: {witness}"

    def close(self) -> None:
        for actor in self.actors:
            actor.close()


@pytest.fixture
def cast(camera: Cameras, tmp_path: Path) -> Iterator[Cast]:
    cast = Cast(camera, tmp_path, f"test_chaos_{os.getpid()}_")
    yield cast
    cast.close()


@pytest.mark.deadline(2 * SECONDS + 1000)
def test_whoever_is_left_goes_on(cast: Cast, poll: Poll) -> None:
    print(f"seed {SEED}, {SECONDS} s")
    chance = random.Random(SEED)
    end = time.monotonic() + SECONDS
    recoveries = [cast.calm(poll)]
    warm = {actor: usage(actor.pid) for actor in cast.lasting}
    events, warmed = 0, False
    while time.monotonic() < end:
        storm = time.monotonic() + STORM_SECONDS
        while time.monotonic() < storm:
            cast.act(chance)
            cast.check()
            events += 1
            time.sleep(chance.uniform(0.0, 0.2))
        recoveries.append(cast.calm(poll))
        cast.check()
        if not warmed:
            # All that can happen has happened once.
            warm, warmed = {actor: usage(actor.pid) for actor in cast.lasting}, True
    print(f"{events} events; well again after {max(recoveries):.1f} s at most")
    # It takes a moment until it is noticed that a reader is gone.
    poll(lambda: all(usage(actor.pid)[1] <= files + 2 for actor, (_, files) in warm.items()))
    for actor, (memory, files) in warm.items():
        memory_now, files_now = usage(actor.pid)
        print(f"{actor.title}: {memory} KiB and {files} files, then {memory_now} KiB and {files_now} files")
        assert memory_now < memory + GROWTH_KIB
    frames = sum(actor.status.frames for actor in cast.actors)
    print(f"{frames} frames seen by those who are left, none of them torn")
    # Half of them end as they should, the other half suddenly.
    chance.shuffle(cast.actors)
    for number, actor in enumerate(cast.actors):
        actor.end() if number % 2 else actor.kill()
    assert_nothing_is_left(cast.prefix)


def usage(pid: int) -> tuple[int, int]:
    """The memory of a process in KiB, without what it shares, and how many files it has open."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]), len(os.listdir(f"/proc/{pid}/fd"))


def assert_nothing_is_left(prefix: str) -> None:
    """The next program that shares something clears away what those left who were killed."""
    program = f"from valkka import core; core.SharedMemRingBuffer('{prefix}last', 4, 100, 0, True)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    sockets = Path(f"/dev/shm/valkka-{os.geteuid()}")
    left = [one.name for one in sockets.iterdir() if prefix in one.name] if sockets.exists() else []
    assert not left, left
