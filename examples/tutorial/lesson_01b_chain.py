"""Lesson 1b: a chain of filters.

    camera ──▶ LiveThread ──▶ first ──▶ second ──▶ third

A filter hands each frame on to the next one. All filters of a chain run one after the other in the thread that feeds
them, here in the LiveThread: so a filter must be quick.

    valkka camera &
    python3 lesson_01b_chain.py [ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.core import InfoFrameFilter, LiveConnectionContext, LiveConnectionType_rtsp, LiveThread

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5

third = InfoFrameFilter("third")
second = InfoFrameFilter("second", third)
first = InfoFrameFilter("first", second)

livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, first)
context.request_tcp = True

livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

time.sleep(seconds)

livethread.stopCall()
print("bye")
