"""Lesson 3a: show a camera.

    camera ──▶ LiveThread ──▶ AVThread ──▶ OpenGLThread ──▶ window

An OpenGLThread shows the pictures of all cameras in all windows. It keeps them for a moment (its buffering time) so
that what arrives unevenly is shown evenly.

    valkka camera &
    python3 lesson_03a_window.py [ADDRESS [SECONDS]]
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

# From the end of the graph to its beginning.
glthread.startCall()
avthread.startCall()
livethread.startCall()

livethread.registerStreamCall(context)
livethread.playStreamCall(context)
avthread.decodingOnCall()

# A window of ours. Any other X window does as well, of this process or of another one: all that is needed is its id.
window = glthread.createWindow()
glthread.newRenderGroupCall(window)

# "Pictures of slot 1 go into this window." The last number is not used.
mapping = glthread.newRenderContextCall(1, window, 0)

time.sleep(seconds)

glthread.delRenderContextCall(mapping)
glthread.delRenderGroupCall(window)
avthread.decodingOffCall()

# From the beginning of the graph to its end.
livethread.stopCall()
avthread.stopCall()
glthread.stopCall()
print("bye")
