"""Lesson 4a: read pictures that another process shares, and give them to OpenCV; level 2.

    python3 lesson_04a_opencv.py [COUNT]

Ends after COUNT pictures. Without a screen (or without the part of OpenCV that opens windows) it says what it sees.
"""

import os
import sys

import cv2

from valkka.api2 import ShmemRGBClient

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10

client = ShmemRGBClient(
    name="lesson_4",
    n_ringbuffer=10,
    width=480,
    height=270,
    mstimeout=2000,
)


def show(picture):
    """Shows it in a window, if there can be one."""
    if "DISPLAY" in os.environ:
        try:
            cv2.imshow("lesson 4", picture)
            cv2.waitKey(1)
        except cv2.error:
            del os.environ["DISPLAY"]


while count > 0:
    index, meta = client.pullFrame()
    if index is None:
        print("timeout")
        continue
    view = client.shmem_list[index][0 : meta.size]
    picture = view.reshape((meta.height, meta.width, 3))
    blurred = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (21, 21), 0)
    print(f"slot {meta.slot} at {meta.mstimestamp} ms: {picture.shape}, brightness {blurred.mean():.1f}")
    show(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    count -= 1
