"""The vocabulary: rows, labels and the sentences of instructions; what a request's text is read by.

A row is "Dates case k7f3qa: the clerk moved seven plain boxes." Its first word is its topic, which
is its category; the code and the filler words make it one of its own.
"""

from __future__ import annotations

import re

from autoprompt_assets.engine.identity import uniform

TOPICS = {
    "Dates": "Write dates as YYYY-MM-DD.",
    "Refunds": "Check the sign of every number.",
    "Measures": "Convert every measure to metric units first.",
    "Persons": "Match a person by surname, not by first name.",
    "Orders": "Count the items before you decide.",
    "Travel": "Take the arrival city, not the departure city.",
    "Rosters": "Read times on the 24 hour clock.",
    "Contracts": "Look for a negation in every clause.",
    "Recipes": "Compare quantities per serving.",
    "Weather": "Prefer the latest report over an earlier one.",
}
"""Each topic with the sentence that fixes its rows, where a landscape lets it."""

GENERAL = (
    "Work through the case step by step.",
    "Double-check the result before answering.",
    "Quote the words that decide the case.",
    "Rule out the unlikely labels first.",
    "Be brief.",
    "Think like an experienced archivist.",
    "Treat unknown words as neutral.",
    "Read the whole sentence twice.",
    "Name the main object of the case.",
    "Follow the pattern of the worked cases.",
    "Ignore all punctuation.",
    "Trust your first impression.",
    "Assume that the writer is mistaken.",
    "List every verb in order.",
    "Weigh each label on a scale of ten.",
    "Imagine explaining it to a child.",
    "When in doubt, pick the rarest label.",
    "Translate the case into formal language.",
)
LABELS = ("amber", "cobalt", "crimson", "ivory", "jade", "violet")
FILLERS = (
    "the clerk moved seven plain boxes near old harbor today while two quiet guards watched from "
    "a small window above their narrow street and someone later wrote about broken lamps in long "
    "letters to distant cousins who never asked for news of rainy markets or lost keys under stone "
    "bridges after noon before winter with warm bread on wooden tables"
).split()
CODE = "abcdefghijkmnpqrstuvwxyz23456789"
ROW = rf"(?:{'|'.join(TOPICS)}) case [{CODE}]{{6}}: [a-z ]+\."
ROWS = re.compile(ROW)
# A row with its label beside it in any usual spelling: "row -> label", "row Answer: label".
COPIES = re.compile(
    rf"({ROW})\W{{0,12}}(?:(?:answer|label|output|target|expected|is)\W{{1,6}})?"
    rf"({'|'.join(LABELS)})\b",
    re.IGNORECASE,
)
CORE = "Sort each case into one of these labels: {labels}. Answer with the label alone."


def core_of(labels: tuple[str, ...]) -> str:
    """The sentence that says what the task is, without any feature."""
    return CORE.format(labels=", ".join(labels))


def normalise(text: str) -> str:
    """Case folded, white space collapsed."""
    return " ".join(text.casefold().split())


def topic_of(row: str) -> str:
    return row.partition(" ")[0]


def make_row(topic: str, *draw: object) -> str:
    """A row of 8 to 15 words, which is a pure function of `topic` and `draw`."""
    code = "".join(CODE[int(uniform("code", i, *draw) * len(CODE))] for i in range(6))
    count = 5 + int(uniform("length", *draw) * 8)
    fillers = (FILLERS[int(uniform("filler", i, *draw) * len(FILLERS))] for i in range(count))
    return f"{topic} case {code}: {' '.join(fillers)}."
