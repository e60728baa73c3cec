"""Lesson 6: record a file and play it.

    camera ──▶ LiveThread ──▶ file
    file ──▶ FileThread ──▶ AVThread ──▶ OpenGLThread ──▶ window

A FileThread plays files into a graph as a LiveThread plays cameras, and can seek, pause and go on. Playing takes as
long as recording.

    valkka camera &
    python3 lesson_06_file.py [ADDRESS [SECONDS [FILE]]]
"""

import sys
import time

from valkka.core import (
    AVThread,
    FileContext,
    FileFrameFilter,
    FileState_error,
    FileThread,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
    OpenGLThread,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
path = sys.argv[3] if len(sys.argv) > 3 else "lesson.mkv"

# Part one: record.
recorder = FileFrameFilter("recorder")
livethread = LiveThread("live")
camera = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, recorder)
camera.request_tcp = True

livethread.startCall()
livethread.registerStreamCall(camera)
livethread.playStreamCall(camera)

print(f"recording for {seconds} s")
recorder.activate(path)
time.sleep(seconds)
recorder.deActivate()
livethread.stopCall()

# Part two: play.
glthread = OpenGLThread("screen")
avthread = AVThread("decoder", glthread.getFrameFilter())
filethread = FileThread("file")

glthread.startCall()
avthread.startCall()
filethread.startCall()
avthread.decodingOnCall()

window = glthread.createWindow()
glthread.newRenderGroupCall(window)
mapping = glthread.newRenderContextCall(1, window, 0)

# A file can be read faster than it is decoded: the blocking input has the FileThread wait for the decoder.
recording = FileContext(path, 1, avthread.getBlockingFrameFilter())
filethread.openFileStreamCall(recording)
if recording.status == FileState_error:
    sys.exit(f"cannot play {path}")
print(f"opened {path}: {recording.duration} ms")

print("seeking to 2 s")
recording.seektime_ = 2000
filethread.seekFileStreamCall(recording)
time.sleep(seconds / 6)

print("playing")
filethread.playFileStreamCall(recording)
time.sleep(seconds / 3)

print("paused")
filethread.stopFileStreamCall(recording)
time.sleep(seconds / 6)

print("playing")
filethread.playFileStreamCall(recording)
time.sleep(seconds / 3)

filethread.closeFileStreamCall(recording)
glthread.delRenderContextCall(mapping)
glthread.delRenderGroupCall(window)
avthread.decodingOffCall()

filethread.stopCall()
avthread.stopCall()
glthread.stopCall()
print("bye")
