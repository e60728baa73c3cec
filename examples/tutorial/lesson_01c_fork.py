"""Lesson 1c: a fork, a gate and a file.

    camera ──▶ LiveThread ──▶ fork ┬▶ gate ──▶ info
                                   └▶ file

A fork hands each frame to two chains; nothing is copied. A gate lets frames through only while it is open. A file
filter writes what passes into a Matroska file that any player plays, without decoding it.

    valkka camera &
    python3 lesson_01c_fork.py [ADDRESS [SECONDS [FILE]]]
"""

import sys
import time

from valkka.core import (
    FileFrameFilter,
    ForkFrameFilter,
    GateFrameFilter,
    InfoFrameFilter,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 6
path = sys.argv[3] if len(sys.argv) > 3 else "lesson.mkv"

info = InfoFrameFilter("info")
gate = GateFrameFilter("gate", info)
recorder = FileFrameFilter("recorder")
fork = ForkFrameFilter("fork", gate, recorder)

livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, fork)
context.request_tcp = True

livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

print("the gate is closed: nothing is shown")
time.sleep(seconds / 3)

print("the gate is open, and a file is recorded")
gate.set()
recorder.activate(path)
time.sleep(seconds / 3)

gate.unSet()
print("the gate is closed again")
time.sleep(seconds / 3)

# From here on the file is complete.
recorder.deActivate()
livethread.stopCall()
print("recorded", path)
