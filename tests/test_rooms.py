"""Each room hands out its face, and whoever is outside takes no more; names stand for one thing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "autoprompt_assets"


def module_name(path: Path) -> str:
    parts = [*path.relative_to(ROOT).with_suffix("").parts]
    if parts[0] == "resources":
        parts.insert(0, PACKAGE)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


OURS = {module_name(path): path for path in sources(PACKAGE, "resources")}
FACES = {name: path for name, path in OURS.items() if path.with_suffix(".pyi").exists()}


@cache
def imports(path: Path) -> tuple[tuple[str, str], ...]:
    """The (module, name) pairs that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return tuple(found)


def room_of(module: str) -> str | None:
    """The room of a module; the package itself is the house, whose face is for its users."""
    rooms = (room for room in FACES if room != PACKAGE)
    return next((room for room in rooms if module == room or module.startswith(f"{room}.")), None)


def face(room: str) -> set[str]:
    stub = ast.parse(FACES[room].with_suffix(".pyi").read_text("utf-8"))
    return {a.name for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names}


def test_every_part_of_the_engine_is_a_room_with_a_face() -> None:
    parts = {f"{PACKAGE}.engine.{path.name}" for path in (ROOT / PACKAGE / "engine").iterdir()}
    rooms = {name for name in parts if name in OURS and OURS[name].name == "__init__.py"}
    assert len(rooms) == 12
    assert rooms < FACES.keys()


def test_nobody_takes_from_a_room_around_its_face() -> None:
    around = [
        f"{importer}: from {module} import {name}"
        for importer, path in OURS.items()
        for module, name in imports(path)
        if module in OURS and room_of(module) not in (None, module, room_of(importer))
    ]
    assert around == []


@pytest.mark.parametrize("room", FACES)
def test_a_face_holds_what_others_take_and_each_name_loads(room: str) -> None:
    names = face(room)
    taken = {
        name
        for path in (*OURS.values(), *sources("tests"))
        if path.is_relative_to(ROOT / "tests") or room_of(module_name(path)) != room
        for module, name in imports(path)
        if module == room
    }
    # README says what those import who write a grader or a strategy of their own.
    taken |= set(re.findall(r"\w+", (ROOT / "README.md").read_text("utf-8")))
    assert sorted(names - taken) == []
    module = import_module(room)
    assert sorted(module.__all__) == sorted(names)
    assert [name for name in names if getattr(module, name).__class__ is type(module)] == []


def test_no_two_classes_have_one_name() -> None:
    where = defaultdict(set)
    for module, path in OURS.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].add(module)
    assert {name: modules for name, modules in where.items() if len(modules) > 1} == {}


IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print([name for name in sys.modules if name.split(".")[0] == "resources"])
"""


@pytest.mark.slow
def test_no_top_level_resources_is_loaded() -> None:
    names = [name for name in OURS if not name.endswith("pattern_worker")]
    assert f"{PACKAGE}.resources.home" in names
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_the_wheel_ships_one_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    tops = {path.parts[0] for path in files if not path.parts[0].endswith(".dist-info")}
    assert tops == {PACKAGE}
    shipped = {module_name(ROOT / path) for path in files if path.suffix == ".py"}
    assert shipped == set(OURS)
    assert {path.with_suffix(".pyi") for path in files} >= {
        Path(*name.split("."), "__init__.pyi") for name in FACES
    }
