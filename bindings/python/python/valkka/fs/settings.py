"""The file beside a recording that says what it is: one JSON object.

It is replaced as a whole: whoever reads it, also after a power cut, finds the old one or the new one. What others have
put into it stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

__all__ = ["BLOCKFILE", "DUMPFILE", "JSONFILE", "beside", "read", "write"]

# What the files are called in their directory.
JSONFILE = "valkkafs.json"
BLOCKFILE = "blockfile"
DUMPFILE = "dumpfile"

# Who may read a new one, unless there was one before: everybody, and the owner may write it.
MODE = 0o644

# A file that is larger than this is none of ours.
MAX_BYTES = 1 << 20


def read(path: str) -> dict[str, Any]:
    """Returns what a file says. OSError if it cannot be read, ValueError if it is not a JSON object."""
    with open(path, "rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path}: more than {MAX_BYTES} bytes")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a JSON object, but {found!r:.80}")
    return found


def write(path: str, known: Mapping[str, Any]) -> None:
    """Has a file say what ``known`` has, and keeps what else it says. It is on disk when this returns.

    OSError if that cannot be.
    """
    try:
        before = read(path)
    except (OSError, ValueError):
        # There is none yet, or it is of no use.
        before = {}
    text = json.dumps({**before, **known}) + "\n"
    directory, name = os.path.split(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{name}.")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode_of(path))
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(directory, name))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(directory)


def beside(dirname: str, path: str) -> str:
    """Returns where a file of the recording in a directory is: in the directory, which may have been moved or copied
    since its paths were written down, or else at ``path``."""
    places = [os.path.join(dirname, os.path.basename(path)), path, os.path.join(dirname, path)]
    return next((place for place in places if os.path.exists(place)), path)


def mode_of(path: str) -> int:
    """Returns who may read and write a file, or a new one."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return MODE


def sync_directory(directory: str) -> None:
    """Has the names in a directory on disk, where the file system can do that."""
    handle = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
