"""`python -m valkka.core.quicktest`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import Display
from valkka.core import quicktest

NEEDED = ["Python", "numpy", "FFmpeg", "threads", "decoding", "shared memory"]


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it without a display, unless `environment` names one."""
    variables = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    variables.update(XDG_SESSION_TYPE="x11", **environment)
    command = [sys.executable, "-m", "valkka.core.quicktest", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=variables)


def checks_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_it_is_content_without_a_display() -> None:
    done = run()
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Valkka ")
    assert lines[0].endswith("compatible with libValkka 1.6.1")
    assert lines[-1] == "All is well."
    for name in NEEDED:
        assert any(line.split()[0] == "ok" and f"  {name}  " in line for line in lines[2:-2]), name
    assert "\x1b" not in done.stdout
    assert "Traceback" not in done.stdout
    assert max(map(len, lines)) < 110


def test_json(display: Display) -> None:
    done = run("--json", DISPLAY=display.name)
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["content"] is True
    assert report["compatible"] == "1.6.1"
    checks = checks_of(done)
    assert list(checks) == list(quicktest.CHECKS)
    assert checks["display"] == {
        "name": "display",
        "status": "ok",
        "text": f"{display.name} opens windows",
        "advice": "",
    }


def test_a_display_that_is_not_there() -> None:
    done = run("--json", DISPLAY=":4242")
    assert done.returncode == 1
    display = checks_of(done)["display"]
    assert display["status"] == "fault"
    assert ":4242" in display["text"]
    assert "apt install" in display["advice"]


def test_numpy_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('built for another Python')\n")
    done = run(PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert done.returncode == 1
    assert "fault  numpy          ImportError: built for another Python" in done.stdout
    assert "checks failed." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_check_that_crashes_or_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def python(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    python("echo oops >&2; kill -SEGV $$")
    assert quicktest.isolated("decoding") == quicktest.Finding("fault", "ended with -11: oops")
    python("exit 3")
    assert quicktest.isolated("decoding") == quicktest.Finding("fault", "ended with 3: nothing said")
    python("exec sleep 100")
    monkeypatch.setattr(quicktest, "CHECK_SECONDS", 0.2)
    assert quicktest.isolated("decoding").status == "fault"


def test_shared_memory_is_sound_though_the_reader_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    # Who writes without a pause overtakes whoever reads, as on a machine where a reader waits for a processor.
    monkeypatch.setattr(quicktest, "time", SimpleNamespace(sleep=lambda _: None, time_ns=time.time_ns))
    finding = quicktest.check_shared_memory()
    assert finding.status == "ok", finding


def test_what_a_check_raises_is_a_fault() -> None:
    def check() -> Any:
        raise RuntimeError("no")

    assert quicktest.guarded(check) == quicktest.Finding("fault", "RuntimeError: no")
