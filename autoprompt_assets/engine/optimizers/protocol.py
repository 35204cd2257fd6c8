"""What every strategy speaks: ask and tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Outcome
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.tags import room_for_numbers
from autoprompt_assets.engine.text import size_of
from autoprompt_assets.engine.texts import FirstPrompt


@dataclass(frozen=True)
class Proposal:
    """A candidate to try, the candidates it came from, and a word on how."""

    candidate: Candidate
    parents: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Rejected:
    """A proposal that no call was spent on, and why."""

    proposal: Proposal
    reason: str


@dataclass(frozen=True)
class Proposals:
    """The candidates of one iteration; none, with a `reason`, when none could be had.

    `strategy` is who proposed them; `rejected` are those that were written and not proposed.
    """

    proposals: tuple[Proposal, ...]
    reason: str = ""
    rejected: tuple[Rejected, ...] = ()
    strategy: str = ""


@dataclass(frozen=True)
class Question:
    """What the optimizer model must be asked before `ask` can go on. The reply is an `Answer`."""

    messages: tuple[Message, ...]
    replicate: int = 0


@dataclass(frozen=True)
class Probe:
    """A candidate that must be tried on some train rows before `ask` can go on.

    The reply is a `Feedback` per row, in the order of `rows`, which are ids of train examples.
    """

    candidate: Candidate
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Feedback:
    """What became of one train row: enough to tell what went wrong."""

    example: Example
    answer: str
    """The model's text; empty where it gave none."""
    outcome: Outcome
    value: float | None
    """`None` when it has no grade."""
    reason: str
    """The review model's words, or the grader's; may be empty."""


@dataclass(frozen=True)
class Answer:
    """What the optimizer model wrote."""

    text: str
    problem: str = ""
    """Why the text cannot be used whatever it holds: "it was cut off at max_tokens"."""


Reply = Answer | tuple[Feedback, ...]
Ask = Question | Probe | Proposals


@dataclass(frozen=True)
class Trial:
    """A candidate and how it did on validation.

    `score` is `None` when it cannot be selected. Where the race dropped it, that is the
    incumbent's score plus their difference on the rows that both saw. `values` holds the grades of
    (at most the first thousand) validation rows by example id, those without a grade left out.
    """

    proposal: Proposal
    score: float | None
    values: Mapping[str, float] = field(default_factory=dict)
    accepted: bool = False
    """It is better than the incumbent, by evidence, and took its place."""
    dropped: bool = False
    """It did not see all rows."""

    @property
    def candidate(self) -> Candidate:
        """The candidate that was tried."""
        return self.proposal.candidate


@dataclass(frozen=True)
class Step:
    """One iteration that ended: whose candidates, how they did, and what it cost."""

    trials: tuple[Trial, ...]
    strategy: str = ""
    calls: int = 0


@dataclass(frozen=True)
class Sizes:
    """How much a question to the optimizer model shows of what is not written yet.

    `instruction`, `answer` and `reason` are bytes, of each; `candidates` is how many there will be.
    """

    instruction: int
    answer: int
    reason: int
    candidates: int

    def prompt(self, number: int = 0) -> str:
        """An instruction of that size, another one for each number."""
        return f"{number:06d}\n".ljust(self.instruction, "x")

    @staticmethod
    def text(size: int) -> str:
        """A text of `size` bytes or a few more, in the fewest characters: cuts count those."""
        return "\U0001f600" * -(-size // 4)


class CandidateCheck(Protocol):
    """Looks at a candidate before any call is spent on it."""

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        """Why it cannot be used, in words for its writer; empty when it can.

        `known` are the ids of candidates that were proposed before.
        """


class AcceptAll:
    """The check of a search whose candidates were looked at before."""

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        """None."""
        return ""


@dataclass(frozen=True)
class Work:
    """What a strategy has a search do beside the evaluation of its candidates, over all iterations.

    `conversations` with the optimizer model have up to `attempts` questions each. `probes` are
    candidates tried on `probe_rows` train rows each. A candidate shows up to `demos` demos. An
    estimate takes `share` of all that, where strategies take turns.
    """

    conversations: int = 0
    attempts: int = 1
    probes: int = 0
    probe_rows: int = 0
    demos: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class Context:
    """What a strategy is made from, beside its settings.

    `layout` says which columns a prompt may name. `writer` is the prompt of the role `optimizer`,
    `None` without an optimizer model. `own` are the request fields of the role `target`. `earlier`
    are the proposals, step by step, of the search that it repeats.
    """

    first: FirstPrompt
    train: Sequence[Example]
    check: CandidateCheck = field(default_factory=AcceptAll)
    layout: Layout = SINGLE
    writer: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    earlier: Sequence[Sequence[Proposal]] = ()

    def largest(self, sizes: Sizes, number: int = 0) -> Candidate:
        """The first prompt with texts as long as they may be; another one for each number."""
        texts = self.first.texts
        for name in self.first.tuned:
            texts = texts.having(name, sizes.prompt(number))
        return Candidate(texts)


class Optimizer(Protocol):
    """A strategy. It sees train and validation, never files, endpoints or the test split."""

    def ask(self, replies: Sequence[Reply]) -> Ask:
        """The next step's candidates.

        `replies` answer this step's questions and probes so far, in order; while more are needed,
        the next question or probe is returned. Asking twice with the same replies gives the same.
        """

    def tell(self, step: Step) -> None:
        """How the candidates of a step did. The first step told is the baseline, accepted."""


def incumbent(trials: Sequence[Trial]) -> Trial | None:
    """The candidate that is to be beaten: the one accepted last."""
    return next((trial for trial in reversed(trials) if trial.accepted), None)


def asked_bytes(asked: Ask) -> int:
    """The UTF-8 bytes of a question, whatever numbers its tags need; 0 of what is none."""
    messages = asked.messages if isinstance(asked, Question) else ()
    texts = [str(message["content"]) for message in messages]
    return sum(size_of(text) + room_for_numbers(text) for text in texts)
