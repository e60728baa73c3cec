"""Lesson 2: decode.

    camera ──▶ LiveThread ──▶ AVThread ──▶ info

An AVThread turns encoded frames into pictures, in a thread of its own: between the LiveThread and the AVThread is a
queue, of which the LiveThread sees the input, a filter. What you see are AVBitmapFrames: their height and width, and
the first bytes of their three planes (Y, U and V).

    valkka camera &
    python3 lesson_02_decode.py [ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.core import AVThread, InfoFrameFilter, LiveConnectionContext, LiveConnectionType_rtsp, LiveThread

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5

info = InfoFrameFilter("info")
avthread = AVThread("decoder", info)

livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, avthread.getFrameFilter())
context.request_tcp = True

avthread.startCall()
livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

# Decoding is what costs most: a decoder does nothing until it is asked to.
avthread.decodingOnCall()

time.sleep(seconds)

avthread.decodingOffCall()
livethread.stopCall()
avthread.stopCall()
print("bye")
