"""Chains of filters from a stream to where it is wanted.

A chain receives a stream as soon as it is made, decodes it between ``decodingOn`` and ``decodingOff``, and ends with
``close``, or when it is collected. All parameters are given by keyword and become attributes.

Subclasses replace a step of a chain: ``makeChain`` makes the filters and the decoder, ``createContext`` and
``closeContext`` begin and end the stream, ``startThreads`` and ``stopThreads`` run the decoder.
"""

from valkka.api2.chains.base import Filterchain
from valkka.api2.chains.basic import BasicFilterchain, ShmemFilterchain
from valkka.api2.chains.basic1 import BasicFilterchain1, ShmemFilterchain1
from valkka.api2.chains.basic2 import OpenFilterchain
from valkka.api2.chains.manager import ManagedFilterchain, ManagedFilterchain2
from valkka.api2.chains.manager3 import LiveManagedFilterchain, ManagedFilterchain3, USBManagedFilterchain
from valkka.api2.chains.port import BitmapPort, ViewPort
from valkka.api2.chains.valkkafs import ValkkaFSFileFilterchain, ValkkaFSLiveFilterchain

__all__ = [
    "BasicFilterchain",
    "BasicFilterchain1",
    "BitmapPort",
    "Filterchain",
    "LiveManagedFilterchain",
    "ManagedFilterchain",
    "ManagedFilterchain2",
    "ManagedFilterchain3",
    "OpenFilterchain",
    "ShmemFilterchain",
    "ShmemFilterchain1",
    "USBManagedFilterchain",
    "ValkkaFSFileFilterchain",
    "ValkkaFSLiveFilterchain",
    "ViewPort",
]
