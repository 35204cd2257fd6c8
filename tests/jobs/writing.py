"""Jobs whose answer is prose: judged, measured or compared."""

from __future__ import annotations

import json

from tests.jobs.job import Job, Message, Row, said
from tests.jobs.sorting import COUNT, hard_at


def _questions() -> list[Row]:
    return [
        {
            "question": f"Question {i}: how high is tower {i}?",
            "passages": [f"Tower {i} is {90 + i} metres high.", f"It was built in {1800 + i}."],
            "number": i,
            "hard": i % 4,
        }
        for i in range(COUNT)
    ]


def _answered(row: Row, known: frozenset[int]) -> Message:
    height = 90 + row["number"]
    text = f"By the first passage it is {height} metres high."
    return said(f"It is high, perhaps {height + 50} metres." if hard_at(row, known) else text)


def _judged(row: Row, text: str, known: frozenset[int]) -> str:
    borne_out = f"it is {90 + row['number']} metres" in text
    return json.dumps({"reason": "Passages and answer were read.", "score": 5 if borne_out else 2})


PASSAGES = Job(
    "Answers from passages, judged from 1 to 5",
    _questions(),
    ("Name the passage.", "Guess nothing.", "Give figures as they stand."),
    lambda row: row["question"],
    _answered,
    judge=_judged,
)


def _meetings() -> list[Row]:
    return [
        {
            "minutes": f"Minutes {i}: much was said.",
            "facts": json.dumps([f"budget {i}", f"date {i}", f"owner {i}"]),
        }
        for i in range(COUNT)
    ]


def _summed_up(row: Row, known: frozenset[int]) -> Message:
    """A rule for each kind of fact that is told, and much talk until the third."""
    facts = json.loads(row["facts"])
    told = [facts[0], *(fact for place, fact in enumerate(facts[1:]) if place in known)]
    talk = "" if 2 in known else "It was a long and lively meeting with many voices. " * 6
    return said(f"{talk}Decided: {'; '.join(told)}.")


SUMMARIES = Job(
    "Summaries with a metric of one's own",
    _meetings(),
    ("Name every date.", "Name who does it.", "Two sentences at most."),
    lambda row: row["minutes"].split(":")[0] + ":",
    _summed_up,
)

_WORDS = (
    ("The train to platform {} is late.", "Der Zug nach Gleis {} hat Verspätung."),
    ("Please mind the gap at door {}.", "Bitte beachten Sie die Lücke an Tür {}."),
    ("Coach {} is at the end of the train.", "Wagen {} befindet sich am Ende des Zuges."),
    ("Ticket office {} is closed today.", "Schalter {} ist heute geschlossen."),
)


def _notices() -> list[Row]:
    return [
        {
            "english": english.format(f"No. {i + 1}"),
            "german": german.format(f"Nr. {i + 1}"),
            "hard": i % 4,
        }
        for i in range(COUNT)
        for english, german in [_WORDS[i // 4 % 4]]
    ]


def _translated(row: Row, known: frozenset[int]) -> Message:
    """Without the rule the half of it stays English."""
    english, german = str(row["english"]).split(), str(row["german"]).split()
    half = " ".join(german[: len(german) // 2] + english[len(english) // 2 :])
    return said(half if hard_at(row, known) else str(row["german"]))


TRANSLATION = Job(
    "Translation",
    _notices(),
    ("Translate every word.", "Use the words of a railway.", "Write numbers as Nr. 1."),
    lambda row: row["english"],
    _translated,
)
