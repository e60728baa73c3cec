"""Level 2 of Valkka: threads that start when they are made, chains of filters, and frames in other processes.

::

    from valkka.api2 import BasicFilterchain, LiveThread, OpenGLThread

    openglthread = OpenGLThread(name="gl")
    livethread = LiveThread(name="live")
    chain = BasicFilterchain(
        livethread=livethread, openglthread=openglthread, address="rtsp://user:password@192.168.0.10", slot=1
    )
    token = openglthread.connect(slot=1, window_id=openglthread.createWindow())
    chain.decodingOn()

All constructors take keyword arguments of exact classes: AttributeError for others.
"""

# Before the others, since it brings Python's own `logging`; here that is to be our module of this name.
from valkka.api2.tools import *  # isort: skip

# Programs take these from here.
import copy
import inspect
import json
import os
import sys
import traceback
import types

from valkka import core
from valkka.api2 import chains, logging, multiprocess, shmem, threads, tools, valkkafs
from valkka.api2.chains import *
from valkka.api2.chains import __all__ as _chains
from valkka.api2.exceptions import ValkkaFSLoadError
from valkka.api2.logging import *
from valkka.api2.multiprocess import ValkkaProcess, ValkkaShmemRGBProcess, safe_select
from valkka.api2.shmem import *
from valkka.api2.shmem import __all__ as _shmem
from valkka.api2.threads import *
from valkka.api2.threads import __all__ as _threads
from valkka.api2.valkkafs import *
from valkka.api2.valkkafs import __all__ as _valkkafs
from valkka.core import get_numpy_version, numpy_version_ok

__all__ = [
    *["chains", "core", "logging", "multiprocess", "shmem", "threads", "tools", "valkkafs"],
    *_chains,
    *_shmem,
    *_threads,
    *_valkkafs,
    *["ValkkaProcess", "ValkkaShmemRGBProcess", "safe_select", "ValkkaFSLoadError"],
    *["get_numpy_version", "numpy_version_ok", "raise_numpy_version", "warn_numpy_version"],
    *["loglevel_silent", "loglevel_normal", "loglevel_debug", "loglevel_crazy", "loglevel_nuts"],
    *["setFFmpegLogLevel", "setValkkaLogLevel"],
    *["getLogger", "setLogger", "loggers", "is_py3", "import_file", "get_system_numpy", "getH264V4l2"],
    *["getModulePath", "getDataPath", "getDataFile", "getTestDataPath", "getTestDataFile"],
    *["typeCheck", "dictionaryCheck", "objectCheck", "parameterInitCheck", "noCheck", "gen_getter", "generateGetters"],
]


def raise_numpy_version() -> None:
    """Raises a RuntimeError that says which numpy is there, and which is needed."""
    raise RuntimeError(numpy_message())


def warn_numpy_version() -> None:
    """Prints which numpy is there, and which is needed."""
    print(numpy_message())


def numpy_message() -> str:
    """Returns which numpy is there, and which is needed."""
    import numpy

    return f"numpy is {numpy.__version__}, but this was made for {get_numpy_version()}"


logging.setValkkaLogLevel()
