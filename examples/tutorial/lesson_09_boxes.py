"""Lesson 9: draw boxes over the video.

What machine vision has found is drawn over the picture where it is shown; the stream itself is not changed. Corners are
given as fractions of the picture: x from left to right, y from the bottom to the top.

    valkka camera &
    python3 lesson_09_boxes.py [ADDRESS [SECONDS]]
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

window = glthread.createWindow()
glthread.newRenderGroupCall(window)
mapping = glthread.newRenderContextCall(1, window, 0)

print("one box")
glthread.addRectangleCall(mapping, 0.25, 0.75, 0.75, 0.25)  # left, right, top, bottom
time.sleep(seconds / 3)

print("two boxes")
glthread.addRectangleCall(mapping, 0.4, 0.6, 0.6, 0.4)
time.sleep(seconds / 3)

print("no boxes")
glthread.clearObjectsCall(mapping)
time.sleep(seconds / 3)

livethread.stopCall()
avthread.stopCall()
glthread.stopCall()
print("bye")
