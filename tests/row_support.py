"""Rows and demos of one text column, as most tests have them."""

from __future__ import annotations

from autoprompt_assets.engine.candidate import Demo
from autoprompt_assets.engine.example import Example, Row, Split
from autoprompt_assets.engine.inputs import ONE, Inputs


def text_row(text: str, target: str, column: str = ONE) -> Row:
    """A row as a file holds it."""
    return Row(Inputs.single(text, column), target)


def text_example(name: str, input_id: str, text: str, target: str, split: Split) -> Example:
    """A usable row."""
    return Example(name, input_id, Inputs.single(text), target, split)


def text_demo(text: str, answer: str) -> Demo:
    """A worked example."""
    return Demo(Inputs.single(text), answer)
