"""Lesson 4c: fragmented MP4 for browsers and clouds.

    camera ──▶ LiveThread ──▶ mux ──▶ shared memory  · · ▶  this program

Fragmented MP4 is what browsers play while it still comes in. A mux filter packs the encoded video into it, without
decoding: first the boxes ftyp and moov, which every player needs first, then for each picture a moof and an mdat.
Here they go through shared memory to a reader in the same program, which could as well be another process.

    valkka camera &
    python3 lesson_04c_fragments.py [ADDRESS [COUNT [FILE]]]

With FILE, the boxes are written into it: it can be played.
"""

import sys

from valkka.api2 import FragMP4ShmemClient
from valkka.core import (
    FragMP4MuxFrameFilter,
    FragMP4ShmemFrameFilter,
    LiveConnectionContext,
    LiveConnectionType_rtsp,
    LiveThread,
)

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
path = sys.argv[3] if len(sys.argv) > 3 else None

name = "lesson_4c"
cells = 512  # ten seconds of pictures, two boxes each; a server may begin with some that it has kept
cell_bytes = 1024 * 1024  # the largest box

share = FragMP4ShmemFrameFilter(name, cells, cell_bytes)
mux = FragMP4MuxFrameFilter("mux", share)
mux.activate()

livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, mux)
context.request_tcp = True

client = FragMP4ShmemClient(name=name, n_ringbuffer=cells, n_size=cell_bytes, mstimeout=2000)

livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

file = open(path, "wb") if path else None
while count > 0:
    index, meta = client.pullFrame()
    if index is None:
        print("timeout")
        continue
    box = client.shmem_list[index][0 : meta.size]
    start = ", a key frame" if meta.is_first else ""
    print(f"{meta.name.decode('utf-8')}: {meta.size} bytes of slot {meta.slot} at {meta.mstimestamp} ms{start}")
    if file:
        file.write(box)
    count -= 1

if file:
    file.close()
mux.deActivate()
livethread.stopCall()
print("bye")
