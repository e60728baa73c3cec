"""Lesson 11c: look into a recording.

This is for finding out what is wrong: the parameters, the table, and what is in a block. Frames with which playing can
begin are marked by an asterisk.

    python3 lesson_11a_record.py
    python3 lesson_11c_inspect.py [DIRECTORY [BLOCK]]
"""

import sys

from valkka.core import ValkkaFSTool
from valkka.fs import ValkkaFSLoadError, ValkkaSingleFS

directory = sys.argv[1] if len(sys.argv) > 1 else "lesson_recording"
block = int(sys.argv[2]) if len(sys.argv) > 2 else 0

try:
    valkkafs = ValkkaSingleFS.loadFromDirectory(directory)
except ValkkaFSLoadError as error:
    sys.exit(f"this is no recording: {error}")

valkkafs.report()
valkkafs.core.reportTable()

tool = ValkkaFSTool(valkkafs.core)
tool.dumpBlock(block)
