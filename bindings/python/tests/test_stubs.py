"""The types that type checkers are told are those of the module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# What may differ, and why.
ALLOWED = {
    "valkka.core.valkka_core.__all__": "it lists every name of the module, as the stub does",
}


@pytest.mark.deadline(360)
def test_stubs(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    allowed = tmp_path / "allowed"
    allowed.write_text("\n".join(ALLOWED))
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--concise", "--ignore-disjoint-bases"]
        + ["--allowlist", str(allowed), "valkka.core.valkka_core"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout
