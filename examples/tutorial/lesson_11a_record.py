"""Lesson 11a: record a camera into ValkkaFS.

    camera ──▶ LiveThread ──▶ ValkkaFSWriterThread ──▶ a directory

A Matroska file has to end some day; ValkkaFS is for recordings that go on for months. All of its room is reserved in
the beginning and divided into blocks, which are written one after the other; when all are full, the oldest is written
again. A table has two times for each block: that of its first key frame, where playing can begin, and that of its last
frame. Lessons 11b to 11e read what is recorded here; they can do so at any time, also while it is being recorded.

    valkka camera &
    python3 lesson_11a_record.py [ADDRESS [SECONDS [DIRECTORY]]]
"""

import sys
import time

from valkka.core import LiveConnectionContext, LiveConnectionType_rtsp, LiveThread, ValkkaFSWriterThread
from valkka.fs import ValkkaSingleFS, formatMstimeTuple

address = sys.argv[1] if len(sys.argv) > 1 else "rtsp://127.0.0.1:8554/cam1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20
directory = sys.argv[3] if len(sys.argv) > 3 else "lesson_recording"

# A recording of one stream; ValkkaMultiFS holds many. What was in the directory before is lost. A block of 128
# kilobytes is about two seconds of this camera: choose larger ones, so that a block holds half a minute or so.
valkkafs = ValkkaSingleFS.newFromDirectory(dirname=directory, blocksize=128 * 1024, n_blocks=20)


def closed():
    # From the thread that writes: be quick here.
    print("a block is full; recorded:", formatMstimeTuple(valkkafs.getTimeRange()))


valkkafs.setBlockCallback(closed)

# The thread is given the object of level 1. A recording knows its streams by ids, which are numbers of your choice:
# what comes with slot 1 is recorded as stream 925412.
writerthread = ValkkaFSWriterThread("writer", valkkafs.core)
writerthread.setSlotIdCall(1, 925412)

livethread = LiveThread("live")
context = LiveConnectionContext(LiveConnectionType_rtsp, address, 1, writerthread.getFrameFilter())
context.request_tcp = True

writerthread.startCall()
livethread.startCall()
livethread.registerStreamCall(context)
livethread.playStreamCall(context)

time.sleep(seconds)

# The block that is being written is in the table when it is full, or when this is called.
valkkafs.core.updateTable(disk_write=True)
print("the table: key frame, last frame")
print(valkkafs.getBlockTable())

livethread.stopCall()
writerthread.stopCall()
print("recorded", directory)
