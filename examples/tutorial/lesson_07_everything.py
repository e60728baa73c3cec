"""Lesson 7: everything at once.

                                     ┌▶ file
    camera ──▶ LiveThread 1 ──▶ fork ┼▶ fork ┬▶ LiveThread 2 ──▶ multicast
                                     │       └▶ LiveThread 3 ──▶ RTSP
                                     └▶ AVThread ──▶ fork ┬▶ OpenGLThread ──▶ two windows
                                                          └▶ interval ──▶ scale ──▶ shared memory

One connection to the camera, one decoder; and at the same time the stream is recorded, sent on, shown twice, and
shared with other processes.

    valkka camera &
    python3 lesson_07_everything.py [ADDRESS [SECONDS [FILE [PORT]]]]

Then, in other terminals: lesson_04a_reader.py, `ffplay rtsp://127.0.0.1:8555/garden`, and `ffplay` as in lesson 5a.
"""

import sys
import time

from valkka.core import (
    AVThread,
    FileFrameFilter,
    ForkFrameFilter,
    ForkFrameFilter3,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveConnectionType_sdp,
    LiveOutboundContext,
    LiveThread,
    OpenGLThread,
    RGBShmemFrameFilter,
    SwScaleFrameFilter,
    TimeIntervalFrameFilter,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30
path = sys.argv[3] if len(sys.argv) > 3 else "lesson.mkv"
port = int(sys.argv[4]) if len(sys.argv) > 4 else 8555

slot = 2

# Decoded pictures: to the screen, and to shared memory.
glthread = OpenGLThread("screen")
share = RGBShmemFrameFilter("lesson_4", 10, 480, 270)
scale = SwScaleFrameFilter("scale", 480, 270, share)
interval = TimeIntervalFrameFilter("interval", 1000, scale)
pictures = ForkFrameFilter("pictures", glthread.getFrameFilter(), interval)
avthread = AVThread("decoder", pictures)

# Encoded frames: to the decoder, to a file, and to the net in two ways.
sender = LiveThread("sender")
server = LiveThread("server")
server.setRTSPServer(port)
recorder = FileFrameFilter("recorder")
net = ForkFrameFilter("net", sender.getFrameFilter(), server.getFrameFilter())
packets = ForkFrameFilter3("packets", avthread.getFrameFilter(), recorder, net)

receiver = LiveThread("receiver")
camera = LiveConnectionContext(LiveConnectionType_rtsp, address, slot, packets)
camera.request_tcp = True

glthread.startCall()
avthread.startCall()
sender.startCall()
server.startCall()
receiver.startCall()

windows = [glthread.createWindow() for _ in range(2)]
for window in windows:
    glthread.newRenderGroupCall(window)
mappings = [glthread.newRenderContextCall(slot, window, 0) for window in windows]

receiver.registerStreamCall(camera)
receiver.playStreamCall(camera)
avthread.decodingOnCall()
recorder.activate(path)

# What sends knows what a stream is like: it may be told later where to send it.
multicast = LiveOutboundContext(LiveConnectionType_sdp, "224.1.168.91", slot, 50000)
multicast.ttl = 1
sender.registerOutboundCall(multicast)
garden = LiveOutboundContext(LiveConnectionType_rtsp, "garden", slot, 0)
server.registerOutboundCall(garden)
print("all is running")

time.sleep(seconds)

recorder.deActivate()
for mapping in mappings:
    glthread.delRenderContextCall(mapping)
for window in windows:
    glthread.delRenderGroupCall(window)
avthread.decodingOffCall()
sender.deregisterOutboundCall(multicast)
server.deregisterOutboundCall(garden)

receiver.stopCall()
sender.stopCall()
server.stopCall()
avthread.stopCall()
glthread.stopCall()
print("recorded", path)
