"""What processes send to each other, and how it looks in a pipe."""

import pickle
from typing import Any

# A length beyond this is garbage, or somebody's mistake: it is refused before memory is taken for it.
MAX_BYTES = 1 << 30

HEADER_BYTES = 8


class MessageObject:
    """A command and its arguments: ``MessageObject("move", x=1)`` has ``c__move(x=1)`` called in the backend."""

    def __init__(self, command: str, **kwargs: Any) -> None:
        self.command = command
        self.kwargs = kwargs

    def __call__(self) -> str:
        """Returns the command."""
        return self.command

    def __getitem__(self, key: str) -> Any:
        """Returns the argument ``key``; KeyError if there is none."""
        return self.kwargs[key]

    def __str__(self) -> str:
        return f"<MessageObject: {self.command}: {self.kwargs}>"

    __repr__ = __str__


def to8ByteMessage(obj: Any) -> bytes:
    """Returns ``obj`` as it is written to a :class:`~valkka.multiprocess.duplex.Duplex`.

    That is a big-endian length of eight bytes, which counts itself and the pickle but not the padding, the pickle, and
    zeros up to the next multiple of eight. ValueError if ``obj`` needs more than a gibibyte.
    """
    payload = pickle.dumps(obj)
    length = HEADER_BYTES + len(payload)
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes: {MAX_BYTES} are allowed")
    return length.to_bytes(HEADER_BYTES, "big") + payload + bytes(padding(length))


def payload_length(header: bytes) -> int:
    """Returns how many bytes of pickle follow ``header``; ValueError if it is not the beginning of a message."""
    length = int.from_bytes(header, "big")
    if not HEADER_BYTES < length <= MAX_BYTES:
        raise ValueError(f"a message cannot have {length} bytes: {MAX_BYTES} are allowed")
    return length - HEADER_BYTES


def padding(length: int) -> int:
    """Returns how many zeros follow a message of ``length`` bytes."""
    return -length % HEADER_BYTES
