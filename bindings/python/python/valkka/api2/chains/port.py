"""Where pictures are wanted."""

from typing import Any, ClassVar

from valkka.api2.tools import parameterInitCheck


class BitmapPort:
    """A place for pictures; subclasses know its size."""

    def getWidth(self) -> int:
        """Returns the width in pixels."""
        raise NotImplementedError("getWidth")

    def getHeight(self) -> int:
        """Returns the height in pixels."""
        raise NotImplementedError("getHeight")


class ViewPort(BitmapPort):
    """A place on the screen: the X window ``window_id`` on the X screen ``x_screen_num``."""

    parameter_defs: ClassVar[dict[str, Any]] = {
        "window_id": (int, 0),
        "x_screen_num": (int, 0),
    }

    window_id: int
    x_screen_num: int

    def __init__(self, **kwargs: Any) -> None:
        parameterInitCheck(self.parameter_defs, kwargs, self)

    def __str__(self) -> str:
        return f"<ViewPort: window_id={self.window_id} x_screen_num={self.x_screen_num}>"

    def getWindowId(self) -> int:
        """Returns the window."""
        return self.window_id

    def setWindowId(self, window_id: int) -> None:
        """Sets the window; remove the port from its chains before."""
        self.window_id = window_id

    def getXScreenNum(self) -> int:
        """Returns the number of the X screen, which is the number of its ``OpenGLThread`` in a chain's list."""
        return self.x_screen_num

    def setXScreenNum(self, x_screen_num: int) -> None:
        """Sets the number of the X screen; remove the port from its chains before."""
        self.x_screen_num = x_screen_num
