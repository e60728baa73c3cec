"""Processes whose backend is asynchronous."""

import asyncio
import functools
import logging
import pickle
from collections.abc import Awaitable
from typing import Any, Callable, Optional, TypeVar

from valkka.multiprocess.duplex import Duplex, getPipes
from valkka.multiprocess.message import HEADER_BYTES, MessageObject, padding, payload_length, to8ByteMessage
from valkka.multiprocess.pipe import parent_ended, watched_pipe
from valkka.multiprocess.process import FAREWELL_SECONDS, MessageProcess

Coroutine = TypeVar("Coroutine", bound=Callable[..., Awaitable[Any]])


class AsyncBackMessageProcess(MessageProcess):
    """A :class:`~valkka.multiprocess.process.MessageProcess` whose backend runs an event loop.

    The methods ``c__<command>`` are coroutines, awaited one after the other; what takes long is given to a task. What
    they raise is logged and ends nothing. The frontend is an ordinary one, except that None does not come at the end.
    """

    front_pipe: Duplex  # type: ignore[assignment]
    back_pipe: Duplex  # type: ignore[assignment]

    def __init__(self, name: str = "AsyncMessageProcess") -> None:
        super().__init__(name)
        self.pipe_writer: Optional[asyncio.StreamWriter] = None

    def makePipes(self) -> None:
        """Makes the pipes between frontend and backend; called once, by ``__init__``."""
        self.front_pipe, self.back_pipe = getPipes(True, True)
        self.front_pipe_internal, self.back_pipe_internal = watched_pipe()

    # Frontend

    def getPipe(self) -> Duplex:
        """Returns what the backend's messages are read from; ``recv`` raises EOFError when the backend has ended."""
        return self.front_pipe

    def getReadFd(self) -> int:
        """Returns the file descriptor from which the frontend reads."""
        return self.front_pipe.getReadFd()

    def getWriteFd(self) -> int:
        """Returns the file descriptor to which the frontend writes."""
        return self.front_pipe.getWriteFd()

    # Backend

    def run(self) -> None:
        """The backend, from its start to its end."""
        self.main_pid = self.enterBackend()
        try:
            self.preRun__()
            asyncio.run(self.async_run__())
        except KeyboardInterrupt:
            self.logger.info("interrupted: ending")
        self.postRun__()

    async def async_run__(self) -> None:
        """Handles messages until the end."""
        reader = await self.connectPipes__()
        watcher = asyncio.ensure_future(self.watchParent__(reader))
        try:
            try:
                await self.asyncPre__()
            except Exception:
                self.logger.critical("asyncPre__ failed", exc_info=True)
            while self.loop:
                await self.readPipe__(reader)
        finally:
            watcher.cancel()
            await self.closePipes__()
            await self.asyncPost__()

    async def asyncPre__(self) -> None:
        """Awaited before the first message is read."""

    async def asyncPost__(self) -> None:
        """Awaited after the last message."""

    async def connectPipes__(self) -> asyncio.StreamReader:
        """Hands the backend's end of the pipe to the event loop."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), self.back_pipe.getReadIO())
        # Nothing is read from the writing end; but this protocol knows how to wait for room.
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), self.back_pipe.getWriteIO()
        )
        self.pipe_writer = asyncio.StreamWriter(transport, protocol, None, loop)
        return reader

    async def watchParent__(self, reader: asyncio.StreamReader) -> None:
        """Ends what is read when the main process has gone; the pipe alone does not tell, for it is open here too."""
        while not parent_ended(self.main_pid):
            await asyncio.sleep(self.timeout)
        self.logger.warning("the main process has gone: ending")
        reader.feed_eof()

    async def readPipe__(self, reader: asyncio.StreamReader) -> None:
        """Reads one message and handles it."""
        try:
            length = payload_length(await reader.readexactly(HEADER_BYTES))
            payload = await reader.readexactly(length)
            await reader.readexactly(padding(HEADER_BYTES + length))
        except (asyncio.IncompleteReadError, ValueError) as error:
            # Without a length there is no telling where the next message begins.
            self.logger.warning("no more messages: %s", error)
            self.loop = False
            return
        try:
            await self.routeMainPipe__(pickle.loads(payload))
        except Exception:
            self.logger.critical("a message could not be handled", exc_info=True)

    async def routeMainPipe__(self, obj: Optional[MessageObject]) -> None:  # type: ignore[override]
        """Awaits the method that a message is for."""
        if obj is None:
            self.loop = False
            return
        method = getattr(self, f"c__{obj.command}", None)
        if method is None:
            self.logger.warning("there is no method c__%s", obj.command)
            return
        await method(**obj.kwargs)

    async def closePipes__(self) -> None:
        """Closes the backend's end of the pipe, after what is still to be written."""
        writer, self.pipe_writer = self.pipe_writer, None
        if writer is None:
            return
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), FAREWELL_SECONDS)
        except (asyncio.TimeoutError, OSError):
            writer.transport.abort()

    async def send_out__(self, obj: Any) -> None:  # type: ignore[override]
        """Sends ``obj``, best a :class:`~valkka.multiprocess.message.MessageObject`, to the frontend's ``getPipe``."""
        if self.pipe_writer is None:
            self.logger.warning("not sent, since the pipe is closed: %s", obj)
            return
        self.pipe_writer.write(to8ByteMessage(obj))
        await self.pipe_writer.drain()

    async def c__ping(self, lis: Any = ()) -> None:  # type: ignore[override]
        """Prints ``lis`` and answers with a message ``pong``: for trying things out."""
        print(self.pre, "ping", lis, flush=True)
        await self.send_out__(MessageObject("pong", lis=[1, 2, 3]))


def exclog(coroutine: Coroutine) -> Coroutine:
    """Decorates a coroutine, often one that runs as a task, so that what it raises is logged and goes no further."""

    @functools.wraps(coroutine)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return await coroutine(*args, **kwargs)
        except Exception:
            logger_of(args).critical("%s failed", coroutine.__name__, exc_info=True)
            return None

    return wrapper  # type: ignore[return-value]


def exclogmsg(coroutine: Coroutine) -> Coroutine:
    """Decorates a coroutine of an :class:`AsyncBackMessageProcess` that has an argument ``slot``.

    What it raises is logged, and told to the frontend by ``MessageObject("error", slot=..., error=...)``.
    """

    @functools.wraps(coroutine)
    async def wrapper(self: AsyncBackMessageProcess, *args: Any, **kwargs: Any) -> Any:
        try:
            return await coroutine(self, *args, **kwargs)
        except Exception as error:
            logger_of((self,)).critical("%s failed", coroutine.__name__, exc_info=True)
            await self.send_out__(MessageObject("error", slot=kwargs.get("slot"), error=str(error)))
            return None

    return wrapper  # type: ignore[return-value]


def logger_of(args: tuple[Any, ...]) -> logging.Logger:
    """Returns the logger of the object whose method was called with ``args``, or that of this module."""
    logger = getattr(args[0], "logger", None) if args else None
    return logger if isinstance(logger, logging.Logger) else logging.getLogger(__name__)
