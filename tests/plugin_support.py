"""Packages as an installer leaves them in a folder: modules, and metadata that registers them."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, name: str, group: str, point: str, **modules: str) -> None:
    """A package `name` 1.0 with one entry point (`word = module:Class`) and its modules' texts."""
    folder.mkdir(parents=True, exist_ok=True)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    release(folder, name, "1.0")
    text = f"[{group}]\n{point}\n"
    (metadata(folder, name) / "entry_points.txt").write_text(text, encoding="utf-8")


def release(folder: Path, name: str, version: str) -> None:
    """Give the package a version."""
    metadata(folder, name).mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (metadata(folder, name) / "METADATA").write_text(text, encoding="utf-8")


def metadata(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('-', '_')}-1.0.dist-info"
