"""Lesson 11d: export a recording into a Matroska file.

    a directory ──▶ ValkkaFSReaderThread ──▶ PassSlot ──▶ InitStream ──▶ file

What is recorded has the times of its recording, and so has the file: nothing is decoded, and it takes as long as the
disk needs. `valkka export` does the same from the command line, and more.

    python3 lesson_11a_record.py
    python3 lesson_11d_export.py [DIRECTORY [FILE]]
"""

import os
import sys
import time

from valkka.core import FileFrameFilter, InitStreamFrameFilter, PassSlotFrameFilter, ValkkaFSReaderThread
from valkka.fs import ValkkaSingleFS

directory = sys.argv[1] if len(sys.argv) > 1 else "lesson_recording"
path = sys.argv[2] if len(sys.argv) > 2 else "lesson.mkv"

valkkafs = ValkkaSingleFS.loadFromDirectory(directory)
timerange = valkkafs.getTimeRange()
if timerange is None:
    sys.exit(f"nothing is recorded in {directory}")

recorder = FileFrameFilter("recorder")
# A camera announces its stream before its first frame; a reader does not, and this filter does it in its place.
announce = InitStreamFrameFilter("announce", recorder)
# A file is of one stream: what has another slot ends here.
only = PassSlotFrameFilter("only", 2, announce)

readerthread = ValkkaFSReaderThread("reader", valkkafs.core, only)
readerthread.setSlotIdCall(2, 925412)
readerthread.startCall()

recorder.activate(path)
readerthread.pullBlocksPyCall(valkkafs.getInd(timerange))
# The file is there with the first frame, and all have come when it grows no more.
size = 0
while not os.path.exists(path) or size != os.path.getsize(path):
    size = os.path.getsize(path) if os.path.exists(path) else 0
    time.sleep(2)

readerthread.stopCall()
# From here on the file is complete.
recorder.deActivate()
print("exported", path)
