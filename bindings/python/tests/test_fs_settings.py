"""The file that says what a recording is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from valkka.fs import settings


def test_it_is_replaced_and_keeps_what_others_have_put_there(tmp_path: Path) -> None:
    path = tmp_path / "valkkafs.json"
    settings.write(str(path), {"n_blocks": 3})
    assert path.read_text() == '{"n_blocks": 3}\n'
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_text('{"streams": {"1": "front"}, "n_blocks": 3, "current_block": 0}')
    path.chmod(0o640)
    inode = path.stat().st_ino
    settings.write(str(path), {"n_blocks": 3, "current_block": 1})
    assert settings.read(str(path)) == {"streams": {"1": "front"}, "n_blocks": 3, "current_block": 1}
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_ino != inode, "it is another file: nobody sees half of it"
    assert os.listdir(tmp_path) == ["valkkafs.json"]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "valkkafs.json"
    settings.write(str(path), {"n_blocks": 3})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            settings.write(str(path), {"n_blocks": 4})
    assert settings.read(str(path)) == {"n_blocks": 3}
    assert os.listdir(tmp_path) == ["valkkafs.json"]
    with pytest.raises(OSError, match="nowhere"):
        settings.write(str(tmp_path / "nowhere" / "valkkafs.json"), {})


def test_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "valkkafs.json")
    settings.write(str(tmp_path / "link.json"), {"n_blocks": 3})
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real" / "valkkafs.json").read_text()) == {"n_blocks": 3}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b"null", b"\xff", b"[" * 100_000, b" " * (2 << 20)])
def test_files_that_are_none(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "valkkafs.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"valkkafs\.json"):
        settings.read(str(path))
    settings.write(str(path), {"n_blocks": 3})
    assert settings.read(str(path)) == {"n_blocks": 3}


def test_where_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "dumpfile").touch()
    # As it was written down, though it is relative; beside the file; moved; nowhere.
    assert settings.beside("here", "here/dumpfile") == "here/dumpfile"
    assert settings.beside("here", "dumpfile") == "here/dumpfile"
    assert settings.beside("here", "/gone/dumpfile") == "here/dumpfile"
    assert settings.beside("here", "/gone/other") == "/gone/other"
    # A copy is not taken for what it is a copy of.
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "dumpfile").touch()
    assert settings.beside("here", "there/dumpfile") == "here/dumpfile"
    assert settings.beside("here", str(tmp_path / "there" / "dumpfile")) == "here/dumpfile"
