"""What is measured: one line of the table each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from processes import Process, python, rust
from work import FRAME_RATE, HEIGHT, WIDTH

WARM_UP_SECONDS = 2.0
MEASURED_SECONDS = 12.0


@dataclass
class Figures:
    """What one measurement brought; times of the CPU are in ms per frame. What does not apply is None."""

    # The process that decodes: while it does not share, while it does, and the difference.
    without_ms: float | None = None
    with_ms: float | None = None
    sharing_ms: float | None = None
    # One of the processes that look at the pictures.
    reader_ms: float | None = None
    # From publishing until a reader has the picture in hand.
    age_p50_us: float | None = None
    age_p99_us: float | None = None
    # From the arrival of the picture's last packet until then.
    delay_p50_ms: float | None = None
    delay_p99_ms: float | None = None
    # Pictures that a reader did not see.
    lost: float | None = None

    def server(self, report: Any, streams: int) -> None:
        """Takes over what the process says that decodes."""
        self.without_ms, self.with_ms = (per_frame(report[turns], streams) for turns in ("without", "with"))
        self.sharing_ms = self.with_ms - self.without_ms

    def readers(self, reports: Sequence[Any], streams: int, expected: float, slack: float) -> None:
        """Takes over what the readers say, which were to see `expected` pictures each."""
        seen = [len(report["ages"]) for report in reports]
        self.reader_ms = sum(report["cpu"] for report in reports) * 1000 / max(1, sum(seen))
        ages = [age for report in reports for age in report["ages"]]
        self.age_p50_us, self.age_p99_us = (percentile(ages, part) * 1e6 for part in (0.5, 0.99))
        delays = [delay for report in reports for delay in report.get("delays", ())]
        if delays:
            self.delay_p50_ms, self.delay_p99_ms = (percentile(delays, part) * 1000 for part in (0.5, 0.99))
        missing = [expected - one for one in seen]
        self.lost = sum(one for one in missing if one > slack * streams)


@dataclass(frozen=True)
class Row:
    """One line of the table; `measure` gets the addresses of the cameras."""

    name: str
    wanted: str
    measure: Callable[[Sequence[str]], Figures]


def shared(streams: int, readers: int) -> Callable[[Sequence[str]], Figures]:
    """Our server, and readers that each read every stream."""

    def measure(urls: Sequence[str]) -> Figures:
        names = [unique() for _ in range(streams)]
        server = Process(python("server", urls=urls[:streams], names=names))
        with server, Readers([python("reader", names=names)] * readers) as reading:
            report, seen = measured([server], reading)
        figures = Figures()
        figures.server(report, streams)
        turns = report["with"]
        figures.readers(seen, streams, FRAME_RATE * streams * turns["seconds"], turns["count"])
        return figures

    return measure


def opencv(processes: int) -> Callable[[Sequence[str]], Figures]:
    """OpenCV in each process that looks at the pictures."""

    def measure(urls: Sequence[str]) -> Figures:
        with Readers([python("opencv", url=url) for url in urls[:processes]]) as reading:
            _, seen = measured([], reading)
        frames = sum(report["frames"] for report in seen)
        return Figures(reader_ms=sum(report["cpu"] for report in seen) * 1000 / max(1, frames))

    return measure


def queued(readers: int) -> Callable[[Sequence[str]], Figures]:
    """OpenCV in one process, which puts the pictures into a `multiprocessing.Queue` for each reader."""

    def measure(urls: Sequence[str]) -> Figures:
        with Process(python("queued", url=urls[0], readers=readers)) as server:
            report, _ = measured([server], [])
        figures = Figures()
        figures.server(report, streams=1)
        turns = report["with"]
        figures.readers(report["readers"], 1, FRAME_RATE * turns["seconds"], turns["count"])
        return figures

    return measure


def woken(reader: Callable[[str], Sequence[str]]) -> Callable[[Sequence[str]], Figures]:
    """A writer that has nothing else to do, and a reader."""

    def measure(urls: Sequence[str]) -> Figures:
        name = unique()
        with Process(python("writer", name=name)), Readers([reader(name)]) as reading:
            _, seen = measured([], reading)
        figures = Figures()
        figures.readers(seen, 1, 0, 0)
        figures.lost = None
        return figures

    return measure


ROWS = [
    Row("1 stream to 1 process", "sharing ≤ 0.5 ms; p99 ≤ 10 ms", shared(streams=1, readers=1)),
    Row("1 stream to 4 processes", "no more than to 1", shared(streams=1, readers=4)),
    Row("4 streams to 1 process", "p99 ≤ 25 ms", shared(streams=4, readers=1)),
    Row("4 streams to 4 processes, each reading all", "no more than to 1", shared(streams=4, readers=4)),
    Row("peer: OpenCV, 1 process", "", opencv(processes=1)),
    Row("peer: OpenCV, 4 processes with a connection each", "", opencv(processes=4)),
    Row("peer: OpenCV and `multiprocessing.Queue`, 1 stream to 1 process", "", queued(readers=1)),
    Row("peer: OpenCV and `multiprocessing.Queue`, 1 stream to 4 processes", "", queued(readers=4)),
    Row(
        "no video: 25 pictures a second to a reader in Rust", "", woken(lambda name: rust("read", name, WIDTH, HEIGHT))
    ),
    Row("no video: to a reader in Python", "p99 ≤ 200 µs", woken(lambda name: python("reader", names=[name]))),
]


class Readers(list[Process]):
    """Several processes, ended together."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        super().__init__(Process(command) for command in commands)

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self:
            process.end()


def measured(servers: Sequence[Process], readers: Sequence[Process]) -> tuple[Any, list[Any]]:
    """Has all of them measure for the same time; what the server, if there is one, and the readers say."""
    processes = [*servers, *readers]
    for process in processes:
        process.wait_until_ready()
    time.sleep(WARM_UP_SECONDS)
    for process in processes:
        process.order()
    time.sleep(MEASURED_SECONDS)
    for process in processes:
        process.order()
    reports = [process.report() for process in processes]
    return (reports[0] if servers else None), reports[len(servers) :]


def per_frame(turns: dict[str, float], streams: int) -> float:
    """CPU time in ms per frame; cameras send at a fixed rate."""
    return turns["cpu"] * 1000 / (turns["seconds"] * FRAME_RATE * streams)


def percentile(values: Sequence[float], part: float) -> float:
    if not values:
        raise ValueError("a reader saw nothing")
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def unique() -> str:
    """A name that no other ring has."""
    return f"bench-{os.getpid()}-{next(_numbers)}"


_numbers = count()
