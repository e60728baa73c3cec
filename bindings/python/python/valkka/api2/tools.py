"""What the other modules of level 2, and programs, are built with."""

# Programs also take the modules from here, by star imports: there is no `__all__`.
import copy
import importlib.machinery
import importlib.util
import inspect  # noqa: F401
import json  # noqa: F401
import logging
import os
import re
import shutil
import subprocess
import sys
import traceback
import types
import weakref
from collections.abc import Mapping
from glob import glob
from typing import Any, Callable, Optional, Union

from valkka import core  # noqa: F401
from valkka.api2.background import LOGO, logo_file

is_py3 = True

#: The loggers that ``getLogger`` has handed out, by name.
loggers: dict[str, logging.Logger] = {}

# How long `v4l2-ctl` may take for one device.
V4L2_SECONDS = 5.0


def getLogger(name: Union[str, logging.Logger], level: Optional[int] = None) -> logging.Logger:
    """Returns the logger called ``name`` (a logger is returned as it is), with its level set if one is given."""
    if isinstance(name, logging.Logger):
        logger = name
    else:
        logger = loggers.setdefault(name, logging.getLogger(name))
    if level is not None:
        setLogger(logger, level)
    return logger


def setLogger(name: Union[str, logging.Logger], level: int) -> logging.Logger:
    """Sets the level of a logger, and has it print to standard error if it has nowhere to print to."""
    logger = getLogger(name)
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s - %(levelname)s - %(message)s"))
        logger.addHandler(handler)
    return logger


def import_file(full_name: str, path: str) -> types.ModuleType:
    """Loads the file ``path`` as a module called ``full_name``, without making it known to ``import``."""
    spec = importlib.util.spec_from_file_location(full_name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def get_system_numpy() -> types.ModuleType:
    """Returns the numpy of the distribution's packages if there is one for this Python, else the usual one."""
    # Two of them cannot be loaded side by side: whichever came first stays.
    if "numpy" not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec("numpy", ["/usr/lib/python3/dist-packages"])
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            sys.modules["numpy"] = module
            try:
                spec.loader.exec_module(module)
                return module
            except ImportError:
                # Built for another Python.
                for name in [name for name in sys.modules if name == "numpy" or name.startswith("numpy.")]:
                    del sys.modules[name]
    return importlib.import_module("numpy")


def getModulePath() -> str:
    """Returns the directory of this package."""
    return os.path.dirname(os.path.abspath(__file__))


def getDataPath() -> str:
    """Returns the directory of this package's data."""
    return os.path.join(getModulePath(), "data")


def getDataFile(fname: str) -> str:
    """Returns the path of a data file.

    ``valkka_bw_logo.yuv``, the picture that windows show while there is no video, is drawn when it is first asked for
    and lies in the user's cache directory.
    """
    path = os.path.join(getDataPath(), fname)
    return logo_file() if fname == LOGO and not os.path.exists(path) else path


def getTestDataPath() -> str:
    """Returns the directory of this package's test data."""
    return os.path.join(getModulePath(), "test_data")


def getTestDataFile(fname: str) -> str:
    """Returns the path of a file of test data."""
    return os.path.join(getTestDataPath(), fname)


def typeCheck(obj: Any, typ: type) -> bool:
    """AttributeError unless ``obj`` is of class ``typ`` itself; no subclass will do."""
    if obj.__class__ is not typ:
        raise AttributeError(f"{obj!r} should be of {typ}, not {obj.__class__}")
    return True


def dictionaryCheck(definitions: Mapping[str, type], dic: Mapping[str, Any]) -> bool:
    """AttributeError unless ``dic`` has each key of ``definitions``, with a value of just that class."""
    for key, typ in definitions.items():
        if key not in dic:
            raise AttributeError(f"{key} is missing")
        check_class(key, dic[key], typ)
    return True


def objectCheck(definitions: Mapping[str, type], obj: Any) -> bool:
    """AttributeError unless ``obj`` has each attribute of ``definitions``, with a value of just that class."""
    for key, typ in definitions.items():
        if not hasattr(obj, key):
            raise AttributeError(f"{key} is missing")
        check_class(key, getattr(obj, key), typ)
    return True


def parameterInitCheck(
    definitions: Mapping[str, Any], parameters: Mapping[str, Any], obj: Any, undefined_ok: bool = False
) -> None:
    """Checks the keyword arguments ``parameters`` against ``definitions`` and makes them attributes of ``obj``.

    A definition is ``(class, default)``; a class, for what must be given; a function that returns whether it likes the
    value, for what must be given; or None, for what may be anything, and is None unless it is given. Classes are exact:
    a bool is no int, and an int no float.

    AttributeError for what is missing, wrong or, unless ``undefined_ok``, unknown.
    """
    for key, value in parameters.items():
        if key in definitions:
            check_parameter(key, value, definitions[key])
            setattr(obj, key, value)
        elif not undefined_ok:
            traceback.print_stack()
            raise AttributeError(f"Unknown parameter {key}")
    for key, definition in definitions.items():
        if key in parameters:
            continue
        if definition is None:
            setattr(obj, key, None)
        elif isinstance(definition, tuple):
            # A copy, since `obj` may change it.
            setattr(obj, key, copy.copy(definition[1]))
        else:
            raise AttributeError(f"Missing a mandatory parameter {key}")


def check_parameter(key: str, value: Any, definition: Any) -> None:
    """Checks one parameter as :func:`parameterInitCheck` does."""
    if isinstance(definition, types.FunctionType):
        if not definition(value):
            raise AttributeError(f"Parameter {key} cannot be {value!r}")
    elif definition is not None:
        check_class(f"Parameter {key}", value, definition[0] if isinstance(definition, tuple) else definition)


def check_class(what: str, value: Any, typ: type) -> None:
    """AttributeError, saying ``what`` is wrong, unless ``value`` is of class ``typ`` itself."""
    if value.__class__ is not typ:
        raise AttributeError(f"{what} should be of {typ}, not {value.__class__}")


def noCheck(obj: Any) -> bool:
    """Likes anything: a definition for ``parameterInitCheck``."""
    return True


def gen_getter(obj: Any, key: str) -> Callable[[], Any]:
    """Returns a function that returns the attribute ``key`` of ``obj``. It does not keep ``obj`` alive."""
    # Or `obj`, which will have the function, would be collected late, and close late what it owns.
    reference = weakref.ref(obj)

    def getter() -> Any:
        return getattr(reference(), key)

    return getter


def generateGetters(definitions: Mapping[str, Any], obj: Any) -> None:
    """Gives ``obj`` a method ``get_<key>()`` for each key of ``definitions``, unless it has one."""
    for key in definitions:
        name = f"get_{key}"
        if not hasattr(obj, name):
            setattr(obj, name, gen_getter(obj, key))


def getH264V4l2(verbose: bool = False) -> list[tuple[str, str]]:
    """Returns ``(device file, name)`` of the cameras at this machine that send H.264, as ``v4l2-ctl`` tells them."""
    if shutil.which("v4l2-ctl") is None:
        if verbose:
            print("getH264V4l2: v4l2-ctl is not there: apt install v4l-utils")
        return []
    found = []
    for device in sorted(glob("/dev/video*")):
        formats = v4l2_ctl(device, "--list-formats")
        if verbose:
            print(f"getH264V4l2: {device}: {formats}")
        if re.search(r"\bH264\b", formats):
            card = re.search(r"Card type\s*:\s*(.*)", v4l2_ctl(device, "--info"))
            found.append((device, card.group(1).strip() if card else device))
    return found


def v4l2_ctl(device: str, option: str) -> str:
    """Returns what ``v4l2-ctl`` prints of a device; nothing if it fails."""
    command = ["v4l2-ctl", "--device", device, option]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=V4L2_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
