"""Video in windows."""

from __future__ import annotations

import os
import threading
from typing import Any, ClassVar

from valkka import core
from valkka.api2.background import LOGO
from valkka.api2.threads.base import CoreThread
from valkka.api2.tools import getDataFile, getDataPath

# Where the picture would be if it were delivered with the package; it is drawn when it is used.
BACKGROUND = os.path.join(getDataPath(), LOGO)


class OpenGLThread(CoreThread):
    """Shows video in X windows, its own and those of other programs' parts.

    Pictures are shown ``msbuftime`` milliseconds after they were received; ``background`` is a file with the picture
    that is shown while there are none, 1280 × 720, raw planar YUV 4:2:0; ``x_connection`` is an X display such as
    ":0.1", and else that of the environment. RuntimeError if there is no display.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "name": (str, "gl_thread"),
        "n_720p": (int, 20),
        "n_1080p": (int, 20),
        "n_1440p": (int, 0),
        "n_4K": (int, 0),
        "n_setup": (int, 20),
        "n_signal": (int, 20),
        "flush_when_full": (bool, False),
        "msbuftime": (int, 100),
        "affinity": (int, -1),
        "verbose": (bool, False),
        "background": (str, BACKGROUND),
        "x_connection": (str, ""),
    }

    n_720p: int
    n_1080p: int
    n_1440p: int
    n_4K: int
    n_setup: int
    n_signal: int
    flush_when_full: bool
    msbuftime: int
    background: str
    x_connection: str

    def makeCore(self) -> core.OpenGLThread:
        """Returns a new thread of level 1, not started."""
        # What is connected: the windows with the number of their connections, and each connection's token with its
        # window.
        self.render_groups: list[int] = []
        self.render_counts: list[int] = []
        self.tokens: list[int] = []
        self.token_to_group: list[int] = []
        self._connections = threading.RLock()

        self.gl_ctx = core.OpenGLFrameFifoContext()
        for name in ("n_720p", "n_1080p", "n_1440p", "n_4K", "n_setup", "n_signal", "flush_when_full"):
            setattr(self.gl_ctx, name, getattr(self, name))
        thread = core.OpenGLThread(self.name, self.gl_ctx, self.msbuftime, self.x_connection)
        if self.background == BACKGROUND:
            self.background = getDataFile(LOGO)
        thread.setStaticTexFile(self.background)
        self.input_filter = thread.getFrameFilter()
        return thread

    def getInput(self) -> core.FrameFilter:
        """Returns the filter that takes pictures."""
        return self.input_filter

    def createWindow(self, show: bool = True) -> int:
        """Makes a window, shows it if it is to, and returns its X id. It lives as long as the thread runs."""
        window_id = self.core.createWindow(show)
        self.core.makeCurrent(window_id)
        return int(window_id)

    def newRenderGroup(self, window_id: int) -> bool:
        """Makes the X window ``window_id`` known; returns True."""
        return bool(self.core.newRenderGroupCall(window_id))

    def delRenderGroup(self, window_id: int) -> bool:
        """Forgets a window; returns True."""
        return bool(self.core.delRenderGroupCall(window_id))

    def newRenderContext(self, slot: int, window_id: int, z: int = 0) -> int:
        """Has the pictures of ``slot`` shown in a known window; returns a number that stands for that."""
        return int(self.core.newRenderContextCall(slot, window_id, z))

    def newRenderContextCall(self, slot: int, window_id: int, z: int = 0) -> int:
        """The same as ``newRenderContext``."""
        return self.newRenderContext(slot, window_id, z)

    def delRenderContext(self, id: int) -> bool:
        """Ends what ``newRenderContext`` began; returns True."""
        return bool(self.core.delRenderContextCall(id))

    def connect(self, slot: int = 0, window_id: int = 0) -> int:
        """Shows the pictures of ``slot`` in a window and returns a token for ``disconnect``.

        AssertionError if either is 0. If it fails, that is printed, and 0 returned.
        """
        assert slot > 0, "slot should be larger than 0"
        assert window_id > 0, "window_id should be larger than 0"
        with self._connections:
            known = window_id in self.render_groups
            if not known and not self.newRenderGroup(window_id):
                print(self.pre, "OpenGLThread: connect: WARNING: no render group for window", window_id)
                return 0
            token = self.newRenderContext(slot, window_id)
            if token == 0:
                print(self.pre, "OpenGLThread: connect: WARNING: no render context for slot", slot, "in", window_id)
                if not known:
                    self.delRenderGroup(window_id)
                return 0
            if not known:
                self.render_groups.append(window_id)
                self.render_counts.append(0)
            self.render_counts[self.render_groups.index(window_id)] += 1
            self.tokens.append(token)
            self.token_to_group.append(window_id)
            return token

    def disconnect(self, token: int = 0) -> None:
        """Ends what ``connect`` began. AssertionError if ``token`` is 0; an unknown one is printed."""
        assert token > 0, "token should be larger than 0"
        with self._connections:
            if token not in self.tokens:
                print(self.pre, "OpenGLThread: disconnect: WARNING: there is no connection", token)
                return
            index = self.tokens.index(token)
            del self.tokens[index]
            window_id = self.token_to_group.pop(index)
            self.delRenderContext(token)
            group = self.render_groups.index(window_id)
            self.render_counts[group] -= 1
            if self.render_counts[group] == 0:
                self.delRenderGroup(window_id)
                del self.render_groups[group]
                del self.render_counts[group]

    def hadVsync(self) -> bool:
        """Whether the display would have made this thread wait for its refreshes."""
        return bool(self.core.getVsyncAtStartup())
