"""The blocks that hold a time, against what one would find by looking at every block."""

from __future__ import annotations

import random

import numpy
import pytest

from valkka.fs import selection

# Blocks 3, 4, 0, 1 in the order of their times; 2 is the one to be written next, and 5 was never used.
RING = numpy.array([[50, 59], [70, 79], [0, 0], [10, 19], [30, 39], [0, 0]], dtype=numpy.int64)
UNUSED = numpy.zeros((4, 2), dtype=numpy.int64)


@pytest.mark.parametrize(
    ("first", "last", "blocks"),
    [
        # The next key frame after the last time bounds what is needed.
        (30, 30, [4, 0]),
        (31, 49, [4, 0]),
        (29, 50, [3, 4, 0, 1]),
        (50, 69, [0, 1]),
        # Beyond the ends of the recording.
        (0, 5, [3]),
        (0, 1000, [3, 4, 0, 1]),
        (500, 1000, [1]),
        (60, 59, []),
    ],
)
def test_stretches(first: int, last: int, blocks: list[int]) -> None:
    assert selection.covering(RING, first, last) == blocks


@pytest.mark.parametrize(
    ("time", "n", "blocks"),
    [
        (40, 1, [4, 0, 1]),
        # A block is at a time, and not before it.
        (50, 1, [4, 0, 1]),
        (51, 1, [0, 1]),
        (40, 0, [0]),
        (40, 2, [3, 4, 0, 1]),
        (40, 100, [3, 4, 0, 1]),
        (0, 1, [3, 4]),
        (1000, 1, [1]),
        (1000, 0, []),
        (40, -1, []),
        (40, -5, []),
    ],
)
def test_neighbours(time: int, n: int, blocks: list[int]) -> None:
    assert selection.neighbours(RING, time, n) == blocks


def test_time_range() -> None:
    assert selection.time_range(RING) == (10, 79)
    assert all(type(one) is int for one in selection.time_range(RING) or ())


def test_nothing_recorded() -> None:
    for table in [UNUSED, UNUSED[:0]]:
        assert selection.covering(table, 0, 100) == []
        assert selection.neighbours(table, 50) == []
        assert selection.time_range(table) is None


def test_numbers_are_those_of_python() -> None:
    found = [*selection.covering(RING, 0, 100), *selection.neighbours(RING, 40)]
    assert {type(one) for one in found} == {int}


def test_tables_of_any_kind() -> None:
    """A view with gaps, other numbers, numbers of numpy's for times; the table is left as it is."""
    wide = numpy.zeros((6, 4), dtype=numpy.int32)
    wide[:, ::2] = RING
    before = wide.copy()
    assert selection.covering(wide[:, ::2], numpy.int64(31), numpy.int32(49)) == [4, 0]
    assert selection.neighbours(wide[:, ::2], numpy.int64(40)) == [4, 0, 1]
    assert (wide == before).all()
    assert selection.covering(RING, -(1 << 80), 1 << 80) == [3, 4, 0, 1]


def test_against_looking_at_every_block() -> None:
    numbers = random.Random(5)
    for _ in range(2000):
        # Few times for many blocks: some are equal.
        table = numpy.array([[numbers.choice([0, *range(1, 12)]), 20] for _ in range(numbers.randint(1, 12))])
        used = {block: int(time) for block, time in enumerate(table[:, 0]) if time > 0}
        first, last, n = numbers.randint(0, 13), numbers.randint(0, 13), numbers.randint(0, 3)
        assert selection.covering(table, first, last) == covering_slowly(used, first, last)
        assert selection.neighbours(table, first, n) == neighbours_slowly(used, first, n)


def covering_slowly(used: dict[int, int], first: int, last: int) -> list[int]:
    times = used.values()
    if first > last or not times:
        return []
    begin = max((time for time in times if time <= first), default=min(times))
    end = min((time for time in times if time > last), default=max(times))
    return sorted((block for block in used if begin <= used[block] <= end), key=lambda block: (used[block], block))


def neighbours_slowly(used: dict[int, int], time: int, n: int) -> list[int]:
    ordered = sorted(used, key=lambda block: (used[block], block))
    before = [block for block in ordered if used[block] < time]
    after = [block for block in ordered if used[block] >= time]
    return before[max(len(before) - n, 0) :] + after[: n + 1]


@pytest.mark.parametrize(
    ("time", "before", "ahead", "blocks"),
    [
        # At least the one before, and two more.
        (40, 0, 0, [4, 0, 1]),
        (30, 0, 0, [3, 4, 0]),
        (79, 0, 1000, [1]),
        (0, 1000, 0, [3, 4]),
        # As many as the milliseconds need.
        (40, 20, 0, [3, 4, 0, 1]),
        (15, 0, 40, [3, 4, 0]),
        (15, 0, 60, [3, 4, 0, 1]),
    ],
)
def test_what_is_needed_to_play_on(time: int, before: int, ahead: int, blocks: list[int]) -> None:
    assert selection.around(RING, time, before, ahead) == blocks


def test_blocks_of_one_key_frame_go_together() -> None:
    """A block without a key frame of its own has the time of the one that it depends on."""
    table = numpy.array([[10, 49], [10, 29], [50, 69], [10, 39], [10, 19]], dtype=numpy.int64)
    assert selection.around(table, 45, 0, 0) == [4, 1, 3, 0, 2]
    assert selection.covering(table, 20, 30) == [4, 1, 3, 0, 2]


def test_nothing_is_needed_of_nothing() -> None:
    assert selection.around(UNUSED, 50, 1000, 1000) == []
