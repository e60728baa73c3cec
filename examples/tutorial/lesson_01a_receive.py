"""Lesson 1a: receive a camera.

    camera ──▶ LiveThread ──▶ InfoFrameFilter

A *thread* does work in the background, a *frame filter* is given frames one by one. Here a LiveThread receives one
camera and writes its frames into a filter that prints them. What you see: first a SetupFrame, which announces that
H.264 video is coming, then the parts of the encoded video: 7 and 8 are the parameter sets, 5 is a picture on its own
(a key frame), 1 a picture that builds on those before it.

    valkka camera &
    python3 lesson_01a_receive.py [ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.core import InfoFrameFilter, LiveConnectionContext, LiveConnectionType_rtsp, LiveThread

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5

# Graphs are built from their end to their beginning: each part is told where its frames go.
info = InfoFrameFilter("info")

# One LiveThread receives as many cameras as you like.
livethread = LiveThread("live")

# The context says what to receive, over what, under which slot, and where to. The slot is a number of your choice, from
# 1 to 255: wherever several streams meet, it tells them apart.
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, info)
context.request_tcp = True  # through one TCP connection; UDP is the default

livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

time.sleep(seconds)

livethread.stopCall()
print("bye")
