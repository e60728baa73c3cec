"""Lesson 8: level 2.

Level 2 packs what the lessons so far wired by hand: a filter chain is one object that connects to a camera, decodes it
and shows it. Threads start when they are made and end when they are closed.

    valkka camera &
    python3 lesson_08_level_2.py [ADDRESS [SECONDS]]
"""

import sys
import time

from valkka.api2 import BasicFilterchain, LiveThread, OpenGLThread

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10

livethread = LiveThread(name="live")
openglthread = OpenGLThread(name="screen")

chain = BasicFilterchain(
    livethread=livethread,
    openglthread=openglthread,
    address=address,
    slot=1,
    msreconnect=5000,  # a camera that is silent for so long is connected to anew
)

window = openglthread.createWindow(show=True)
token = openglthread.connect(slot=1, window_id=window)
chain.decodingOn()

time.sleep(seconds)

chain.decodingOff()
openglthread.disconnect(token)

chain.close()
livethread.close()
openglthread.close()
print("bye")
