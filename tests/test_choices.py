"""A choice is read where it is unmistakable, of endpoints that heed the schema and others."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.choices import read_choice

KINDS = ("person", "place", "number")
ANSWERS: list[tuple[str, str | None, tuple[str, ...]]] = [
    ('```json\n{"answer": "person"}\n```', "person", KINDS),
    ("person", "person", KINDS),
    ('{"answer": "person", "why": 1}', "person", KINDS),
    ('{"answer": "thing"}', None, KINDS),
    ("Person.", "person", KINDS),
    ("**person**", "person", KINDS),
    ('"person"', "person", KINDS),
    ("Answer: person", "person", KINDS),
    ("**Answer:** person", "person", KINDS),
    ("The answer is person.", "person", KINDS),
    ('{"label": "PLACE"}', "place", KINDS),
    ('{"label":"place","why":1}', None, KINDS),
    ("thing", None, KINDS),
    ("person or place", None, KINDS),
    ("person, place", None, KINDS),
    ("It is a person.", None, KINDS),
    ('Sure: {"answer": "person"}', "person", KINDS),
    ('{"answer": "person"} or {"answer": "place"}', None, KINDS),
    ('["person"]', None, KINDS),
    ('{"answer": ["person"]}', None, KINDS),
    ('{"answer": 1}', "1", ("1", "2")),
    ("1", "1", ("1", "2")),
    ('{"answer": 1.0}', "1", ("1", "2")),
    ('{"answer": true}', "true", ("true", "false")),
    ("True", "true", ("true", "false")),
    ("us", "us", ("US", "us")),
    ("Us", None, ("US", "us")),
    ("C++", "C++", ("C++", "C")),
    ("c", "C", ("C++", "C")),
    ("ｐｅｒｓｏｎ", "person", KINDS),
    ("per\u200bson", "person", KINDS),
    ("答案: person", None, KINDS),
    ("[[person]]", None, KINDS),
    ("", None, KINDS),
    ("[" * 100_000, None, KINDS),
    ("`person`\n", "person", KINDS),
    ("Label: place", "place", KINDS),
    ("```\nperson\n```", "person", KINDS),
    ("person\n\nBecause it asks who.", None, KINDS),
    ("Yes.", "yes.", ("yes.", "no.")),
    ('{"answer": "person", "answer": "place"}', None, KINDS),
    ('{"answer": null}', None, KINDS),
    ('{"answer": {"answer": "person"}}', None, KINDS),
    ("```text\nperson\n```", "person", KINDS),
]


@pytest.mark.parametrize(("text", "choice", "choices"), ANSWERS)
def test_unmistakable_choice_is_read(
    text: str, choice: str | None, choices: tuple[str, ...]
) -> None:
    assert read_choice(text, choices) == choice
