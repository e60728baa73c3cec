"""Trying a camera out: ``python -m valkka.api2.quicktests rtsp://... [seconds]`` shows it in a window."""

import sys
import time

from valkka.api2.chains import BasicFilterchain
from valkka.api2.threads import LiveThread, OpenGLThread


def show(address: str, seconds: float = 20.0) -> None:
    """Shows the stream at an RTSP address, or of an SDP file, for some time. RuntimeError if there is no display."""
    openglthread = OpenGLThread(name="quicktest_gl")
    livethread = LiveThread(name="quicktest_live")
    chain = BasicFilterchain(
        livethread=livethread, openglthread=openglthread, address=address, slot=1, msreconnect=10000
    )
    token = openglthread.connect(slot=1, window_id=openglthread.createWindow())
    chain.decodingOn()
    try:
        time.sleep(seconds)
    finally:
        openglthread.disconnect(token)
        livethread.close()
        chain.close()
        openglthread.close()


def main() -> int:
    """The command; returns its exit status."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        show(sys.argv[1], *(float(argument) for argument in sys.argv[2:]))
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
