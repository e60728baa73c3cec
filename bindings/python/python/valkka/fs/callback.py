"""Callbacks from threads of level 1, and those of programs."""

from __future__ import annotations

import contextlib
import traceback
import weakref
from collections.abc import Iterator
from typing import Any, Callable

__all__ = ["printing", "weakly"]


def weakly(method: Callable[..., object]) -> Callable[..., None]:
    """Returns a function that calls a method as long as the object lives.

    The holds that threads of level 1 have on callbacks are not seen by the garbage collector: an object whose own
    thread calls it would live for ever.
    """
    reference: weakref.WeakMethod[Callable[..., object]] = weakref.WeakMethod(method)

    def call(*args: Any, **kwargs: Any) -> None:
        alive: Callable[..., object] | None = reference()
        if alive is not None:
            alive(*args, **kwargs)

    return call


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Prints what is raised within, with its traceback, and that is all: recording goes on."""
    try:
        yield
    except Exception:
        traceback.print_exc()
