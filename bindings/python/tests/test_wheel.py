"""The wheel can be installed into clean environments, and has all that belongs into it."""

from __future__ import annotations

import glob
import os
import subprocess
import zipfile
from pathlib import Path

import pytest


def pythons() -> dict[str, str]:
    """The Pythons of this machine that the wheel is for, by their versions; the system's own first."""
    pyenv = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))
    found: dict[str, str] = {}
    for python in ["/usr/bin/python3", *glob.glob("/usr/bin/python3.[1-9]*"), *sorted(pyenv)]:
        program = "import sys; print('%d.%d' % sys.version_info[:2] if sys.version_info >= (3, 9) else '')"
        try:
            version = subprocess.check_output([python, "-c", program], text=True, timeout=120).strip()
        except (OSError, subprocess.SubprocessError):
            continue
        if version:
            found.setdefault(version, python)
    return found


PYTHONS = pythons()

# It is what was installed, and a thread can be started.
PROGRAM = """
import sys
import valkka
assert valkka.__path__ and not hasattr(valkka, "__version__")
from valkka.core import *
from valkka.api2 import ShmemRGBClient
from valkka.fs import formatMstimeTuple
from valkka.multiprocess import MessageProcess
from valkka.core import valkka_core
assert sys.prefix in valkka_core.__file__, valkka_core.__file__
live = LiveThread("live")
live.startCall()
live.stopCall()
"""


@pytest.fixture
def wheel() -> Path:
    path = os.environ.get("VALKKA_WHEEL")
    if path is None:
        pytest.skip("no wheel was built; `make test-python` builds one")
    return Path(path)


def test_contents(wheel: Path) -> None:
    assert "cp39-abi3-linux" in wheel.name
    files = zipfile.ZipFile(wheel).namelist()
    assert "valkka/__init__.py" not in files, "valkka is a namespace: other distributions put parts into it"
    for package in ["core", "api2", "fs", "multiprocess"]:
        assert f"valkka/{package}/__init__.py" in files
        assert f"valkka/{package}/py.typed" in files
    assert "valkka/core/valkka_core.abi3.so" in files
    assert "valkka/core/valkka_core.pyi" in files
    assert any(file.endswith("licenses/LICENSE-MIT") for file in files)
    assert not [file for file in files if "__pycache__" in file or "/tests/" in file]


@pytest.mark.deadline(900)
@pytest.mark.parametrize("version", PYTHONS)
def test_clean_environments(wheel: Path, version: str, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(PYTHONS[version], "-m", "venv", str(environment))
    inside = str(environment / "bin/python")
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*install, "--no-deps", str(wheel))
    try:
        run(*install, "numpy")
    except subprocess.CalledProcessError:
        pytest.skip("numpy cannot be had from the package index")
    run(inside, "-m", "pip", "check")
    run(inside, "-c", PROGRAM)
    run(inside, "-m", "valkka.core.quicktest")


def run(*command: str) -> None:
    """Runs something outside of this environment."""
    strange = ("PYTHON", "VIRTUAL_ENV", "DISPLAY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    subprocess.run(command, check=True, timeout=200, env=environment, cwd="/")
