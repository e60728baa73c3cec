"""Exceptions of level 2."""


class ValkkaFSLoadError(BaseException):
    """A recording cannot be opened. ``except Exception`` does not catch it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
