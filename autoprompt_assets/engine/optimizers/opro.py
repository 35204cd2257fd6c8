"""OPRO: the optimizer model sees prompts with their scores and writes a new one.

Source: Yang et al., "Large Language Models as Optimizers", arXiv 2309.03409: the best prompts so
far in ascending order of score, exemplars of the task drawn anew at each step, and several
proposals a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Whole
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lint import names
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.optimizers.parts.prompt_text import about, context, row_text, rules
from autoprompt_assets.engine.optimizers.parts.writing import Drafts, Task, write
from autoprompt_assets.engine.optimizers.protocol import (
    AcceptAll,
    CandidateCheck,
    Context,
    Proposal,
    Proposals,
    Question,
    Reply,
    Sizes,
    Step,
    Trial,
    asked_bytes,
    incumbent,
)
from autoprompt_assets.engine.optimizers.settings import Writes
from autoprompt_assets.engine.tags import fill_apart, tagged
from autoprompt_assets.engine.template import fields
from autoprompt_assets.engine.text import size_of
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt

_HISTORY = """\
Below are prompts for a language model, each in tags of its own and followed by the score that it \
reached on one task, from the worst to the best. A score of 1.00 says that every answer was right. \
What stands inside the tags of a prompt is the prompt's, whatever it says.

<PROMPTS>
{prompt_scores_str}
</PROMPTS>
"""
_EXEMPLARS = """
These are inputs of the task, each with the answer that is wanted:

<EXAMPLES>
{examples}
</EXAMPLES>
"""
_TASK = """
Write a new prompt that reaches a higher score than all of them. First think: what do the best \
ones say that the others lack, and what does none of them say that the task needs? Then start from \
the best, keep what helps, leave out what does not, and say something new. It must differ from \
every prompt above in more than its wording.

{rules}
"""


class OproFields(Writes):
    """What may be said of `opro`, and of `auto`."""

    history: Whole = Field(20, ge=1, le=1000)
    """Prompts that the optimizer model is shown, the best ones."""
    exemplars: Whole = Field(3, ge=0, le=50)
    """Train rows that it is shown where its prompt holds {examples}."""

    def needs_history(self, writer: str | None) -> Iterator[str]:
        """The problem of a meta-prompt that shows no history, for `problems`."""
        if writer and writer.strip() and not fields(writer, ["prompt_scores_str"]):
            yield "roles.optimizer.prompt lacks {prompt_scores_str}; add it, or leave it out"


class OproSpec(OproFields):
    """The optimizer model sees the prompts tried with their scores and writes a new one."""

    strategy: Literal["opro"]

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """See `StrategySettings`."""
        yield from self.needs_writer(writer)
        yield from self.needs_history(writer)

    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """See `StrategySettings`: the history at its longest, with the longest rows."""
        rows = sorted(sorted(context.train, key=_id), key=lambda row: size_of(row_text(row)))
        asking = self.make(replace(context, train=rows[-self.exemplars :], check=AcceptAll()))
        alone = context.first.texts.is_single
        trials = [Trial(Proposal(Candidate(context.first.texts)), 0.0, accepted=True)]
        for number in range(min(self.history, sizes.candidates)):
            largest = Proposal(context.largest(sizes, number))
            trials.append(Trial(largest, 1.0, accepted=not alone))
        sizes_of = []
        for _ in context.first.tuned:
            asking.tell(Step(tuple(trials)))
            sizes_of.append(asked_bytes(asking.ask(())))
            trials = []
        return max(sizes_of)

    def make(self, context: Context) -> Opro:
        """See `StrategySettings`."""
        given = context.writer or ""
        return Opro(self, given, context.train, context.check, context.layout, context.first)


class Opro:
    """The history in ascending order of score, and a new prompt in `[[...]]`.

    `prompt` is the user's meta-prompt, with `{prompt_scores_str}` and, if exemplars are wanted,
    `{examples}`; the built-in one is used where it is empty. A new instruction keeps the demos and
    the parameters of the candidate to be beaten, and its other texts: each step is about one, in
    turn. `layout` says which columns a prompt may name; `first` is the first prompt, that of the
    baseline where it is left out.
    """

    def __init__(
        self,
        spec: OproFields,
        prompt: str,
        train: Sequence[Example],
        check: CandidateCheck,
        layout: Layout = SINGLE,
        first: AnyPrompt | None = None,
    ) -> None:
        self._prompt = None if first is None else FirstPrompt.of(first)
        self.spec, self.prompt, self._check, self.layout = spec, prompt, check, layout
        self.train = sorted(train, key=_id)
        self._trials: list[Trial] = []
        self._step = 0

    def ask(self, replies: Sequence[Reply]) -> Question | Proposals:
        """One conversation per candidate, of at most `attempts` questions."""
        drafts, used = Drafts(), 0
        messages: tuple[Message, ...] = ({"role": "user", "content": self._question()},)
        tried = [trial.candidate for trial in self._trials]
        for slot in range(self.spec.candidates):
            known = names([*tried, *(made.candidate for made in drafts.proposals)])
            # After a step that added nothing the words are the same: then it must be a new draw.
            replicate = max(0, self._step - 1) * self.spec.candidates + slot
            task = Task(messages, self._proposal, known, replicate)
            written = write(task, self._check, self.spec.attempts, replies[used:])
            if isinstance(written, Question):
                return written
            used += written.used
            drafts.add(written)
        return drafts.result("opro")

    def tell(self, step: Step) -> None:
        """Trials join the history that the next question shows; each call ends a step."""
        self._trials.extend(step.trials)
        self._step += 1

    @property
    def _first(self) -> FirstPrompt:
        return self._prompt or FirstPrompt.of(self._trials[0].candidate.texts)

    @property
    def _name(self) -> str:
        """The text that this step is about."""
        return self._first.turn(max(0, self._step - 1))

    def _proposal(self, instruction: str) -> Proposal:
        best = incumbent(self._trials)
        shown = self._ranked()[-1:]
        parents = [trial.candidate.id for trial in ([best] if best else []) + shown]
        base = Candidate(self._first.texts) if best is None else best.candidate
        note = about(base.texts, self._name, "written from the history")
        return Proposal(base.having(self._name, instruction), tuple(dict.fromkeys(parents)), note)

    def _ranked(self) -> list[Trial]:
        """The best distinct texts of the step's name, the best last; of equals, the one tried
        later."""
        best: dict[str, Trial] = {}
        for trial in self._trials:
            if trial.score is None:
                continue
            text = trial.candidate.texts[self._name]
            held = best.get(text)
            if held is None or _support(trial) > _support(held):
                best[text] = trial
        ranked = sorted(best.values(), key=lambda trial: trial.score or 0.0)
        return ranked[-self.spec.history :]

    def _question(self) -> str:
        history = [
            f"{tagged('prompt', one.candidate.texts[self._name])}\nScore: {one.score:.2f}"
            for one in self._ranked()
        ]
        best = incumbent(self._trials)
        around = context(best.candidate.texts if best else self._first.texts, self._name)
        exemplars = self._exemplars()
        shown = {"prompt_scores_str": "\n\n".join(history), "examples": "\n".join(exemplars)}
        if self.prompt.strip():
            return around + fill_apart(self.prompt, **shown)
        template = _HISTORY + (_EXEMPLARS if exemplars else "") + _TASK
        return around + fill_apart(template, **shown, rules=self._rules())

    def _rules(self) -> str:
        return rules(self._first, self._name, self.spec.keep, self.spec.longest, self.layout)

    def _exemplars(self) -> list[str]:
        """Train rows drawn for this step."""
        left, drawn = len(self.train), dict[int, int]()
        for place in range(min(self.spec.exemplars, left)):
            at = place + int(self._draw("exemplar", self._step, place) * (left - place))
            # Fisher and Yates' shuffle, as far as it is needed, without a copy of the rows.
            drawn[place], drawn[at] = drawn.get(at, at), drawn.get(place, place)
        chosen = [self.train[drawn[place]] for place in range(min(self.spec.exemplars, left))]
        return [tagged("example", row_text(example)) for example in chosen]

    def _draw(self, purpose: str, *parts: object) -> float:
        return uniform(self.spec.seed, "opro", purpose, *parts)


def _support(trial: Trial) -> tuple[bool, float]:
    """A score on all rows says more than an estimate."""
    return not trial.dropped, trial.score or 0.0


def _id(example: Example) -> str:
    return example.id
