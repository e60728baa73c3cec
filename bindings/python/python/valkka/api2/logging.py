"""How much is printed."""

import logging as _standard
from typing import Any

from valkka import core
from valkka.core import (
    crazy_log_all,
    debug_log_all,
    fatal_log_all,
    ffmpeg_av_log_set_level,
    normal_log_all,
    setLogLevel_avthreadlogger,
    setLogLevel_decoderlogger,
    setLogLevel_fifologger,
    setLogLevel_filelogger,
    setLogLevel_filethreadlogger,
    setLogLevel_filterlogger,
    setLogLevel_framelogger,
    setLogLevel_livelogger,
    setLogLevel_livethreadlogger,
    setLogLevel_opengllogger,
    setLogLevel_threadlogger,
    setLogLevel_usblogger,
    setLogLevel_valkkafslogger,
)

# No `__all__` here: programs also take `core` from this module by a star import.

loglevel_silent = 0
loglevel_normal = 1
loglevel_debug = 2
loglevel_crazy = 3
loglevel_nuts = 4

# What is called for all of Valkka's own loggers, and the level of FFmpeg's.
_LEVELS = {
    loglevel_silent: (fatal_log_all, -8),
    loglevel_normal: (normal_log_all, 8),
    loglevel_debug: (debug_log_all, 8),
    loglevel_crazy: (debug_log_all, 32),
    loglevel_nuts: (crazy_log_all, 32),
}


def setFFmpegLogLevel(i: int) -> None:
    """Sets how much FFmpeg prints, from -8 (nothing) to 56 (all)."""
    ffmpeg_av_log_set_level(i)


def setValkkaLogLevel(i: int = loglevel_normal) -> None:
    """Sets how much all of Valkka prints: one of the ``loglevel_`` numbers; AssertionError for any other."""
    if i not in _LEVELS:
        raise AssertionError("Invalid loglevel")
    set_all, ffmpeg_level = _LEVELS[i]
    set_all()
    setFFmpegLogLevel(ffmpeg_level)


def __getattr__(name: str) -> Any:
    # After `from valkka.api2 import *`, `logging` is this module; to a program it may be Python's.
    if name.startswith("__") or not hasattr(_standard, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_standard, name)
