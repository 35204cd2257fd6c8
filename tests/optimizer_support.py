"""What tests of strategies share: judges, trials, and a search on a simulated landscape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example, Split
from autoprompt_assets.engine.grading import ExactGrader
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.lint.rules import alike
from autoprompt_assets.engine.optimizers import (
    Answer,
    CandidateCheck,
    Feedback,
    Optimizer,
    Probe,
    Proposal,
    Proposals,
    Question,
    Reply,
    Step,
    Trial,
)
from autoprompt_assets.engine.optimizers.protocol import incumbent
from autoprompt_assets.engine.statistics import Gate, Pairs, looks
from tests.benchmarks.simulated.forms import write_prompt
from tests.benchmarks.simulated.landscape import Landscape
from tests.benchmarks.simulated.proposer import propose
from tests.benchmarks.simulated.reading import Reader, answer
from tests.row_support import text_example

Strategy = TypeVar("Strategy", bound=Optimizer)
BASELINE = Candidate("Solve it.")
TRAIN = [
    text_example(f"e{number}", f"i{number}", f"text {number}", "abc"[number % 3], "train")
    for number in range(30)
]


class Lenient:
    """Refuses repetitions, what is empty, and instructions that hold one of `words`."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        if not any(letter.isalnum() for letter in candidate.instruction):
            return "the prompt is empty"
        if candidate.id in known or alike(candidate) in known:
            return "that prompt was tried before"
        found = next((word for word in self._words if word in candidate.instruction), "")
        return f"it says {found}" if found else ""


def trial(
    instruction: str | Candidate,
    score: float | None,
    values: Mapping[str, float] | str = "",
    *parents: str,
    accepted: bool = False,
    dropped: bool = False,
) -> Trial:
    """A trial; `values` may be digits: one row each, "r0", "r1", …; another sign skips a row."""
    candidate = instruction if isinstance(instruction, Candidate) else Candidate(instruction)
    if isinstance(values, str):
        values = {f"r{n}": float(sign) for n, sign in enumerate(values) if sign.isdigit()}
    proposal = Proposal(candidate, tuple(Candidate(parent).id for parent in parents))
    return Trial(proposal, score, values, accepted, dropped)


def baseline(score: float | None = 0.5, values: str = "") -> Step:
    """The step that a search begins with."""
    return Step((trial(BASELINE, score, values, accepted=True),))


def told(subject: Strategy, *steps: Step) -> Strategy:
    for step in steps:
        subject.tell(step)
    return subject


def replied(replies: Iterable[Reply | str]) -> list[Reply]:
    """Replies, of which texts are answers without a problem."""
    return [Answer(reply) if isinstance(reply, str) else reply for reply in replies]


def asked(subject: Optimizer, *replies: Reply | str) -> Question:
    found = subject.ask(replied(replies))
    assert isinstance(found, Question)
    return found


def probed(subject: Optimizer, *replies: Reply | str) -> Probe:
    found = subject.ask(replied(replies))
    assert isinstance(found, Probe)
    return found


def proposed(subject: Optimizer, *replies: Reply | str) -> Proposals:
    found = subject.ask(replied(replies))
    assert isinstance(found, Proposals)
    return found


def instructions(found: Proposals) -> list[str]:
    return [proposal.candidate.instruction for proposal in found.proposals]


def text_of(question: Question) -> str:
    return "\n".join(message["content"] for message in question.messages)


@dataclass
class World:
    """A landscape without HTTP: both models, train and validation rows, and the race."""

    landscape: Landscape
    rows: int = 150
    replies: list[Reply] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def __post_init__(self) -> None:
        self._reader, self._gate = Reader(self.landscape), Gate()
        self.train = self._examples("train", 50)
        self.validation = self._examples("validation", self.rows)
        self.known = {example.id: example for example in self.train}

    def answer(self, reply_to: Question | Probe) -> Reply:
        """What the optimizer model writes, or what became of train rows."""
        if isinstance(reply_to, Probe):
            return tuple(self._feedback(reply_to.candidate, self.known[k]) for k in reply_to.rows)
        self.calls += 1
        text = "\n".join(message["content"] for message in reply_to.messages)
        key = content_hash([*reply_to.messages])
        made = propose(self.landscape, reply_to.messages, self.asked[key])
        self.asked[key] += 1
        return Answer(write_prompt(text, None, made))

    def baseline(self) -> Step:
        first = Candidate(self.landscape.first_prompt)
        return Step((self._trial(Proposal(first), None),))

    def compete(self, proposals: Sequence[Proposal], trials: Sequence[Trial]) -> tuple[Trial, ...]:
        """As `engine.search.iteration` has them scored."""
        best, made = incumbent(trials), list[Trial]()
        for proposal in proposals:
            made.append(self._trial(proposal, best))
            best = incumbent(made) or best
        return tuple(made)

    def true_score(self, candidate: Candidate) -> float:
        demos = [(demo.inputs.text, demo.answer) for demo in candidate.demos]
        return self.landscape.true_score(candidate.instruction, demos, candidate.parameters)

    def _trial(self, proposal: Proposal, best: Trial | None) -> Trial:
        values: dict[str, float] = {}
        pairs = Pairs()
        for start, end in pairwise((0, *looks(self.rows))):
            for example in self.validation[start:end]:
                values[example.id] = self._feedback(proposal.candidate, example).value or 0.0
                pairs.add(best.values[example.id] if best else 0.0, values[example.id])
            if best and self._gate.drops(pairs, self.rows):
                score = min(1.0, max(0.0, (best.score or 0.0) + pairs.difference))
                return Trial(proposal, score, values, dropped=True)
        accepted = best is None or self._gate.accepts(pairs)[0]
        return Trial(proposal, sum(values.values()) / len(values), values, accepted)

    def _feedback(self, candidate: Candidate, example: Example) -> Feedback:
        self.calls += 1
        messages = candidate.messages(example.inputs, as_choice=False)
        prompt, row = self._reader.read(messages)
        said = answer(self.landscape, prompt, row, candidate.parameters)
        right = said == example.target
        return Feedback(example, said, "correct" if right else "wrong", float(right), "")

    def _examples(self, split: Split, count: int) -> list[Example]:
        rows = self.landscape.rows(count, 1 if split == "train" else 2)
        return [text_example(f"{split}{n}", f"{n}", *row, split) for n, row in enumerate(rows)]


def search(
    world: World, subject: Optimizer, steps: int, strategy: str
) -> tuple[list[Step], list[list[Reply]]]:
    """The steps of a search, the baseline's first, and the replies that each took."""
    history, replies = [world.baseline()], [list[Reply]()]
    subject.tell(history[0])
    for _ in range(steps):
        given: list[Reply] = []
        found = subject.ask(given)
        while not isinstance(found, Proposals):
            given.append(world.answer(found))
            found = subject.ask(given)
        trials = [one for step in history for one in step.trials]
        history.append(Step(world.compete(found.proposals, trials), strategy))
        replies.append(given)
        subject.tell(history[-1])
    return history, replies


def scores(world: World, history: Sequence[Step]) -> list[float]:
    """The true score of the candidate to be beaten, after each step."""
    found, trials = [], list[Trial]()
    for step in history:
        trials += step.trials
        best = incumbent(trials)
        assert best is not None
        found.append(world.true_score(best.candidate))
    return found


def judge_of(world: World) -> CandidateCheck:
    """The judge of a search on `world`."""
    grader = ExactGrader(kind="exact")
    return Lint(world.landscape.first_prompt, world.train, grader)
