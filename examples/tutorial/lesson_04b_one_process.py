"""Lesson 4b: read shared pictures in the process that shares them.

    camera ──▶ LiveThread ──▶ AVThread ──▶ interval ──▶ scale ──▶ shared memory  · · ▶  this program

The same as lesson 4a in one program: good for trying things out.

    valkka camera &
    python3 lesson_04b_one_process.py [ADDRESS [COUNT]]
"""

import sys

from valkka.api2 import ShmemRGBClient
from valkka.core import (
    AVThread,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
    RGBShmemFrameFilter,
    SwScaleFrameFilter,
    TimeIntervalFrameFilter,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
count = int(sys.argv[2]) if len(sys.argv) > 2 else 10

name = "lesson_4b"
width, height = 480, 270
cells = 10

share = RGBShmemFrameFilter(name, cells, width, height)
scale = SwScaleFrameFilter("scale", width, height, share)
interval = TimeIntervalFrameFilter("interval", 200, scale)

avthread = AVThread("decoder", interval)
livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, avthread.getFrameFilter())
context.request_tcp = True

client = ShmemRGBClient(name=name, n_ringbuffer=cells, width=width, height=height, mstimeout=2000)

avthread.startCall()
livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)
avthread.decodingOnCall()

while count > 0:
    index, meta = client.pullFrame()
    if index is None:
        print("timeout")
        continue
    picture = client.shmem_list[index][0 : meta.size].reshape((meta.height, meta.width, 3))
    print(f"slot {meta.slot} at {meta.mstimestamp} ms: {picture.shape}, brightness {picture.mean():.1f}")
    count -= 1

livethread.stopCall()
avthread.stopCall()
print("bye")
