"""All of the package but the synchronisation of :mod:`valkka.multiprocess.sync`."""

from valkka.multiprocess.asynchronous import AsyncBackMessageProcess, exclog, exclogmsg
from valkka.multiprocess.context import MainContext
from valkka.multiprocess.duplex import Duplex, getPipes
from valkka.multiprocess.message import MessageObject, to8ByteMessage
from valkka.multiprocess.process import MessageProcess
from valkka.multiprocess.waiting import safe_select

__all__ = [
    "AsyncBackMessageProcess",
    "Duplex",
    "MainContext",
    "MessageObject",
    "MessageProcess",
    "exclog",
    "exclogmsg",
    "getPipes",
    "safe_select",
    "to8ByteMessage",
]
