"""OpenCV in one process, and the pictures put into a `multiprocessing.Queue` for each process that reads them."""

import multiprocessing
import time
from typing import Any

from opencv import FIRST_FRAMES, pictures
from work import Turns, cpu_seconds, job, ordered, ready, report

spawn = multiprocessing.get_context("spawn")

PATIENCE_SECONDS = 30


def read(queue: Any, reports: Any) -> None:
    """A reader: measures from the first None in the queue to the next."""
    while queue.get() is not None:
        pass
    cpu, ages = cpu_seconds(), []
    while (item := queue.get()) is not None:
        put_at, picture = item
        picture[0, 0]
        ages.append(time.monotonic() - put_at)
    reports.put({"cpu": cpu_seconds() - cpu, "ages": ages})


def main() -> None:
    reports = spawn.Queue()
    queues = [spawn.Queue() for _ in range(job()["readers"])]
    for queue in queues:
        spawn.Process(target=read, args=(queue, reports), daemon=True).start()

    def put(item: Any) -> None:
        for queue in queues:
            queue.put(item)

    stream = pictures(job()["url"])
    for _ in range(FIRST_FRAMES):
        put((time.monotonic(), next(stream)))
    ready()
    while not ordered(0):
        put((time.monotonic(), next(stream)))

    sharing = False

    def switch(on: bool) -> None:
        nonlocal sharing
        sharing = on

    put(None)
    turns = Turns(switch)
    while not ordered(0):
        if turns.is_over():
            turns.next()
        picture = next(stream)
        if sharing:
            put((time.monotonic(), picture))
    figures = turns.end()
    put(None)
    report(readers=[reports.get(timeout=PATIENCE_SECONDS) for _ in queues], **figures)


if __name__ == "__main__":
    main()
