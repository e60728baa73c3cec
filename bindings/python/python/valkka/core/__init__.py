"""Level 1 of Valkka: threads, frame filters and contexts, wired by hand.

What is imported from here with `*` are all classes, functions and numbers of this level, this module as `core`, and
`os`, as programs expect.
"""

import os
import sys as _sys

# Drivers read these when they are loaded, which is later.
if "VALKKA_LIBVA_DRIVER_NAME" in os.environ:
    os.environ["LIBVA_DRIVER_NAME"] = os.environ["VALKKA_LIBVA_DRIVER_NAME"]
    if os.environ["LIBVA_DRIVER_NAME"] != "i965":
        print("valkka: the VAAPI driver is", os.environ["LIBVA_DRIVER_NAME"], "instead of i965", file=_sys.stderr)
else:
    os.environ.setdefault("LIBVA_DRIVER_NAME", "i965")
os.environ["vblank_mode"] = "0"  # noqa: SIM112 (its name)
os.environ["__GL_SYNC_TO_VBLANK"] = "0"

if os.environ.get("XDG_SESSION_TYPE") != "x11":
    print("valkka: this is no X11 session (XDG_SESSION_TYPE): windows may not show", file=_sys.stderr)

try:
    from valkka.core.valkka_core import *
except ImportError as _error:
    if "shared object file" in str(_error):
        raise ImportError(
            f"{_error}; this wheel was built with another FFmpeg than there is here, if any: install that of the "
            "distribution it was built on (Debian 12: libavformat59 libswscale6), or build the wheel here"
        ) from _error
    raise

__version__ = "1.6.1"

core = _sys.modules[__name__]
