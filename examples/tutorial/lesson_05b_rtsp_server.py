"""Lesson 5b: serve a camera by RTSP.

    camera ──▶ LiveThread 1 ──▶ LiveThread 2 ──▶ any number of viewers

The camera has one connection, the server has as many as there are viewers.

    valkka camera &
    python3 lesson_05b_rtsp_server.py [ADDRESS [SECONDS [PORT]]] &
    ffplay rtsp://127.0.0.1:8555/garden
"""

import sys
import time

from valkka.core import (
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveOutboundContext,
    LiveThread,
    setLiveOutPacketBuffermaxSize,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
port = int(sys.argv[3]) if len(sys.argv) > 3 else 8555

setLiveOutPacketBuffermaxSize(95000)

server = LiveThread("server")
server.setRTSPServer(port)
receiver = LiveThread("receiver")

incoming = LiveConnectionContext(LiveConnectionType_rtsp, address, 2, server.getFrameFilter())
incoming.request_tcp = True

# Frames of slot 2 that come into the server are at rtsp://this-machine:port/garden. The last number is not used.
outgoing = LiveOutboundContext(LiveConnectionType_rtsp, "garden", 2, 0)

server.startCall()
receiver.startCall()

server.registerOutboundCall(outgoing)
receiver.registerStreamCall(incoming)
receiver.playStreamCall(incoming)
print(f"serving rtsp://127.0.0.1:{port}/garden")

time.sleep(seconds)

receiver.stopStreamCall(incoming)
receiver.deregisterStreamCall(incoming)
server.deregisterOutboundCall(outgoing)

receiver.stopCall()
server.stopCall()
print("bye")
