"""The tools of level 2: checks of parameters, loggers, files."""

from __future__ import annotations

import gc
import logging
import os
import stat
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import valkka.api2
from valkka.api2 import background, tools


class Bag:
    """An object for attributes."""


DEFINITIONS = {
    "number": (int, 3),
    "text": str,
    "even": lambda value: value % 2 == 0,
    "anything": None,
    "items": (list, []),
}


def checked(**parameters: Any) -> Any:
    bag = Bag()
    tools.parameterInitCheck(DEFINITIONS, parameters, bag)
    return bag


def test_parameters_become_attributes() -> None:
    bag = checked(text="a", even=2, number=5, anything=[1])
    assert vars(bag) == {"text": "a", "even": 2, "number": 5, "anything": [1], "items": []}


def test_defaults() -> None:
    before = dict(DEFINITIONS)
    bag = checked(text="a", even=2)
    assert (bag.number, bag.anything, bag.items) == (3, None, [])
    bag.items.append(1)
    assert checked(text="a", even=2).items == []
    assert before == DEFINITIONS


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"text": "a", "even": 2, "nonsense": 1}, "Unknown parameter nonsense"),
        ({"even": 2}, "Missing a mandatory parameter text"),
        ({"text": "a"}, "Missing a mandatory parameter even"),
        ({"text": "a", "even": 3}, "even cannot be 3"),
        ({"text": "a", "even": 2, "number": True}, "number should be of <class 'int'>, not <class 'bool'>"),
        ({"text": "a", "even": 2, "number": 1.0}, "number should be"),
        ({"text": "a", "even": 2, "number": None}, "number should be"),
        ({"text": type("Text", (str,), {})(), "even": 2}, "text should be"),
    ],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AttributeError, match=message):
        checked(**parameters)
    assert ("checked" in capfd.readouterr().err) == message.startswith("Unknown"), "where it was called is shown"


def test_unknown_parameters_may_be_skipped() -> None:
    bag = Bag()
    tools.parameterInitCheck({"a": (int, 1)}, {"b": 2}, bag, undefined_ok=True)
    assert vars(bag) == {"a": 1}


def test_checks_of_classes() -> None:
    tools.typeCheck(1, int)
    with pytest.raises(AttributeError):
        tools.typeCheck(True, int)
    assert tools.dictionaryCheck({"a": int}, {"a": 1, "b": 2})
    for wrong in ({}, {"a": "1"}):
        with pytest.raises(AttributeError):
            tools.dictionaryCheck({"a": int}, wrong)
    bag = Bag()
    bag.a = 1  # type: ignore[attr-defined]
    assert tools.objectCheck({"a": int}, bag)
    with pytest.raises(AttributeError):
        tools.objectCheck({"b": int}, bag)
    assert tools.noCheck(None)


def test_getters() -> None:
    class Own(Bag):
        def get_b(self) -> str:
            return "own"

    own: Any = Own()
    own.a = 1
    tools.generateGetters({"a": int, "b": int}, own)
    assert (own.get_a(), own.get_b()) == (1, "own")
    own.a = 2
    assert own.get_a() == 2
    # Getters make no cycle: the object goes with its last name.
    gc.disable()
    gone = weakref.ref(own)
    del own
    assert gone() is None
    gc.enable()


def test_loggers() -> None:
    logger = tools.getLogger("test_api2_tools.a")
    assert logger is logging.getLogger("test_api2_tools.a") is tools.loggers["test_api2_tools.a"]
    assert tools.getLogger(logger) is logger
    assert tools.getLogger("test_api2_tools.a", level=logging.DEBUG).level == logging.DEBUG
    tools.setLogger(logger, logging.INFO)
    tools.setLogger("test_api2_tools.a", logging.WARNING)
    assert logger.level == logging.WARNING
    assert [type(handler) for handler in logger.handlers] == [logging.StreamHandler]


def test_import_file(tmp_path: Path) -> None:
    path = tmp_path / "some_module_of_mine.py"
    path.write_text("answer = 42\n")
    assert tools.import_file("some.name", str(path)).answer == 42
    assert "some.name" not in sys.modules


def test_system_numpy() -> None:
    assert tools.get_system_numpy().__name__ == "numpy"


def test_cameras_that_send_h264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "glob", lambda _: ["/dev/video7", "/dev/video6", "/dev/video5"])
    command = tmp_path / "v4l2-ctl"
    command.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*video5*list-formats*) echo \"[1]: 'H264' (H.264, compressed)\" ;;\n"
        '*video5*info*) echo "  Card type        : HD Camera" ;;\n'
        "*video6*list-formats*) echo \"[0]: 'YUYV' (YUYV 4:2:2)\" ;;\n"
        "*) exit 1 ;;\n"
        "esac\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert tools.getH264V4l2() == [("/dev/video5", "HD Camera")]
    monkeypatch.setenv("PATH", "/nonexistent")
    assert tools.getH264V4l2() == []


def test_paths() -> None:
    assert tools.getModulePath() == os.path.dirname(valkka.api2.__file__)
    assert tools.getDataPath() == os.path.join(tools.getModulePath(), "data")
    assert tools.getDataFile("x") == os.path.join(tools.getDataPath(), "x")
    assert tools.getTestDataFile("x") == os.path.join(tools.getTestDataPath(), "x")


@pytest.fixture
def fresh_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    background.logo_file.cache_clear()
    return tmp_path


def test_the_background_is_drawn_on_first_use(fresh_cache: Path) -> None:
    path = tools.getDataFile("valkka_bw_logo.yuv")
    assert Path(path).parent == fresh_cache / "valkka"
    picture = Path(path).read_bytes()
    assert len(picture) == 1280 * 720 * 3 // 2
    luma, chroma = picture[: 1280 * 720], picture[1280 * 720 :]
    assert set(chroma) == {128}
    lit = sum(1 for value in luma if value > 60)
    assert 20_000 < lit < 60_000, "a word, and background around it"
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o400
    assert os.listdir(fresh_cache / "valkka") == ["valkka_bw_logo.yuv"]


def test_a_damaged_background_is_drawn_again(fresh_cache: Path) -> None:
    path = fresh_cache / "valkka" / "valkka_bw_logo.yuv"
    path.parent.mkdir()
    path.write_bytes(b"half of it")
    assert tools.getDataFile("valkka_bw_logo.yuv") == str(path)
    assert path.read_bytes() == background.logo()


def test_a_background_without_a_cache_goes_with_the_program(fresh_cache: Path) -> None:
    (fresh_cache / "valkka").write_text("a file where the directory should be")
    program = "import os; from valkka.api2.tools import *; p = getDataFile('valkka_bw_logo.yuv'); print(p, os.stat(p))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    path, _, status = done.stdout.partition(" ")
    assert "st_size=1382400" in status
    assert not os.path.exists(path)
    assert not os.path.exists(os.path.dirname(path))


def test_the_namespace() -> None:
    for name in ("os", "sys", "json", "copy", "types", "inspect", "traceback"):
        assert getattr(valkka.api2, name) is sys.modules[name]
    assert valkka.api2.logging is sys.modules["valkka.api2.logging"]
    assert valkka.api2.logging.INFO == logging.INFO, "it stands in for Python's own"
    with pytest.raises(AttributeError):
        _ = valkka.api2.logging.no_such_name
    missing = [name for name in valkka.api2.__all__ if not hasattr(valkka.api2, name)]
    assert not missing


def test_log_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    api2 = valkka.api2
    for level in (api2.loglevel_silent, api2.loglevel_debug, api2.loglevel_crazy, api2.loglevel_nuts):
        api2.setValkkaLogLevel(level)
    api2.setValkkaLogLevel()
    with pytest.raises(AssertionError, match="Invalid loglevel"):
        api2.setValkkaLogLevel(5)


def test_numpy_versions(capfd: pytest.CaptureFixture[str]) -> None:
    assert valkka.api2.numpy_version_ok()
    valkka.api2.warn_numpy_version()
    assert valkka.api2.get_numpy_version() in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="numpy"):
        valkka.api2.raise_numpy_version()


def test_importing_prints_and_starts_nothing() -> None:
    environment = {**os.environ, "XDG_SESSION_TYPE": "x11"}
    environment.pop("DISPLAY", None)
    program = "import os, valkka.api2; print(len(os.listdir('/proc/self/task')))"
    # numpy's own threads are not ours.
    environment.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.stdout, done.stderr) == ("1\n", "")
