"""Lesson 3b: one camera in several windows.

    camera ──▶ LiveThread ──▶ AVThread ──▶ OpenGLThread ┬▶ window
                                                        ├▶ window
                                                        └▶ window

The stream is received once and decoded once, however many windows show it.

    valkka camera &
    python3 lesson_03b_windows.py [ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.core import AVThread, LiveConnectionContext, LiveConnectionType_rtsp, LiveThread, OpenGLThread

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10

glthread = OpenGLThread("screen")
avthread = AVThread("decoder", glthread.getFrameFilter())
livethread = LiveThread("live")

context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, avthread.getFrameFilter())
context.request_tcp = True

glthread.startCall()
avthread.startCall()
livethread.startCall()

livethread.registerStreamCall(context)
livethread.playStreamCall(context)
avthread.decodingOnCall()

mappings = []
windows = []
for _ in range(5):
    window = glthread.createWindow()
    glthread.newRenderGroupCall(window)
    mappings.append(glthread.newRenderContextCall(1, window, 0))
    windows.append(window)

time.sleep(seconds)

for mapping in mappings:
    glthread.delRenderContextCall(mapping)
for window in windows:
    glthread.delRenderGroupCall(window)
avthread.decodingOffCall()

livethread.stopCall()
avthread.stopCall()
glthread.stopCall()
print("bye")
