"""What tests of the report share: scored candidates, and a search that has all there can be."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.optimizers import Proposal, Rejected
from autoprompt_assets.engine.report import ComparedRow, Report
from autoprompt_assets.engine.search import Decision, Iteration, Scored, TestOutcome, select
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Headroom, compare, level_of, measure_headroom
from tests.row_support import text_demo

SPEND = Spend(150, 30_000, 9_000, 0.0123)
FIRST = "Name the shape."
ROWS = 150
VOID = {"meta", "line", "circle", "polyline", "br"}


class Page(HTMLParser):
    """The parsed page: its elements in order, its texts, and what is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of_class(self, name: str) -> int:
        return sum(name in (attrs.get("class") or "").split() for _, attrs in self.tags)

    @property
    def said(self) -> str:
        """The text with its white space as one space."""
        return " ".join(self.text.split())


def parse(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.stack
    return page


def summary(correct: int, rows: int = ROWS) -> Summary:
    return Summary.of({"correct": correct, "wrong": rows - correct}, float(correct), SPEND)


def first(correct: int = 60) -> Scored:
    proposal = Proposal(Candidate(FIRST), (), "the first prompt")
    numbers = summary(correct)
    return Scored(proposal, numbers, True, "baseline", "", numbers.score)


def scored(
    candidate: Candidate | str,
    correct: int,
    decision: Decision = "survived",
    parents: Sequence[Candidate | str] = (FIRST,),
    why: str = "better on 20 and worse on 15 of 150 rows: one-sided p = 0.25, above 0.05",
) -> Scored:
    """A candidate on all rows; its parents are candidates, or instructions of candidates."""
    proposal = Proposal(of(candidate), tuple(of(parent).id for parent in parents), "written")
    numbers = summary(correct)
    return Scored(proposal, numbers, True, decision, why, numbers.score)


def dropped(
    candidate: Candidate | str,
    correct: int,
    rows: int,
    estimate: float,
    parents: Sequence[Candidate | str] = (FIRST,),
) -> Scored:
    """A candidate that has seen `rows` only."""
    proposal = Proposal(of(candidate), tuple(of(parent).id for parent in parents), "written")
    why = f"better on 2 and worse on 6 of {rows} rows, {ROWS - rows} left: it cannot pass"
    return Scored(proposal, summary(correct, rows), True, "dropped", why, estimate)


def of(candidate: Candidate | str) -> Candidate:
    return Candidate(candidate) if isinstance(candidate, str) else candidate


def step(
    number: int, *tried: Scored, answers: Sequence[str] = (), rejected: Sequence[Rejected] = ()
) -> Iteration:
    return Iteration(number, "scored", "", tried, tuple(answers), SPEND, "reflect", tuple(rejected))


def outcome_of(wins: int, losses: int, same: int = 60, reading: int = 1) -> TestOutcome:
    before = [0.0] * wins + [1.0] * (losses + same)
    after = [1.0] * wins + [0.0] * losses + [1.0] * same
    comparison = compare(zip(before, after, strict=True), level_of(reading))
    rows = len(before)
    sides = summary(losses + same, rows), summary(wins + same, rows)
    return TestOutcome(*sides, comparison, reading)


def rows_of(wins: int, losses: int) -> list[ComparedRow]:
    lost = [
        ComparedRow("l", f"lost {i}", "A", "A", None, "correct", "truncated", 1.0, 0.0)
        for i in range(losses)
    ]
    won = [
        ComparedRow(f"w{i}", f"won {i}", "(B)", "(C)", "(B)", "wrong", "correct", 0.0, 1.0)
        for i in range(wins)
    ]
    same = [
        ComparedRow("s1", "same right", "(A)", "(A)", "(A)", "correct", "correct", 1.0, 1.0),
        ComparedRow("s2", "same wrong", "(A)", "(B)", "(C)", "wrong", "wrong", 0.0, 0.0),
        ComparedRow("s3", "not measured", "(A)", None, "(A)", "error", "correct", None, 1.0),
    ]
    return lost + won + same


def room(right: int = 60, test_rows: int = 96) -> Headroom:
    """What the first prompt leaves to win, with one answer in ten that changes."""
    values = [1.0] * right + [0.0] * (ROWS - right)
    repeats = [(1.0, 0.0)] * 3 + [(1.0, 1.0)] * 27
    return measure_headroom(values, repeats, test_rows)


def report_of(
    baseline: Scored,
    iterations: Sequence[Iteration],
    outcome: TestOutcome,
    rows: Sequence[ComparedRow],
) -> Report:
    """The report of a search that selects as searches do."""
    names = ("geometric-shapes", "Name the shape.", "0123456789ab", "0123456789abcdef")
    sizes, roles = {"train": 50, "test": 100}, {"target": "gpt-4.1-mini at openai"}
    best = select(baseline, iterations)
    run = (sizes, roles, "choice", "opro")
    return Report(*names, *run, baseline, room(), iterations, best, outcome, rows, SPEND)


DEMO = text_demo("M 0,0 L 2,0 L 2,2 L 0,2 L 0,0", "(B) square")
COUNT = (
    "You are shown the path element of an SVG and a list of options. Name the shape that the path "
    "draws.\n\nCount the vertices first: a point that the path comes back to is one vertex, not "
    "two. Then compare the count with the options.\n\nAnswer with the letter of the option only."
)
ARCS = COUNT.replace("Count the vertices first", "Look for arcs (A) first, then count the vertices")
CAREFUL = COUNT.replace(" only.", ", and nothing else. If two options fit, take the regular one.")
MERGED = ARCS.replace(" only.", ", and nothing else. If two options fit, take the regular one.")
SHORT = Candidate(MERGED, (DEMO,), {"temperature": 0.0})
TWO = Candidate(MERGED, (text_demo("M 1,1 A 3,3", "(A) circle"), DEMO), {"max_tokens": 64})
FINAL = Candidate(
    MERGED.replace("one vertex, not two", "one vertex"), (DEMO, *TWO.demos[:1]), {"max_tokens": 64}
)


def story() -> list[Iteration]:
    """Fifteen candidates in seven iterations: drops, rejections, a merge, demos, parameters."""
    leak = Rejected(
        Proposal(Candidate("If the path is 'M 12,3 L 4,5', answer (F)."), (Candidate(COUNT).id,)),
        "the instruction holds the text of 1 validation row: `M 12,3 L 4,5`",
    )
    known = Rejected(Proposal(Candidate("name the shape"), (), "again"), "it was tried before")
    return [
        step(
            1,
            scored("Think.", 66),
            dropped("Answer in French.", 1, 8, 0.0),
            scored(
                COUNT, 84, "accepted", why="better on 34 and worse on 10 of 150 rows: p = 0.0002"
            ),
            answers=["I would count:\n[[" + COUNT + "]]"],
        ),
        step(
            2,
            scored(ARCS, 93, parents=(COUNT,)),
            dropped(COUNT.upper(), 11, 27, 0.41, parents=(COUNT,)),
            scored(CAREFUL, 90, parents=(COUNT,)),
            rejected=(leak, known),
        ),
        step(
            3,
            scored(
                MERGED, 102, "accepted", (ARCS, CAREFUL), "better on 30 and worse on 12: p = 0.004"
            ),
            dropped("Guess.", 5, 18, 0.33, parents=(ARCS,)),
        ),
        Iteration(4, "unusable", "no usable answer: it is empty", (), ("",), SPEND, "reflect"),
        step(5, scored(SHORT, 104, parents=(MERGED,)), scored(TWO, 108, parents=(MERGED,))),
        step(
            6,
            dropped(Candidate(COUNT, (DEMO,)), 20, 41, 0.6, parents=("of another search",)),
            scored("תאר את הצורה: מנה את הקודקודים תחילה.", 70, parents=("Think.",)),
            scored(
                FINAL,
                117,
                "accepted",
                (TWO, SHORT, MERGED),
                "better on 21 and worse on 6: p = 0.003",
            ),
        ),
        step(
            7,
            scored("x" * 400, 40, parents=(FINAL,)),
            dropped("<script>alert(1)</script>", 3, 12, 0.5),
        ),
    ]
