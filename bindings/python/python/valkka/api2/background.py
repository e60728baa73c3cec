"""The picture that windows show while there is no video: the word VALKKA, grey on black."""

import atexit
import functools
import os
import shutil
import tempfile
from typing import Any

import numpy

LOGO = "valkka_bw_logo.yuv"

WIDTH, HEIGHT = 1280, 720
BACKGROUND, FOREGROUND = 24, 96

# The letters, each in a box of width 1 and height 1 with y downwards: strokes from point to point.
A = [((0.0, 1.0), (0.5, 0.0)), ((0.5, 0.0), (1.0, 1.0)), ((0.2, 0.62), (0.8, 0.62))]
K = [((0.1, 0.0), (0.1, 1.0)), ((0.9, 0.0), (0.1, 0.55)), ((0.35, 0.4), (0.95, 1.0))]
L = [((0.1, 0.0), (0.1, 1.0)), ((0.1, 1.0), (0.85, 1.0))]
V = [((0.0, 0.0), (0.5, 1.0)), ((0.5, 1.0), (1.0, 0.0))]
WORD = [V, A, L, K, K, A]

# In pixels.
LETTER_WIDTH, LETTER_HEIGHT, GAP, STROKE = 90, 130, 44, 9.0


@functools.cache
def logo_file() -> str:
    """Returns the path of the picture, raw planar YUV 4:2:0, and draws it if it is not there yet.

    It lies in the user's cache directory, or else in a directory that is removed when the program ends.
    """
    picture = logo()
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    try:
        return stored(os.path.join(cache, "valkka"), picture)
    except OSError:
        directory = tempfile.mkdtemp(prefix="valkka-")
        atexit.register(remove, directory, os.getpid())
        return stored(directory, picture)


def stored(directory: str, picture: bytes) -> str:
    """Returns the path of a file in ``directory`` that has the picture in it, after writing it if need be."""
    path = os.path.join(directory, LOGO)
    try:
        with open(path, "rb") as file:
            if file.read() == picture:
                return path
    except OSError:
        pass
    os.makedirs(directory, exist_ok=True)
    # Written beside and moved over, so that no program ever reads half of it.
    handle, beside = tempfile.mkstemp(dir=directory)
    try:
        with open(handle, "wb") as file:
            file.write(picture)
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    return path


def remove(directory: str, owner: int) -> None:
    """Removes a directory at the end of the process that has made it, not of those that it forks off."""
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def logo() -> bytes:
    """Returns the picture."""
    rows, columns = LETTER_HEIGHT + 4 * int(STROKE), len(WORD) * (LETTER_WIDTH + GAP) + 4 * int(STROKE)
    y, x = numpy.mgrid[0:rows, 0:columns].astype(numpy.float32)
    coverage = numpy.zeros((rows, columns), numpy.float32)
    for position, letter in enumerate(WORD):
        left, top = 2 * STROKE + position * (LETTER_WIDTH + GAP), 2 * STROKE
        for stroke in letter:
            ends = [(left + dx * LETTER_WIDTH, top + dy * LETTER_HEIGHT) for dx, dy in stroke]
            # One pixel from full to nothing, for smooth edges.
            numpy.maximum(coverage, numpy.clip(STROKE - distance(x, y, *ends), 0, 1), out=coverage)
    luma = numpy.full((HEIGHT, WIDTH), BACKGROUND, numpy.float32)
    row, column = (HEIGHT - rows) // 2, (WIDTH - columns + GAP) // 2
    luma[row : row + rows, column : column + columns] += coverage * (FOREGROUND - BACKGROUND)
    planes: bytes = luma.round().astype(numpy.uint8).tobytes()
    return planes + b"\x80" * (WIDTH * HEIGHT // 2)


def distance(x: Any, y: Any, start: tuple[float, float], end: tuple[float, float]) -> Any:
    """Returns how far each point is from the straight line between two points."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = numpy.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return numpy.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
