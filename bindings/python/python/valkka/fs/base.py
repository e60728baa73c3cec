"""A recording in its directory: the files, the table of its blocks, and the block that is written next."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import threading
import weakref
from typing import Any, Callable, ClassVar, TypeVar

import numpy
from numpy.typing import NDArray

from valkka import core
from valkka.api2.exceptions import ValkkaFSLoadError
from valkka.api2.tools import getLogger, parameterInitCheck
from valkka.fs import selection, settings
from valkka.fs.callback import printing
from valkka.fs.tools import findBlockDevices

__all__ = ["ValkkaFS"]

Self = TypeVar("Self", bound="ValkkaFS")

# How the table of the current format begins. It says of itself how it is written.
FORMAT = 2
MAGIC = b"VALKTAB"

# How many pictures of all streams together may wait for the thread that writes: it calls back in between, and waits for
# the disk when it notes down the next block.
WAITING = 1000

# All that have been made are counted.
instances = itertools.count()


class ValkkaFS:
    """A recording: ``n_blocks`` blocks of ``blocksize`` bytes in a file or a partition, which are written in turn.

    Mostly made by ``newFromDirectory`` or ``loadFromDirectory``. The recording is in the file ``dumpfile``, or else on
    the partition ``partition_uuid``; ``blockfile`` has the times of its blocks, ``jsonfile`` has these parameters, and
    ``current_block``, the number of the block that is written next.

    AttributeError for parameters of other types, AssertionError if there is nothing of the kind to record on; what the
    system says of its files comes as OSError, and RuntimeError or ValueError if they cannot be used.

    ``core`` is the object of level 1, for the threads that write and read; ``analyzer`` prints what is in a block.
    ``blocktable`` has a row for each block, with the milliseconds since 1970 of a key frame in it and of its last
    frame; 0 if there is none. It is always the same array. All methods may be called from any thread.
    """

    parameter_defs: ClassVar[dict[str, Any]] = {
        "dumpfile": None,
        "partition_uuid": None,
        "blockfile": str,
        "blocksize": int,
        "n_blocks": int,
        "current_block": (int, 0),
        "jsonfile": str,
        "verbose": (bool, False),
    }

    dumpfile: str | None
    partition_uuid: str | None
    blockfile: str
    blocksize: int
    n_blocks: int
    current_block: int
    jsonfile: str
    verbose: bool

    @classmethod
    def loadFromDirectory(cls: type[Self], dirname: str, verbose: bool = False) -> Self:
        """Opens the recording of a directory. ValkkaFSLoadError, which is no Exception, if there is none."""
        dirname = os.fspath(dirname)
        if not os.path.isdir(dirname):
            raise ValkkaFSLoadError(f"{dirname}: there is no such directory")
        jsonfile = os.path.join(dirname, settings.JSONFILE)
        try:
            found = settings.read(jsonfile)
            parameters = {key: found[key] for key in KEYS if key in found}
            parameters["jsonfile"] = jsonfile
            for key in ("blockfile", "dumpfile"):
                if parameters.get(key) is not None:
                    parameters[key] = settings.beside(dirname, parameters[key])
            check(parameters)
            return cls(**parameters, verbose=verbose)
        except Exception as error:
            raise ValkkaFSLoadError(f"{dirname}: {error}") from error

    @classmethod
    def newFromDirectory(
        cls: type[Self],
        dirname: str | None = None,
        blocksize: int | None = None,
        n_blocks: int | None = None,
        device_size: int | None = None,
        partition_uuid: str | None = None,
        verbose: bool = False,
    ) -> Self:
        """Makes a new recording in a directory, which is made too; what was recorded there before is lost.

        It has ``n_blocks`` blocks, or as many as ``device_size`` bytes take, or the partition. The space is reserved at
        once. Blocks of what is to be played should have 128 MiB at most.

        AssertionError for parameters that are missing or make no sense, OSError if there is no room, RuntimeError if
        somebody is recording there.
        """
        assert dirname is not None, "newFromDirectory: dirname is missing"
        size = number(blocksize)
        assert size is not None, f"newFromDirectory: blocksize should be a number of bytes, not {blocksize!r}"
        size = grains(size)
        count = number(n_blocks)
        if count is None:
            space = number(device_size)
            if space is None and partition_uuid is not None:
                space = partition(partition_uuid)[1]
            assert space is not None, "newFromDirectory: n_blocks or device_size should be a number"
            count = space // size
        assert count > 0, f"newFromDirectory: {count} blocks of {size} bytes are no recording"

        dirname = os.fspath(dirname)
        os.makedirs(dirname, exist_ok=True)
        jsonfile, blockfile, dumpfile = (
            os.path.join(dirname, name) for name in (settings.JSONFILE, settings.BLOCKFILE, settings.DUMPFILE)
        )
        tables = {blockfile, *tables_in(dirname)}
        for table in tables:
            refuse_if_written(table)
        # That it is a recording goes first, and comes last: half a one is none.
        remove(jsonfile, *tables, dumpfile)
        where = dumpfile if partition_uuid is None else f"partition {partition_uuid}"
        print(f"{cls.__name__}: making {count} blocks of {size} bytes on {where}")
        try:
            valkkafs = cls(
                dumpfile=dumpfile if partition_uuid is None else None,
                partition_uuid=partition_uuid,
                blockfile=blockfile,
                blocksize=size,
                n_blocks=count,
                jsonfile=jsonfile,
                verbose=verbose,
            )
            valkkafs.reinit()
        except BaseException:
            remove(jsonfile, blockfile, dumpfile)
            raise
        return valkkafs

    @staticmethod
    def checkDirectory(dirname: str) -> None:
        """AssertionError if there is no recording in a directory, or its partition is not there."""
        assert os.path.isdir(dirname), f"{dirname}: there is no such directory"
        jsonfile = os.path.join(dirname, settings.JSONFILE)
        assert os.path.isfile(jsonfile), f"{jsonfile}: there is no such file"
        try:
            uuid = settings.read(jsonfile).get("partition_uuid")
        except (OSError, ValueError) as error:
            raise AssertionError(str(error)) from error
        if uuid is not None:
            partition(uuid)

    def __init__(self, **kwargs: Any) -> None:
        parameterInitCheck(self.parameter_defs, kwargs, self)
        self.name = str(next(instances))
        self.logger = getLogger(f"{type(self).__module__}.{type(self).__name__}")
        self.blocksize = grains(self.blocksize)
        self._callback: Callable[[], object] | None = None
        self._writing = threading.Lock()
        self.core = self.makeCore(self.device())
        self.analyzer = core.ValkkaFSTool(self.core)
        self.blocktable: NDArray[numpy.int64] = numpy.zeros((self.n_blocks, self.core.get_n_cols()), numpy.int64)
        self.readTable()
        self.resume()
        # A thread of level 1 may go on with the recording when this object is gone.
        self.core.setBlockCallback(on_block(self))

    def makeCore(self, device: str) -> core.ValkkaFS:
        """Returns the object of level 1 for a recording on ``device``."""
        raise NotImplementedError("makeCore")

    def makeWriter(self, name: str) -> core.ValkkaFSWriterThread:
        """Returns a new thread of level 1 that writes into the recording, not started."""
        context = core.FrameFifoContext()
        context.n_basic = WAITING
        return core.ValkkaFSWriterThread(name, self.core, context)

    def device(self) -> str:
        """Returns the file or the device that the blocks are on."""
        if self.dumpfile is not None:
            return os.fspath(self.dumpfile)
        assert self.partition_uuid is not None, "neither dumpfile nor partition_uuid is given"
        return partition(self.partition_uuid)[0]

    def resume(self) -> None:
        """Has ``current_block`` written next, unless it holds something newer than what the oldest one holds."""
        self.current_block %= self.n_blocks
        last = self.blocktable[:, 1]
        used = last[last > 0]
        if len(used) > 0 and last[self.current_block] > used.min():
            # A program was cut off while it wrote it, or before it wrote that down. The store finds where to go on.
            self.current_block = (int(last.argmax()) + 1) % self.n_blocks
        else:
            self.core.setCurrentBlock(self.current_block)

    def __str__(self) -> str:
        return f"<ValkkaFS {self.partition_uuid if self.dumpfile is None else self.dumpfile}>"

    def getName(self) -> str:
        """Returns the number of this object, as text."""
        return self.name

    def setLogLevel(self, level: int) -> None:
        """Sets how much is logged, as a level of Python's ``logging``."""
        getLogger(self.logger, level)

    def report(self) -> None:
        """Prints what the recording is like."""
        print(self, f": {self.n_blocks} blocks of {self.blocksize} bytes, {self.current_block} is written next")
        for key, value in self.getPars().items():
            print(f"    {key} = {value}")

    def getPars(self) -> dict[str, Any]:
        """Returns the parameters, as they are in ``jsonfile``."""
        pars = {key: getattr(self, key) for key in KEYS}
        return {key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in pars.items()}

    def writeJson(self) -> None:
        """Writes the parameters to ``jsonfile``, at once as a whole; keeps what else is in it. OSError."""
        with self._writing:
            settings.write(self.jsonfile, {**self.getPars(), **format_of(self.blockfile)})

    def is_same(self, **kwargs: Any) -> bool:
        """Whether ``partition_uuid``, ``blocksize`` and ``n_blocks``, or those of them that are given, are so here."""
        return all(getattr(self, key) == value for key, value in kwargs.items())

    def reinit(self) -> None:
        """Makes the recording empty. OSError; RuntimeError while it is being written."""
        refuse_if_written(self.blockfile)
        self.core.clearTable()
        self.readTable()
        if self.blocktable.any():
            raise OSError(f"{self} cannot be emptied")
        # Its room is reserved already: that each block begins with nothing is enough.
        self.core.clearDevice(False, self.verbose)
        self.current_block = 0
        self.core.setCurrentBlock(0)
        self.writeJson()

    def reload_(self) -> None:
        """Reads the table again from its file, for the sake of what others have written."""
        self.core.readTable()
        self.readTable()

    def readTable(self) -> None:
        """Refreshes ``blocktable``."""
        self.core.setArrayCall(self.blocktable)

    def getBlockTable(self, reread: bool = False) -> NDArray[numpy.int64]:
        """Refreshes ``blocktable`` and returns it; with ``reread``, the block that is being written is in it too, also
        if another process writes it."""
        if reread:
            self.core.updateTable()
        self.readTable()
        return self.blocktable

    def getTimeRange(self) -> Any:
        """Returns the times of the first key frame and of the last frame; None if there is none."""
        return selection.time_range(self.blocktable.copy())

    def getInd(self, times: tuple[int, int]) -> list[int]:
        """Returns the numbers of the blocks that hold the times from the first to the second, in their order."""
        return selection.covering(self.blocktable.copy(), *times)

    def getIndNeigh(self, n: int = 1, time: int = 0) -> list[int]:
        """Returns the numbers of the blocks around a time, in the order of their times: ``n`` before it, one more from
        it on."""
        return selection.neighbours(self.blocktable.copy(), time, n)

    def setBlockCallback(self, cb: Callable[[], object] | None) -> None:
        """Has ``cb()`` called when a block has been written, by the thread that writes; nothing with None."""
        self._callback = cb

    def update(self) -> None:
        """Refreshes the table and calls back as if a block had been written."""
        self.new_block_cb__(True, "init")

    def new_block_cb__(self, propagate: bool, par: object) -> None:
        """Called when a block has been written; ``par`` is the number of the next one, or what is amiss.

        Prints what goes wrong: the recording goes on.
        """
        block = number(par)
        if block is None and par in ("keyframe", "frame"):
            # That one was completed too.
            block = self.core.getCurrentBlock()
        if block is not None:
            self.current_block = block
            with printing():
                self.writeJson()
        with printing():
            self.readTable()
        callback = self._callback
        if propagate and callback is not None:
            with printing():
                callback()


def on_block(valkkafs: ValkkaFS) -> Callable[[bool, object], None]:
    """Returns what level 1 calls for an object as long as that lives, and then to have the next block written down."""
    reference = weakref.ref(valkkafs)
    jsonfile, writing = valkkafs.jsonfile, valkkafs._writing

    def block(propagate: bool, par: object) -> None:
        alive = reference()
        if alive is not None:
            alive.new_block_cb__(propagate, par)
        elif number(par) is not None:
            with printing(), writing:
                settings.write(jsonfile, {"current_block": number(par)})

    return block


def check(parameters: dict[str, Any]) -> None:
    """ValueError or OSError if a recording with these parameters cannot be opened."""
    missing = [key for key in ("blockfile", "blocksize", "n_blocks") if key not in parameters]
    if missing:
        raise ValueError(f"{parameters['jsonfile']} says nothing of {', '.join(missing)}")
    for key, least in (("blocksize", 1), ("n_blocks", 1), ("current_block", 0)):
        value = parameters.get(key, 0)
        if type(value) is not int or value < least:
            raise ValueError(f"{key} cannot be {value!r}")
    if parameters.get("current_block", 0) > parameters["n_blocks"]:
        raise ValueError(f"block {parameters['current_block']} is to be written, of {parameters['n_blocks']} blocks")
    for key in ("dumpfile", "blockfile"):
        path = parameters.get(key)
        if path is not None and not os.path.exists(path):
            raise FileNotFoundError(f"{path}: there is no such file")


def remove(*paths: str) -> None:
    """Removes files, those of them that are there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def tables_in(dirname: str) -> list[str]:
    """Returns the table that the recording in a directory has there, which an upgrade gives another name."""
    try:
        found = settings.read(os.path.join(dirname, settings.JSONFILE)).get("blockfile")
    except (OSError, ValueError):
        return []
    table = os.path.join(dirname, os.path.basename(found)) if isinstance(found, str) else ""
    return [table] if os.path.isfile(table) else []


def refuse_if_written(blockfile: str) -> None:
    """RuntimeError if a thread is writing the recording with this table: it would go on in files that nobody sees."""
    try:
        handle = os.open(blockfile, os.O_RDWR)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RuntimeError(f"{os.path.dirname(blockfile)}: somebody is recording there") from error
    finally:
        os.close(handle)


def partition(uuid: str) -> tuple[str, int]:
    """Returns the device of a partition and its bytes. AssertionError if it is not there."""
    found = findBlockDevices().get(str(uuid).lower())
    assert found is not None, f"there is no partition {uuid} of the type Linux swap, or it may not be looked for"
    return found


def format_of(blockfile: str) -> dict[str, int]:
    """Returns how a table is written, for ``jsonfile``: nothing if it is as the C++ libValkka has it."""
    try:
        with open(blockfile, "rb") as file:
            return {"format": FORMAT} if file.read(len(MAGIC)) == MAGIC else {}
    except OSError:
        return {}


def grains(size: int) -> int:
    """Returns a size of blocks in whole grains, at least one."""
    return max(size // core.FS_GRAIN_SIZE, 1) * core.FS_GRAIN_SIZE


def number(value: object) -> int | None:
    """Returns a number of Python or numpy as one of Python; None for anything else, also for a bool."""
    return int(value) if isinstance(value, (int, numpy.integer)) and not isinstance(value, bool) else None


# The parameters that are written down.
KEYS = [key for key in ValkkaFS.parameter_defs if key != "verbose"]
