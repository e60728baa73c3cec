"""Lesson 5a: send a camera to the whole network.

    camera ──▶ LiveThread 1 ──▶ LiveThread 2 ──▶ multicast

A LiveThread can send, too. With multicast the stream is on the network once, however many computers receive it; the
camera has one connection all the time. Receivers need to know what is sent, which a small file tells them.

    valkka camera &
    python3 lesson_05a_multicast.py [ADDRESS [SECONDS]] &
    ffplay -protocol_whitelist file,udp,rtp multicast.sdp
"""

import sys
import time

from valkka.core import (
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveConnectionType_sdp,
    LiveOutboundContext,
    LiveThread,
    setLiveOutPacketBuffermaxSize,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60

group = "224.1.168.91"
port = 50000

setLiveOutPacketBuffermaxSize(95000)  # large enough for a key frame; before sending threads are made

sender = LiveThread("sender")
receiver = LiveThread("receiver")

incoming = LiveConnectionContext(LiveConnectionType_rtsp, address, 2, sender.getFrameFilter())
incoming.request_tcp = True

# Frames of slot 2 that come into the sender go there.
outgoing = LiveOutboundContext(LiveConnectionType_sdp, group, 2, port)
outgoing.ttl = 1  # how many routers it may pass

sender.startCall()
receiver.startCall()

sender.registerOutboundCall(outgoing)
receiver.registerStreamCall(incoming)
receiver.playStreamCall(incoming)

time.sleep(seconds)

receiver.stopStreamCall(incoming)
receiver.deregisterStreamCall(incoming)
sender.deregisterOutboundCall(outgoing)

receiver.stopCall()
sender.stopCall()
print("bye")
