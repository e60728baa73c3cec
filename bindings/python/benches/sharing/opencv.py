"""OpenCV: receives, decodes and scales in the process that looks at the pictures."""

from collections.abc import Iterator
from typing import Any

import cv2

from work import HEIGHT, WIDTH, cpu_seconds, job, ordered, ready, report

# Until it receives as it will go on to.
FIRST_FRAMES = 50


def pictures(url: str) -> Iterator[Any]:
    """The pictures of a camera as ours are shared: RGB, 480×270, the nearest sample taken."""
    # By default we decode with one thread too.
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while True:
        got, frame = capture.read()
        if not got:
            raise SystemExit("the camera is gone")
        small = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        yield cv2.cvtColor(small, cv2.COLOR_BGR2RGB)


def main() -> None:
    stream = pictures(job()["url"])
    for _ in range(FIRST_FRAMES):
        next(stream)
    ready()
    while not ordered(0):
        next(stream)
    cpu, frames = cpu_seconds(), 0
    while not ordered(0):
        next(stream)
        frames += 1
    report(cpu=cpu_seconds() - cpu, frames=frames)


if __name__ == "__main__":
    main()
