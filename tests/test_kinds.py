"""What differs by kind stands in the kind's own file: nobody else asks which kind it is."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from autoprompt_assets.engine.grading import GRADERS
from autoprompt_assets.resources.endpoints import KINDS as ENDPOINTS
from tests.support import ROOT, ended, toy_project

FILES = sorted(
    path for room in ("autoprompt_assets", "resources") for path in (ROOT / room).rglob("*.py")
)
KINDS: list[type] = [*GRADERS.own]


def asked(tree: ast.AST) -> Iterator[str]:
    """The classes that a module asks about: isinstance, issubclass, `type(x) is`, `case`."""
    for node in ast.walk(tree):
        found: Sequence[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = node.args[1:] if node.func.id in ("isinstance", "issubclass") else []
        elif isinstance(node, ast.Compare):
            found = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchClass):
            found = [node.cls]
        elif isinstance(node, ast.Dict):
            found = [key for key in node.keys if isinstance(key, ast.Name)]
        for part in found:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Name | ast.Attribute):
                    yield inner.id if isinstance(inner, ast.Name) else inner.attr


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nobody_asks_for_a_kind_outside_its_file(kind: type) -> None:
    own = Path(inspect.getfile(kind)).resolve()
    asking = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.resolve() != own
        and kind.__name__ in path.read_text(encoding="utf-8")
        and kind.__name__ in asked(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert asking == []


def test_what_asks_for_a_kind_is_seen() -> None:
    code = """
isinstance(x, A | m.B), issubclass(t, (C,)), type(x) is D, {E: 1}
match x:
    case F():
        pass
"""
    assert {"A", "B", "C", "D", "E", "F"} <= {*asked(ast.parse(code))}


@pytest.mark.parametrize("kind", GRADERS.own, ids=lambda kind: kind.__name__)
def test_each_grader_has_a_file_and_a_line_of_its_own(kind: type) -> None:
    others = [one for one in GRADERS.own if one is not kind]
    assert inspect.getfile(kind) not in [inspect.getfile(one) for one in others]
    name = re.compile(rf"\b{kind.__name__}\b")
    naming = {path.name for path in FILES if name.search(path.read_text("utf-8"))}
    assert naming == {Path(inspect.getfile(kind)).name, "registry.py"}


def compared(tree: ast.AST) -> Iterator[object]:
    """The literals that a module compares something with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant))


def test_nobody_asks_for_an_endpoint_s_word_outside_its_file() -> None:
    own = {Path(inspect.getfile(type(kind))).resolve() for kind in ENDPOINTS.values()}
    asking = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.resolve() not in own
        and not ENDPOINTS.keys().isdisjoint(compared(ast.parse(path.read_text("utf-8"))))
    ]
    assert asking == []
    assert len(own) == len(ENDPOINTS)


STARTS = """
from typing import Literal

from autoprompt_assets.engine.grading.grade import right_or_wrong
from autoprompt_assets.engine.grading.protocol import Rule


class StartsGrader(Rule):
    kind: Literal["starts"]

    def grade(self, example, answer, verdict=None):
        return right_or_wrong(answer.startswith(example.target))
"""
ACME = """
from autoprompt_assets.resources.endpoints.kind import HostedKind


class Acme(HostedKind):
    word = "acme"
    hint = "needs ACME_API_KEY"
    model = "acme-1"
    keys = ("ACME_API_KEY",)
    address = "ACME_BASE_URL"
    url = "https://api.acme.example/v1"
    key_required = True
"""


@pytest.mark.slow
def test_a_grader_and_an_endpoint_are_added_as_a_file_and_a_line_each(tmp_path: Path) -> None:
    code = tmp_path / "code"
    ignored = shutil.ignore_patterns("__pycache__", "*.parquet", "*.csv")
    shutil.copytree(ROOT / "autoprompt_assets", code / "autoprompt_assets", ignore=ignored)
    for room, module, text, line in (
        ("engine/grading", "starts", STARTS, "StartsGrader"),
        ("resources/endpoints", "acme", ACME, "Acme"),
    ):
        folder = code / "autoprompt_assets" / room
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        registry = (folder / "registry.py").read_text(encoding="utf-8")
        place = f"autoprompt_assets.{room.replace('/', '.')}.{module}"
        future = "from __future__ import annotations\n"
        registry = registry.replace(future, f"{future}from {place} import {line}\n")
        entry = line if module == "starts" else f"{line}()"
        registry, count = re.subn(r"(?m)^(OWN: .* = \()$", rf"\1\n    {entry},", registry)
        assert count == 1
        (folder / "registry.py").write_text(registry, encoding="utf-8")
    project = toy_project(tmp_path / "project", PYTHONPATH=str(code))
    settings = ["grader={kind: starts}", "roles.target.endpoint=acme", "roles.target.model=null"]
    settings += ["endpoints.mine={base_url: http://a/v1, api_key_env: ACME_API_KEY}"]
    flags = [flag for one in settings for flag in ("--set", one)]
    result = ended(project.start_afresh("check", "toy", *flags[:-2]), 60)
    assert (result.returncode, result.stderr) == (0, "")
    assert "target: acme-1 at acme (https://api.acme.example/v1)" in result.stdout
    refused = ended(project.start_afresh("run", "toy", *flags[:-2]), 60).stderr
    assert refused.startswith("ACME_API_KEY is not set; the role target needs it")
    owned = ended(project.start_afresh("check", "toy", *flags), 60).stderr
    assert "names ACME_API_KEY, the key of the endpoint 'acme'" in owned
