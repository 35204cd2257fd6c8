"""Each strategy answers for itself: nobody else asks which one it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from autoprompt_assets.engine.optimizers import STRATEGIES
from tests.support import ROOT

SOURCES = sorted(
    path for name in ("autoprompt_assets", "resources") for path in (ROOT / name).rglob("*.py")
)
CLASSES = {one.__name__: word for one, word in zip(STRATEGIES.own, STRATEGIES.words, strict=True)}


def names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def questions(tree: ast.AST) -> Iterator[ast.AST]:
    """Where it is asked which strategy one is: by class, by pattern, or by its word."""
    for node in ast.walk(tree):
        known, found = CLASSES.keys(), False
        if isinstance(node, ast.Call) and {"isinstance", "issubclass"} & {*names(node.func)}:
            found = bool(known & {*names(node)})
        elif isinstance(node, ast.MatchClass):
            found = bool(known & {*names(node.cls)})
        elif isinstance(node, ast.Compare) and "type" in names(node.left):
            found = bool(known & {*names(node)})
        elif isinstance(node, ast.Compare) and "strategy" in names(node.left):
            words = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            found = bool(words & {*CLASSES.values()})
        if found:
            yield node


def test_the_classes_are_those_of_the_strategies() -> None:
    assert len(CLASSES) == len(STRATEGIES.words)
    assert len(SOURCES) > 100


def test_nobody_asks_which_strategy_one_is() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in SOURCES
        for node in questions(ast.parse(path.read_text(encoding="utf-8")))
        if path.stem not in STRATEGIES.words
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "isinstance(spec.optimizer, GepaSpec)",
        "isinstance(spec, optimizers.GepaSpec | AutoSpec)",
        "match spec:\n    case MiproSpec():\n        pass",
        "spec.optimizer.strategy == 'demos'",
        "spec.optimizer.strategy not in ('demos', 'rescore')",
        "type(spec.optimizer) is RescoreSpec",
    ],
)
def test_such_a_question_is_found(text: str) -> None:
    assert [*questions(ast.parse(text))]
