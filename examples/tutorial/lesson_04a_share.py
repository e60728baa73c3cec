"""Lesson 4a: share pictures with other processes.

    camera ──▶ LiveThread ──▶ AVThread ──▶ interval ──▶ scale ──▶ shared memory  · · ▶  other processes

Machine vision runs best in processes of its own. Here pictures are thinned to one a second, scaled to 480x270 in RGB,
and put into shared memory under a name. Any number of processes read them there, without a copy, each at its own pace;
none can hold up this program or each other.

Start this one and, in other terminals, one or more of the readers; in any order.

    valkka camera &
    python3 lesson_04a_share.py [ADDRESS [SECONDS]] &
    python3 lesson_04a_reader.py &
    python3 lesson_04a_opencv.py
"""

import sys
import time

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
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60

name = "lesson_4"  # by which the readers find it
width, height = 480, 270
cells = 10  # pictures kept for readers that are late

share = RGBShmemFrameFilter(name, cells, width, height)
scale = SwScaleFrameFilter("scale", width, height, share)
interval = TimeIntervalFrameFilter("interval", 1000, scale)  # at most one each 1000 ms

avthread = AVThread("decoder", interval)
livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, avthread.getFrameFilter())
context.request_tcp = True

avthread.startCall()
livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)
avthread.decodingOnCall()

time.sleep(seconds)

livethread.stopCall()
avthread.stopCall()
print("bye")
