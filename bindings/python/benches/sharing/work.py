"""What the measured processes have in common."""

from __future__ import annotations

import json
import os
import resource
import select
import sys
import time
from collections.abc import Callable
from typing import Any

# What is shared.
WIDTH, HEIGHT = 480, 270
CELLS = 10
# Of the cameras, in Hz.
FRAME_RATE = 25.0

# How long it is measured at a time with or without sharing: some pictures of each kind are in it.
TURN_SECONDS = 1.0


def job() -> Any:
    """What this process is to do."""
    return json.loads(sys.argv[1])


def ready() -> None:
    """Says that pictures come."""
    print("ready", flush=True)


def ordered(seconds: float | None = None) -> bool:
    """Waits for an order; returns whether one came in time. Ends the process if there are to be none any more."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    if not readable:
        return False
    if not os.read(sys.stdin.fileno(), 1):
        sys.exit()
    return True


def report(**figures: Any) -> None:
    """Says what was measured, and waits for the end."""
    print(json.dumps(figures), flush=True)
    ordered()


def cpu_seconds() -> float:
    """The CPU time of this process until now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Turns:
    """What this process needs with and without sharing, in turns: so both meet the same machine.

    `switch` turns sharing on and off.
    """

    def __init__(self, switch: Callable[[bool], None]) -> None:
        self._switch = switch
        self._spent = {sharing: {"cpu": 0.0, "seconds": 0.0, "count": 0} for sharing in (False, True)}
        self._begin(sharing=False)

    def is_over(self) -> bool:
        """Whether it is time for the next turn."""
        return time.monotonic() - self._since >= TURN_SECONDS

    def next(self) -> None:
        """Ends a turn and begins the next one."""
        self._finish()
        self._begin(not self._sharing)

    def end(self) -> dict[str, Any]:
        """Ends the last turn, and returns what all took."""
        self._finish()
        return {"without": self._spent[False], "with": self._spent[True]}

    def _begin(self, sharing: bool) -> None:
        self._sharing = sharing
        self._switch(sharing)
        self._cpu, self._since = cpu_seconds(), time.monotonic()

    def _finish(self) -> None:
        spent = self._spent[self._sharing]
        spent["cpu"] += cpu_seconds() - self._cpu
        spent["seconds"] += time.monotonic() - self._since
        spent["count"] += 1
