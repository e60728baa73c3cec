"""Lesson 11b: read a recording.

    a directory ──▶ ValkkaFSReaderThread ──▶ InfoFrameFilter

A reader is told which blocks to read, and writes their frames into a filter as fast as it can, between two marks that
tell where such a transmission begins and ends. Which blocks those are, the table says.

    python3 lesson_11a_record.py
    python3 lesson_11b_read.py [DIRECTORY [SECONDS]]
"""

import sys
import time

from valkka.core import InfoFrameFilter, ValkkaFSReaderThread
from valkka.fs import ValkkaSingleFS

directory = sys.argv[1] if len(sys.argv) > 1 else "lesson_recording"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1

valkkafs = ValkkaSingleFS.loadFromDirectory(directory)

info = InfoFrameFilter("info")
readerthread = ValkkaFSReaderThread("reader", valkkafs.core, info)
# Stream 925412 of the recording comes out with slot 2; other streams would be left out.
readerthread.setSlotIdCall(2, 925412)
readerthread.startCall()

timerange = valkkafs.getTimeRange()
if timerange is None:
    sys.exit(f"nothing is recorded in {directory}")
first, last = timerange
print(f"recorded: {(last - first) / 1000} s")

# The blocks with the second half of the recording, in the order of their times.
blocks = valkkafs.getInd(((first + last) // 2, last))
print("reading blocks", blocks)
readerthread.pullBlocksPyCall(blocks)
time.sleep(seconds)

readerthread.stopCall()
print("bye")
