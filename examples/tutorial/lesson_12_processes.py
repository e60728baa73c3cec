"""Lesson 12: a process for machine vision.

    this process:      camera ──▶ LiveThread ──▶ AVThread ──▶ interval ──▶ scale ──▶ shared memory
                         ▲                                                             :
                         └──────────── "movement started / stopped" ◀──────────  Detector

A MessageProcess has two sides. Methods with plain names are called here, in the front; methods whose names begin with
c__ or end with __ run in the other process, the back. Messages go through a pipe, pictures through shared memory, and
an EventFd tells when there is one, so that the back can wait for pictures and for messages at the same time.

    valkka camera &
    python3 lesson_12_processes.py [ADDRESS [SECONDS]]
"""

import select
import sys
import time

from valkka.api2 import ShmemRGBClient
from valkka.core import (
    AVThread,
    EventFd,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
    RGBShmemFrameFilter,
    SwScaleFrameFilter,
    TimeIntervalFrameFilter,
)
from valkka.multiprocess import EventGroup, MessageObject, MessageProcess, safe_select

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 15

name = "lesson_12"
width, height = 480, 270
cells = 10

# Made before the process is: both sides have them.
event_group = EventGroup(10, EventFd)


class Detector(MessageProcess):
    """Looks for changes between pictures."""

    def preRun__(self):
        self.client = None
        self.event = None
        self.previous = None
        self.moving = False
        self.seen = 0

    def readPipes__(self, timeout):
        """Waits for messages and pictures."""
        sources = [self.back_pipe] + ([self.event] if self.event is not None else [])
        readable, _, _ = safe_select(
            [s if s is self.back_pipe else s.getFd() for s in sources], [], [], timeout=timeout
        )
        if self.back_pipe in readable:
            self.handleBackPipe__(self.back_pipe)
        elif readable:
            self.handleFrame__()

    def handleFrame__(self):
        index, meta = self.client.pullFrame()
        if index is None:
            return
        self.seen += 1
        picture = self.client.shmem_list[index][0 : meta.size].reshape((meta.height, meta.width, 3))
        small = picture[::8, ::8].mean(axis=2)
        if self.previous is not None:
            moving = abs(small - self.previous).mean() > 1.0
            if moving != self.moving:
                self.moving = moving
                self.send_out__(MessageObject("movement", started=bool(moving), mstimestamp=meta.mstimestamp))
        self.previous = small
        if self.seen % 10 == 0:
            self.send_out__(MessageObject("progress", pictures=self.seen))

    def c__activate(self, event_index=None):
        self.event = event_group.fromIndex(event_index)
        self.client = ShmemRGBClient(name=name, n_ringbuffer=cells, width=width, height=height, mstimeout=1000)
        self.client.useEventFd(self.event)

    # The front.

    def activate(self, event_index):
        self.sendMessageToBack(MessageObject("activate", event_index=event_index))


# Processes first, threads after that: a process is a copy of this one, and threads are not copied.
detector = Detector("detector")
detector.ignoreSIGINT()
detector.go()

event_index, event = event_group.reserve()

share = RGBShmemFrameFilter(name, cells, width, height)
share.useFd(event)
scale = SwScaleFrameFilter("scale", width, height, share)
interval = TimeIntervalFrameFilter("interval", 200, scale)

avthread = AVThread("decoder", interval)
livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, avthread.getFrameFilter())
context.request_tcp = True

avthread.startCall()
livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)
avthread.decodingOnCall()

detector.activate(event_index)

pipe = detector.getPipe()
end = time.monotonic() + seconds
while time.monotonic() < end:
    if select.select([pipe], [], [], 0.5)[0]:
        message = pipe.recv()
        print(message)

detector.stop()
event_group.release(event)
livethread.stopCall()
avthread.stopCall()
print("bye")
