"""Processes that exchange messages with the program that starts them.

A :class:`MessageProcess` has a *frontend*, the methods that the main process calls, and a *backend*, the methods whose
names end in ``__`` or start with ``c__``, which run in a process of their own. A frontend method sends a
:class:`MessageObject`; the backend calls its method ``c__<command>`` with the message's arguments::

    class Doubler(MessageProcess):

        def double(self, number):                     # frontend
            self.sendMessageToBack(MessageObject("double", number=number))

        def c__double(self, number=0):                # backend
            self.send_out__(MessageObject("doubled", number=2 * number))

    doubler = Doubler("doubler")
    doubler.start()
    doubler.double(21)
    print(doubler.getPipe().recv()["number"])
    doubler.stop()

Processes are forked: make and start them before any thread, and before anything of ``valkka.core`` is started. What is
made before the fork (events, pipes) is there on both sides.

This package needs nothing but Python's own library.
"""

from valkka.multiprocess.base import *
from valkka.multiprocess.base import __all__ as _base
from valkka.multiprocess.sync import *
from valkka.multiprocess.sync import __all__ as _sync

__version__ = "1.6.1"

__all__ = [*_base, *_sync]
