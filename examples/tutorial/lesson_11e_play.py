"""Lesson 11e: play a recording.

    a directory ──▶ ValkkaFSReaderThread ──▶ FileCacheThread ──▶ BriefInfoFrameFilter

A reader is as fast as the disk. A FileCacheThread keeps what it reads in memory, and plays it in real time: it can
seek, pause and go on. A decoder in the place of the filter would show the video, as in lesson 6.

Here the blocks around the beginning are read once. What plays longer has to read on from the callback; valkka.fs has
an FSGroup that does so, and a ValkkaFSManager that plays several recordings in step.

    python3 lesson_11a_record.py
    python3 lesson_11e_play.py [DIRECTORY [SECONDS]]
"""

import sys
import threading
import time

from valkka.core import BriefInfoFrameFilter, FileCacheThread, FileStreamContext, ValkkaFSReaderThread
from valkka.fs import ValkkaSingleFS, formatMstimeTuple

directory = sys.argv[1] if len(sys.argv) > 1 else "lesson_recording"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5

valkkafs = ValkkaSingleFS.loadFromDirectory(directory)
timerange = valkkafs.getTimeRange()
if timerange is None:
    sys.exit(f"nothing is recorded in {directory}")
first, last = timerange

read = threading.Event()


def at(mstime):
    # Once a second, from the cache's thread; 0 means that it is nowhere.
    if mstime > 0:
        print(f"current time: {(mstime - first) / 1000} s")


def within(limits):
    print("in memory:", formatMstimeTuple(limits))
    read.set()


cachethread = FileCacheThread("cache")
cachethread.setPyCallback(at)
cachethread.setPyCallback2(within)

# What the reader gives slot 2 is played into this filter. Each frame is stamped with the time at which it is played.
context = FileStreamContext(2, BriefInfoFrameFilter("played"))
cachethread.registerStreamCall(context)

readerthread = ValkkaFSReaderThread("reader", valkkafs.core, cachethread.getFrameFilter())
readerthread.setSlotIdCall(2, 925412)

cachethread.startCall()
readerthread.startCall()

# Where to begin, and the blocks around it.
begin = first + 500
cachethread.seekStreamsCall(begin)
readerthread.pullBlocksPyCall(valkkafs.getIndNeigh(n=3, time=begin))
if not read.wait(10):
    sys.exit("nothing was read")

print("playing")
cachethread.playStreamsCall()
time.sleep(seconds * 2 / 3)

print("paused")
cachethread.stopStreamsCall()
time.sleep(seconds / 3)

readerthread.stopCall()
cachethread.stopCall()
print("bye")
