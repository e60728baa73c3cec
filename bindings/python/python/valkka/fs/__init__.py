"""Recordings: which blocks hold a time, which partitions they can be kept on, and how their times are shown."""

from valkka.api2.exceptions import ValkkaFSLoadError
from valkka.fs.tools import *
from valkka.fs.tools import __all__ as _tools

__all__ = [*_tools, "ValkkaFSLoadError"]
