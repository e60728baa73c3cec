"""Writes 25 pictures a second and does nothing else."""

import time

import numpy

from valkka.api2 import ShmemRGBServer
from work import CELLS, FRAME_RATE, HEIGHT, WIDTH, job, ordered, ready


def main() -> None:
    server = ShmemRGBServer(name=job()["name"], n_ringbuffer=CELLS, width=WIDTH, height=HEIGHT)
    picture = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
    ready()
    while not ordered(1 / FRAME_RATE):
        server.pushFrame(picture, 1, int(time.time() * 1000))


if __name__ == "__main__":
    main()
