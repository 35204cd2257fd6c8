"""A file is the old or the new one whenever the power goes, whoever writes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from upath import UPath

from autoprompt_assets.resources.env_file import remember
from autoprompt_assets.resources.storage.files import write_text
from autoprompt_assets.resources.whole_file import replacing


@pytest.fixture(name="synced")
def _synced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the system is told to write to the disk, and what the folder's file held then."""
    calls: list[str] = []
    sync = os.fsync

    def told(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").resolve()
        held = (tmp_path / "file").read_text(encoding="utf-8")
        calls.append(f"{'folder' if name == tmp_path else 'file'}: {held.split()[-1]}")
        sync(handle)

    monkeypatch.setattr(os, "fsync", told)
    return calls


def rewrite(path: Path) -> None:
    with replacing(path) as file:
        file.write_text("new", encoding="utf-8")


WRITERS: dict[str, Callable[[Path], object]] = {
    "a file": rewrite,
    "a result": lambda path: write_text(UPath(path), "new"),
    ".env": lambda path: remember(path, Path("/new")),
}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells handles by Linux's /proc")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_on_the_disk_before_it_has_its_name(
    writer: str, tmp_path: Path, synced: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_text("old\n", encoding="utf-8")
    WRITERS[writer](path)
    first, *_, last = synced
    assert first == "file: old"
    assert last.startswith("folder: ")
    assert "new" in last
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def fail(path: Path) -> None:
    with replacing(path) as file:
        file.write_text("half", encoding="utf-8")
        raise RuntimeError


def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError):
        fail(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
