"""Lesson 4a: read pictures that another process shares; level 1.

    python3 lesson_04a_reader.py [COUNT]

Ends after COUNT pictures.
"""

import sys

from valkka.core import SharedMemRingBufferRGB

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10

name = "lesson_4"
width, height = 480, 270
cells = 10
patience_ms = 2000  # for a picture, before a pull gives up

ring = SharedMemRingBufferRGB(name, cells, width, height, patience_ms, False)  # False: we read
views = ring.getBufferListPy()

while count > 0:
    index, size, width, height, slot, mstimestamp = ring.clientPullPy()
    if index < 0:
        print("timeout")
        continue
    # A view of the shared memory: no copy is made. It stays as it is for the next few pulls.
    picture = views[index][0:size].reshape((height, width, 3))
    print(f"slot {slot} at {mstimestamp} ms: {picture.shape}, mean colour {picture.mean(axis=(0, 1)).round()}")
    count -= 1
