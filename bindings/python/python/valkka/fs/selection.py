"""Which blocks of a recording hold a time.

A table has a row of two times for each block, in milliseconds: of a key frame in it, by which it is found, and of its
last frame. Blocks whose first time is 0 are not in use. The blocks are a ring, so that the order of their numbers is
not that of their times.
"""

from typing import Any, Optional

import numpy
from numpy.typing import NDArray

__all__ = ["around", "covering", "neighbours", "time_range"]


def covering(table: NDArray[Any], first: int, last: int) -> list[int]:
    """Returns the numbers of the blocks that hold the times from ``first`` to ``last``, by their times.

    The first of them has a key frame at or before ``first``, if any block has; the last of them is the first with a
    key frame after ``last``, since what leads up to that key frame may be of this time.
    """
    if first > last:
        return []
    blocks, times = in_order(table)
    if len(blocks) == 0:
        return []
    # Blocks of one and the same time go together.
    begin = times[max(int(numpy.searchsorted(times, first, side="right")) - 1, 0)]
    after = int(numpy.searchsorted(times, last, side="right"))
    end = times[min(after, len(times) - 1)]
    return numbers(blocks[(times >= begin) & (times <= end)])


def neighbours(table: NDArray[Any], time: int, n: int = 1) -> list[int]:
    """Returns the numbers of up to ``n`` blocks before ``time`` and up to ``n + 1`` at or after it, by their times.

    None for a negative ``n``.
    """
    if n < 0:
        return []
    blocks, times = in_order(table)
    at = int(numpy.searchsorted(times, time, side="left"))
    return numbers(blocks[max(at - n, 0) : at + n + 1])


def around(table: NDArray[Any], time: int, before: int, ahead: int) -> list[int]:
    """Returns the numbers of the blocks that are needed to show ``time`` and to play on from there, by their times.

    They are at least those of :func:`neighbours`, with all that have the same key frame as the first of them, and as
    many more as hold ``before`` milliseconds before that time and ``ahead`` after it.
    """
    blocks, times = in_order(table)
    if len(blocks) == 0:
        return []
    at = int(numpy.searchsorted(times, time, side="left"))
    first = min(max(int(numpy.searchsorted(times, time - before, side="right")) - 1, 0), max(at - 1, 0))
    begin = int(numpy.searchsorted(times, times[first], side="left"))
    end = at + 2
    while end < len(blocks) and table[blocks[end - 1], 1] < time + ahead:
        end += 1
    return numbers(blocks[begin:end])


def time_range(table: NDArray[Any]) -> Optional[tuple[int, int]]:
    """Returns the time of the first key frame and that of the last frame; None if no block is in use."""
    used = table[table[:, 0] > 0]
    if len(used) == 0:
        return None
    return int(used[:, 0].min()), int(used[:, 1].max())


def in_order(table: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the numbers of the blocks that are in use, by the times of their key frames, and these times."""
    times = table[:, 0]
    used = numpy.flatnonzero(times > 0)
    # Several blocks may depend on one key frame.
    order = used[numpy.lexsort((table[used, 1], times[used]))]
    return order, times[order]


def numbers(blocks: NDArray[Any]) -> list[int]:
    """Returns them as numbers of Python's own."""
    return [int(block) for block in blocks]
