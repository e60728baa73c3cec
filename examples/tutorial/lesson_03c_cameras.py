"""Lesson 3c: several cameras.

    camera 1 ──▶ LiveThread ┬▶ AVThread 1 ──▶ OpenGLThread ┬▶ window 1
    camera 2 ──▶            └▶ AVThread 2 ──▶              └▶ window 2

One LiveThread receives all cameras and one OpenGLThread shows them all; each stream has a decoder of its own, and a
slot by which the OpenGLThread tells them apart.

    valkka camera --count 2 &
    python3 lesson_03c_cameras.py [ADDRESS ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.core import AVThread, LiveConnectionContext, LiveConnectionType_rtsp, LiveThread, OpenGLThread

addresses = sys.argv[1:3] or ["rtsp://127.0.0.1:8554/cam1", "rtsp://127.0.0.1:8554/cam2"]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10

glthread = OpenGLThread("screen")
livethread = LiveThread("live")
glthread.startCall()
livethread.startCall()

decoders = []
for slot, address in enumerate(addresses, start=1):
    avthread = AVThread(f"decoder {slot}", glthread.getFrameFilter())
    context = LiveConnectionContext(LiveConnectionType_rtsp, address, slot, avthread.getFrameFilter())
    context.request_tcp = True

    avthread.startCall()
    avthread.decodingOnCall()
    livethread.registerStreamCall(context)
    livethread.playStreamCall(context)
    decoders.append(avthread)

    window = glthread.createWindow()
    glthread.newRenderGroupCall(window)
    glthread.newRenderContextCall(slot, window, 0)

time.sleep(seconds)

# Threads may be stopped in any order.
glthread.stopCall()
for avthread in decoders:
    avthread.stopCall()
livethread.stopCall()
print("bye")
