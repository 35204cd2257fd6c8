"""What changed between two candidates: right, readable, and never slow."""

from __future__ import annotations

import random
import time

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.report import unified
from autoprompt_assets.engine.report.diff import LONGEST, Piece, change, text_diff
from tests.row_support import text_demo

A, B, C = text_demo("1", "one"), text_demo("2", "two"), text_demo("3", "three")
FILLER = " ".join(f"word{i}" for i in range(60))


def side(pieces: tuple[Piece, ...], other: str) -> str:
    """One text, put together again from what is not only in the other."""
    return "".join(piece.text for piece in pieces if piece.kind != other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Name the shape. Think first.", "Name the shape. Count first, then think."),
        ("Answer (A) or (B).", "Answer (A), (B) or (C)."),
        ("", "Something."),
        ("Something.", ""),
        ("same start, old end", "same start, new end"),
        ("ענה במילה אחת בלבד", "ענה במילה אחת ולא יותר"),
        ("<script>alert(1)</script> stays", "<script>alert(2)</script> stays"),
        ("tabs\tand\r\nlines", "tabs\tand\r\nmore lines"),
        ("é 😀 ı", "é 😁 ı"),
    ],
)
def test_both_texts_can_be_read_back(before: str, after: str) -> None:
    pieces = text_diff(before, after)
    assert (side(pieces, "added"), side(pieces, "removed")) == (before, after)


def test_equal_texts_have_no_pieces() -> None:
    assert text_diff("Think.", "Think.") == ()
    assert not change(Candidate("Think."), Candidate("Think."))


def test_only_the_words_that_changed_are_marked() -> None:
    pieces = text_diff("Name the shape that it draws.", "Name the letter that it draws.")
    assert [(piece.kind, piece.text.strip()) for piece in pieces] == [
        ("same", "Name the"),
        ("removed", "shape"),
        ("added", "letter"),
        ("same", "that it draws."),
    ]


def test_what_a_change_begins_with_is_not_part_of_it() -> None:
    kinds = [(p.kind, p.text) for p in text_diff("the option only.", "the option, nothing else.")]
    assert kinds[0] == ("same", "the option")
    # Never within a word.
    assert ("same", "the opt") not in [
        (p.kind, p.text) for p in text_diff("the option.", "the opt.")
    ]


def test_a_rewritten_text_is_no_confetti() -> None:
    before, after = "Think about the shape of it.", "Count, then say the letter."
    assert text_diff(before, after) == (Piece("removed", before), Piece("added", after))


def test_white_space_alone_can_be_seen_to_change() -> None:
    before, after = f"{FILLER}. Answer.", f"{FILLER}.\n\nAnswer."
    added = [piece.text for piece in text_diff(before, after) if piece.kind == "added"]
    assert added == ["↵\n↵\n"]


def test_long_equal_runs_are_cut_short() -> None:
    pieces = text_diff(f"{FILLER} old {FILLER} tail", f"{FILLER} new {FILLER} end")
    gaps = [piece for piece in pieces if piece.left_out]
    assert len(gaps) == 2
    assert all(piece.kind == "same" and not piece.text for piece in gaps)
    shown = sum(len(piece.text) + piece.left_out for piece in pieces if piece.kind == "same")
    assert shown == len(f"{FILLER} {FILLER} ")
    assert sum(len(piece.text) for piece in pieces) < 300


def test_an_edit_deep_in_a_long_text_is_found() -> None:
    generator = random.Random(7)
    lines = [" ".join(f"w{generator.randrange(900)}" for _ in range(12)) for _ in range(600)]
    changed = list(lines)
    for place in (30, 300, 570):
        changed[place] = f"here {lines[place]}"
    pieces = text_diff("\n".join(lines), "\n".join(changed))
    assert [piece.text.strip() for piece in pieces if piece.kind != "same"] == ["here"] * 3


def words(seed: int, vocabulary: int, count: int) -> str:
    generator = random.Random(seed)
    return " ".join(f"w{generator.randrange(vocabulary)}" for _ in range(count))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (words(1, 5000, 16_000), words(2, 5000, 16_000)),
        (words(1, 3, 40_000), words(2, 3, 40_000)),
        (words(1, 3, 190), words(2, 3, 190)),
        ("ab " * 33_000 + "x", "ab " * 30_000 + "y"),
        ("x\n" * 50_000 + "end", "z\n" * 49_999),
        ("." * 100_000, ",." * 50_000),
        ("a" * 100_000, "b" * 100_000),
        ("\n" * 100_000, " " * 100_000),
    ],
)
def test_a_huge_text_takes_little_time_and_little_room(before: str, after: str) -> None:
    started = time.process_time()
    pieces = text_diff(before, after)
    assert time.process_time() - started < 5
    assert sum(len(piece.text) for piece in pieces) < 2 * LONGEST + 1_000
    assert len(unified(Candidate(before), Candidate(after))) < 25_000


def test_demos_that_came_went_and_moved_are_told_apart() -> None:
    found = change(Candidate("x", (A, B, C)), Candidate("x", (C, A, text_demo("4", "four")))).demos
    assert {(one.kind, one.place, one.was, one.demo.answer) for one in found} == {
        ("removed", 2, 0, "two"),
        ("added", 3, 0, "four"),
        ("moved", 1, 3, "three"),
    }


def test_a_demo_that_stands_twice_is_counted_twice() -> None:
    (found,) = change(Candidate("x", (A,)), Candidate("x", (A, A))).demos
    assert (found.kind, found.place) == ("added", 2)


def test_parameters_that_changed_are_named_with_both_values() -> None:
    before = Candidate("x", parameters={"temperature": 0.7, "seed": 1, "stop": None})
    after = Candidate("x", parameters={"temperature": 0.0, "seed": 1, "top_p": 0.9})
    found = change(before, after).parameters
    assert [(one.name, one.before, one.after) for one in found] == [
        ("stop", "null", None),
        ("temperature", "0.7", "0.0"),
        ("top_p", None, "0.9"),
    ]


def test_unified_shows_lines_demos_and_parameters() -> None:
    before, after = Candidate("One.\nTwo."), Candidate("One.\nThree.", (A,), {"seed": 1})
    lines = unified(before, after).splitlines()
    assert lines[:2] == [f"--- {before.id}", f"+++ {after.id}"]
    assert {"-Two.", "+Three.", "+Answer: one", "+seed: 1"} <= set(lines)
    assert unified(before, before) == ""
