"""Receives, decodes, scales and shares every picture, with level 1."""

from valkka import core
from valkka.api2 import ShmemRGBClient
from work import CELLS, HEIGHT, TURN_SECONDS, WIDTH, Turns, job, ordered, ready, report

PATIENCE_MS = 30_000


class Stream:
    """One camera, decoded, and shared while the gate is open."""

    def __init__(self, live: core.LiveThread, slot: int, url: str, name: str) -> None:
        self.name = name
        self.share = core.RGBShmemFrameFilter(name, CELLS, WIDTH, HEIGHT)
        self.scale = core.SwScaleFrameFilter("scale", WIDTH, HEIGHT, self.share)
        self.gate = core.GateFrameFilter("gate", self.scale)
        self.decoder = core.AVThread("decoder", self.gate)
        kind = core.LiveConnectionType_rtsp
        self.context = core.LiveConnectionContext(kind, url, slot, self.decoder.getFrameFilter())
        self.context.request_tcp = True
        # A picture is stamped with the arrival of its last packet.
        self.context.time_correction = core.TimeCorrectionType_dummy
        self.gate.set()
        self.decoder.startCall()
        live.registerStreamCall(self.context)
        live.playStreamCall(self.context)
        self.decoder.decodingOnCall()

    def wait(self) -> None:
        """Waits for its first picture."""
        client = ShmemRGBClient(name=self.name, width=WIDTH, height=HEIGHT, mstimeout=PATIENCE_MS)
        if client.pullFrame()[0] is None:
            raise SystemExit(f"{self.name} has no pictures")

    def switch(self, sharing: bool) -> None:
        if sharing:
            self.gate.set()
        else:
            self.gate.unSet()


def main() -> None:
    live = core.LiveThread("live")
    live.startCall()
    cameras = zip(job()["urls"], job()["names"])
    streams = [Stream(live, slot, url, name) for slot, (url, name) in enumerate(cameras, 1)]
    for stream in streams:
        stream.wait()
    ready()
    ordered()

    def switch(sharing: bool) -> None:
        for stream in streams:
            stream.switch(sharing)

    turns = Turns(switch)
    while not ordered(TURN_SECONDS):
        turns.next()
    report(**turns.end())


if __name__ == "__main__":
    main()
