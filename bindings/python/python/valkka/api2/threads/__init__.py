"""Threads that are started when they are made.

Each takes keyword arguments, which become its attributes, and has the thread of level 1 as ``core``. It runs until
``close``, or until it is collected.
"""

from valkka.api2.threads.base import CoreThread, Namespace
from valkka.api2.threads.file import FileThread
from valkka.api2.threads.live import LiveThread
from valkka.api2.threads.opengl import OpenGLThread
from valkka.api2.threads.usb import USBDeviceThread
from valkka.core import ValkkaXInitThreads

__all__ = ["CoreThread", "FileThread", "LiveThread", "Namespace", "OpenGLThread", "USBDeviceThread"]

ValkkaXInitThreads()
