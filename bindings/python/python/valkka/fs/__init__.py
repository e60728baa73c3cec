"""Recordings: made, written and played at the same time, several of them in step.

::

    from valkka.fs import ValkkaFSManager, ValkkaSingleFS

    recording = ValkkaSingleFS.newFromDirectory(dirname="garden", blocksize=4 << 20, n_blocks=1000)
    manager = ValkkaFSManager([recording])
    manager.map_(valkkafs=recording, write_slot=1, read_slot=101, _id=1, framefilter=decoder.getFrameFilter())
    manager.start()
    # Frames of slot 1 go into manager.getInputFilter().
    manager.seek(mstimestamp)
    manager.play()
    manager.close()

Which blocks of a recording hold a time says ``valkka.fs.selection``; ``valkka.fs.tools`` shows times, and finds the
partitions that are set aside for recordings.
"""

from valkka.api2.exceptions import ValkkaFSLoadError
from valkka.fs.group import FSGroup
from valkka.fs.manager import ValkkaFSManager
from valkka.fs.multi import ValkkaMultiFS
from valkka.fs.single import ValkkaSingleFS
from valkka.fs.tools import *
from valkka.fs.tools import __all__ as _tools

__all__ = [*_tools, "FSGroup", "ValkkaFSLoadError", "ValkkaFSManager", "ValkkaMultiFS", "ValkkaSingleFS"]
