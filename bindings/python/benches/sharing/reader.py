"""Reads every picture of one or more rings, a thread for each, and does nothing with them."""

import threading
import time

from valkka.api2 import ShmemRGBClient
from work import CELLS, HEIGHT, WIDTH, cpu_seconds, job, ordered, ready, report

# How often a thread looks whether it is to go on.
TICK_MS = 250


class Reader(threading.Thread):
    """Reads one ring from the beginning until it is told to stop."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True)
        ring = {"name": name, "n_ringbuffer": CELLS, "width": WIDTH, "height": HEIGHT}
        self.client = ShmemRGBClient(**ring, mstimeout=TICK_MS)
        self.seen = threading.Event()
        self.stopping = threading.Event()
        # Seconds from the publishing of each picture, and from the arrival of its last packet.
        self.ages: list[float] = []
        self.delays: list[float] = []
        self.start()

    def run(self) -> None:
        client = self.client
        while not self.stopping.is_set():
            index, meta = client.pullFrame()
            if index is not None and meta is not None:
                client.shmem_list[index][0]
                self.ages.append(client.core.clientAge())
                self.delays.append(time.time() - meta.mstimestamp / 1000)
                self.seen.set()

    def stop(self) -> None:
        self.stopping.set()
        self.join()


def main() -> None:
    readers = [Reader(name) for name in job()["names"]]
    for reader in readers:
        reader.seen.wait(30)
    ready()
    ordered()
    for reader in readers:
        reader.ages, reader.delays = [], []
    cpu = cpu_seconds()
    ordered()
    cpu = cpu_seconds() - cpu
    for reader in readers:
        reader.stop()
    ages = [age for reader in readers for age in reader.ages]
    delays = [delay for reader in readers for delay in reader.delays]
    report(cpu=cpu, ages=ages, delays=delays)


if __name__ == "__main__":
    main()
