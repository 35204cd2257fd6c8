"""What a search will likely be charged: from the rows' lengths and what answers took so far.

An estimate, and said to be one. Tokens are taken from texts by script, candidates as long as
models write them, each asked the share of rows that races ask. A search may end before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.example import Example, Split
from autoprompt_assets.engine.fields import REVIEW_NAMES
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.lint import longest_instruction
from autoprompt_assets.engine.llm import Asked, Models, Role
from autoprompt_assets.engine.optimizers import Sizes
from autoprompt_assets.engine.search.strategy import longest_question
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend

RACED = 0.5
"""Share of the validation rows that a candidate is asked which is no better, see
`statistics.race.Gate`.
"""
WRITTEN = 800
"""Characters of a prompt that a model writes, where the first is shorter."""
THOUGHT = 150
"""Tokens that the optimizer model writes beside a prompt."""
REVIEW, FREE, LEAST = 40, 200, 4
"""Tokens of a review's answer, of one that may reason, and of the shortest."""
PER_CALL = 10
"""Tokens that a chat template adds."""


@dataclass(frozen=True)
class Estimate:
    """What is likely, and in words what that rests on."""

    spend: Spend
    basis: str


def tokens_of(text: str) -> float:
    """About how many tokens a text has: four ASCII letters make one, other scripts more."""
    size = len(text)
    if text.isascii():
        return size / 4
    wide = sum(character > "\uffff" for character in text)
    middle = sum("\u07ff" < character <= "\uffff" for character in text)
    small = sum("\x7f" < character <= "\u07ff" for character in text)
    return (size - wide - middle - small) / 4 + small / 2 + 0.8 * middle + 2 * wide


def likely(
    spec: ExperimentSpec,
    models: Models,
    rows: Mapping[Split, Sequence[Example]],
    said: Mapping[Role, float],
    earlier: Sequence[Candidate] = (),
) -> Estimate:
    """A whole search: baseline, headroom, every iteration, and the test comparison.

    `said` is the mean of completion tokens by role, where this experiment's searches have had
    answers of the same model. `earlier` are the candidates of the search to re-score.
    """
    found = _Likely(spec, models, rows, said)
    return Estimate(found.search(earlier), found.basis())


class _Likely:
    def __init__(
        self,
        spec: ExperimentSpec,
        models: Models,
        rows: Mapping[Split, Sequence[Example]],
        said: Mapping[Role, float],
    ) -> None:
        self._spec, self._models, self._said = spec, models, said
        texts, tuned = spec.roles.target.texts, spec.roles.target.tuned
        first, names = texts.joined(), models.chat.named(texts)
        self._inputs = {
            split: [_held(row.inputs, names) for row in part] for split, part in rows.items()
        }
        self._targets = [tokens_of(row.target) for part in rows.values() for row in part]
        self._train = [_held(row.inputs, names) + tokens_of(row.target) for row in rows["train"]]
        self._first = tokens_of(first)
        self._reviewed = self._review_share(rows["validation"])
        self._work = spec.optimizer.usual(models.optimizer is not None)
        longest = max(longest_instruction(texts[one], spec.optimizer.longest) for one in tuned)
        limit = min(WRITTEN, longest)
        fixed = self._first - max(tokens_of(texts[one]) for one in tuned)
        # A prompt has no more tokens than the answer that it stood in.
        written = min(limit / 4, said.get("optimizer", limit))
        self._written = max(self._first, written + fixed) if models.optimizer else self._first
        by_size = sorted(rows["train"], key=lambda row: len(row.inputs.text) + len(row.target))
        quarter = len(by_size) // 4
        self._usual = by_size[quarter : len(by_size) - quarter]

    def search(self, earlier: Sequence[Candidate]) -> Spend:
        spec = self._spec
        validation, test = self._inputs["validation"], self._inputs["test"]
        repeated = validation[: spec.headroom.rows]
        share = RACED if spec.optimizer.race else 1.0
        sizes = [_size(one) for one in earlier] or [self._candidate()] * spec.optimizer.total
        spend = Spend()
        for size, inputs in (
            (self._first, validation),
            (self._first, repeated),
            (self._first, test),
        ):
            spend = spend.plus(self._rows(size, inputs, 1.0))
        for size in sizes:
            spend = spend.plus(self._rows(size, validation, share))
        spend = spend.plus(self._rows(fmean(sizes) if sizes else self._first, test, 1.0))
        return spend.plus(self._questions()).plus(self._probes())

    def basis(self) -> str:
        measured = [name for name in self._said if name != "optimizer"]
        known = "as in this experiment's searches so far" if measured else "taken, not measured"
        raced = "half of the rows asked of each candidate, " if self._spec.optimizer.race else ""
        return f"{raced}{self._answer():.0f} tokens an answer, {known}"

    def _rows(self, size: float, inputs: Sequence[float], share: float) -> Spend:
        """One candidate of `size` tokens on a share of rows, and the reviews of its answers."""
        calls = share * len(inputs)
        held = share * sum(inputs)
        answer, review = self._answer(), self._models.review
        spend = _spend(self._models.target, calls, calls * size + held, answer)
        if review is None:
            return spend
        template = review.spec.prompt
        prompt = calls * (tokens_of(template) + answer + fmean(self._targets or [0.0]))
        prompt += held * self._reviewed
        times, said = self._models.most_reviews, self._tokens("review", REVIEW)
        return spend.plus(_spend(review, times * calls, times * prompt, said))

    def _review_share(self, rows: Sequence[Example]) -> float:
        """Tokens of rows in the reviews' prompts, to those in the questions."""
        review, asked = self._models.review, sum(self._inputs["validation"])
        names = self._models.layout.named(review.spec.prompt, REVIEW_NAMES) if review else []
        if not names or not asked:
            return 0.0
        return sum(_held(row.inputs, names) for row in rows) / asked

    def _candidate(self) -> float:
        """Tokens of a candidate: its instruction, and demos where the strategy shows some."""
        work = self._work
        if not work.demos or not self._train:
            return self._written
        each = fmean(self._train) + 2 * PER_CALL
        instruction = self._first if work.share == 1.0 else self._written
        return instruction + work.share * 0.75 * min(work.demos, len(self._train)) * each

    def _questions(self) -> Spend:
        writer = self._models.optimizer
        if writer is None:
            return Spend()
        count = self._work.conversations * self._work.share
        if not count:
            return Spend()
        written, answer, reason = (
            round(4 * tokens) for tokens in (self._written, self._answer(), REVIEW)
        )
        sizes = Sizes(written, answer, reason, (self._spec.optimizer.total + 1) // 2)
        asked = longest_question(self._spec, self._usual, sizes) / 4
        said = self._tokens("optimizer", self._written + THOUGHT)
        return _spend(writer, count, count * asked, said)

    def _probes(self) -> Spend:
        work = self._work
        if not work.probes:
            return Spend()
        rows = self._inputs["train"][: work.probe_rows]
        return self._rows(self._candidate(), rows, work.probes * work.share)

    def _answer(self) -> float:
        choices = self._spec.roles.target.choices
        if choices:
            taken = max(tokens_of(choice_json(choice)) for choice in choices)
        elif self._spec.grading.compares_whole:
            taken = max(LEAST, 1.5 * fmean(self._targets or [0.0]))
        else:
            taken = FREE
        return self._tokens("target", taken)

    def _tokens(self, role: Role, taken: float) -> float:
        """Completion tokens of one answer of `role`: as measured, or as `taken`."""
        settings = getattr(self._spec.roles, role)
        most = settings.completion_limit if settings is not None else None
        return min(self._said.get(role, taken), most or float("inf"))


def _held(inputs: Inputs, names: Sequence[str]) -> float:
    """Tokens that a row puts into a template that names these columns, or after one without."""
    return sum(tokens_of(inputs[name]) for name in names) if names else tokens_of(inputs.text)


def _size(candidate: Candidate) -> float:
    demos = (
        tokens_of(one.inputs.text) + tokens_of(one.answer) + 2 * PER_CALL for one in candidate.demos
    )
    return tokens_of(candidate.instruction) + sum(demos)


def _spend(role: Asked, calls: float, prompt: float, completion: float) -> Spend:
    """`calls` calls with `prompt` tokens in all, and `completion` tokens each."""
    schema = tokens_of(canonical_json(role.response_format)) if role.response_format else 0.0
    asked, said = round(prompt + calls * (PER_CALL + schema)), round(calls * completion)
    usd = role.price.most_usd(asked, said, round(asked / max(calls, 1))) if role.price else 0.0
    return Spend(round(calls), asked, said, usd, 0 if role.price else round(calls))
