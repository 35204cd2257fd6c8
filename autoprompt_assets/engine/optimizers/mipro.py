"""Instructions, demo sets and request parameters, searched together.

Source: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language
Model Programs", arXiv 2406.11695 (MIPROv2), with Optuna's TPE as there. Other than there,

* every second place of a step is given to a new instruction until `spec.instructions` are written,
  and each is proposed in the step that asked for it, beside the demos and parameters to be beaten.
  So nothing that was written is lost when a search is resumed, and the later ones start from the
  best prompt so far;
* request parameters are axes of the same space;
* instructions and accepted demo sets of other strategies join it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Whole
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.lint import names
from autoprompt_assets.engine.optimizers.parts.demo_sampling import balanced, demo_sets
from autoprompt_assets.engine.optimizers.parts.observed import observations, promising, ranked
from autoprompt_assets.engine.optimizers.parts.prompt_text import about, context, row_text
from autoprompt_assets.engine.optimizers.parts.space import Point, Space, with_own
from autoprompt_assets.engine.optimizers.parts.tpe import suggestions
from autoprompt_assets.engine.optimizers.parts.tunable import Tunable
from autoprompt_assets.engine.optimizers.parts.writing import Task, write
from autoprompt_assets.engine.optimizers.protocol import (
    AcceptAll,
    CandidateCheck,
    Context,
    Proposal,
    Proposals,
    Question,
    Rejected,
    Reply,
    Sizes,
    Step,
    Trial,
    Work,
    asked_bytes,
    incumbent,
)
from autoprompt_assets.engine.optimizers.settings import Shows
from autoprompt_assets.engine.tags import tagged
from autoprompt_assets.engine.template import fill
from autoprompt_assets.engine.text import size_of
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt

NAME = "mipro"
TRIES = 32
"""Draws for one place of a step before any untried point will do."""
SHOWN_ROWS = 6
"""Train rows in a question."""
TIPS = (
    ("form", "Say exactly in which form the answer is to be given."),
    ("hard cases", "Think of the cases that are hard to decide, and say how to decide them."),
    ("short", "Be brief: say all that matters in few words."),
    ("meaning", "Say what each possible answer stands for, and what tells it from the others."),
    ("steps", "Say how to go about it, one step after the other."),
    ("detail", "Describe the task in more detail, from what the rows have in common."),
    ("expert", "Say what an expert in this field would look at first."),
    ("care", "Say what is at stake, and what to check before answering."),
)

_QUESTION = """\
A language model is given a prompt, and then one input at a time. Write a better prompt for it.

Some inputs, each with its target:

{rows}

{prompts}

Tip: {tip}

The new prompt must hold for every input of this kind, so do not repeat the inputs above. Keep \
what the prompt says about the form of the answer, and the placeholder of the input, if it has \
one. Nothing else is filled in; a name in braces takes spaces inside: { name }. Write the new \
prompt inside [[ and ]], and nothing after it."""


class MiproFields(Shows):
    """What may be said of `mipro`, and of `auto`."""

    asks: ClassVar[bool] = True

    attempts: Whole = Field(3, ge=1, le=10)
    """Questions to the optimizer model for one instruction before it is given up."""
    instructions: Whole = Field(4, ge=0, le=50)
    """Instructions that the optimizer model writes, where there is one."""
    demo_sets: Whole = Field(8, ge=1, le=100)
    """Sets of demos that are drawn from train rows."""
    parameters: Tunable = Field(default_factory=dict)
    """Request fields to tune and the values to try: `temperature: [0, 0.7]`."""

    @property
    def tuned(self) -> Mapping[str, tuple[JsonValue, ...]]:
        """See `StrategySettings`."""
        return self.parameters


class MiproSpec(MiproFields):
    """Instructions, sets of demos and request parameters, searched together."""

    strategy: Literal["mipro"]

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """See `StrategySettings`."""
        yield from self.needs_rows(train, "takes demos from there")

    def most(self, writes: bool) -> Work:
        """See `StrategySettings`: every second candidate has an instruction written."""
        written = min(self.instructions, (self.total + 1) // 2) if writes else 0
        return Work(written, self.attempts, demos=self.demos)

    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """See `StrategySettings`: the longest rows, beside the first and a best prompt."""
        if not self.instructions:
            return 0
        rows = sorted(context.train, key=lambda row: size_of(row_text(row)))
        best = Trial(Proposal(context.largest(sizes)), 1.0, accepted=True)
        longest = max(size_of(tip) for _, tip in TIPS) - size_of(TIPS[0][1])
        asked = []
        for name in context.first.tuned:
            alone = FirstPrompt(context.first.texts, (name,))
            asking = Mipro(self, alone, rows[-SHOWN_ROWS:], AcceptAll(), writes=True)
            asking.tell(Step((best,)))
            asked.append(asked_bytes(asking.ask(())) + longest)
        return max(asked)

    def make(self, context: Context) -> Mipro:
        """See `StrategySettings`."""
        writes = context.writer is not None
        return Mipro(self, context.first, context.train, context.check, writes, context.own)


class Mipro:
    """Draws points of the space by TPE, and has new instructions written in between.

    `first` is the first prompt, of which a question is about one text, in turn; `own` the target
    role's own request fields: a parameter's value that is equal to the role's is no value of its
    own. `writes`: there is an optimizer model.
    """

    def __init__(
        self,
        spec: MiproFields,
        first: AnyPrompt,
        train: Sequence[Example],
        check: CandidateCheck,
        writes: bool,
        own: Mapping[str, Any] | None = None,
    ) -> None:
        self.spec, self._check, self._writes = spec, check, writes
        self._prompt = FirstPrompt.of(first)
        self.first = self._prompt.texts
        self.train = {example.id: example for example in train}
        self._drawn = demo_sets(train, spec.demo_sets, spec.demos, spec.seed)
        self._parameters = with_own(spec.parameters, own or {})
        self._refused: list[Rejected] = []
        self._given = [self.first]
        for wording in dict.fromkeys(spec.wordings):
            texts = self.first.having(self._prompt.tuned[0], wording)
            problem = check.problem(Candidate(texts), names(map(Candidate, self._given)))
            if problem:
                self._refused.append(Rejected(Proposal(Candidate(texts), (), "given"), problem))
            else:
                self._given.append(texts)
        self._trials: list[Trial] = []
        self._step = self._turn = 0

    def ask(self, replies: Sequence[Reply]) -> Question | Proposals:
        """The step's candidates; each written instruction is asked for in a conversation."""
        left = list(replies)
        made: list[Proposal] = []
        rejected = list(self._refused) if self._turn == 0 else []
        for slot in range(self.spec.candidates):
            number = self._number(slot)
            written = None if number is None else self._write(number, left, made, rejected)
            if isinstance(written, Question):
                return written
            proposal = written or self._combine(slot, made)
            if proposal is not None:
                made.append(proposal)
        reason = "" if made else "every combination was tried before"
        return Proposals(tuple(made), reason, tuple(rejected), NAME)

    def tell(self, step: Step) -> None:
        """Trials are what TPE learns from; each call ends a step, whoever's it was."""
        self._trials.extend(step.trials)
        self._step += 1
        self._turn += step.strategy == NAME

    def _number(self, slot: int) -> int | None:
        """Which text of all that are written this place is for; `None` where it is for none."""
        number, odd = divmod(self._turn * self.spec.candidates + slot, 2)
        if odd or not self._writes or number >= self.spec.instructions:
            return None
        return number

    def _write(
        self,
        number: int,
        left: list[Reply],
        made: Sequence[Proposal],
        rejected: list[Rejected],
    ) -> Question | Proposal | None:
        """A new instruction with the demos and parameters to be beaten, or the next question."""
        best, name, tip = self._best(), self._prompt.turn(number), TIPS[number % len(TIPS)]
        note = about(self.first, name, f"written with the tip {tip[0]!r}")
        task = Task(
            ({"role": "user", "content": self._question(name, tip)},),
            lambda text: Proposal(Candidate(best.texts.having(name, text)), (best.id,), note),
            names(Candidate(best.texts.having(name, one)) for one in self._space(made).texts[name]),
        )
        written = write(task, self._check, self.spec.attempts, left)
        if isinstance(written, Question):
            return written
        del left[: written.used]
        rejected.extend(written.rejected)
        return self._equipped(written.proposal, best, made) if written.proposal else None

    def _equipped(self, proposal: Proposal, best: Candidate, made: Sequence[Proposal]) -> Proposal:
        """The new instruction with the demos and parameters of `best`."""
        candidate = Candidate(proposal.candidate.texts, best.demos, best.parameters)
        space = self._space([*made, Proposal(candidate)])
        point = space.point(candidate)
        note = f"{proposal.note}: {space.words(point)}" if point else proposal.note
        return Proposal(candidate, proposal.parents, note)

    def _question(self, name: str, tip: tuple[str, str]) -> str:
        place = (self.spec.seed, self._step, tip[0])
        chosen = balanced(self.train, SHOWN_ROWS, lambda what, key: uniform(*place, what, key))
        examples = [self.train[key] for key in chosen]
        rows = "\n\n".join(tagged("case", row_text(one)) for one in examples)
        texts, first = self._best().texts, self.first[name]
        best = texts[name]
        prompts = f"The first prompt:\n\n{tagged('first_prompt', first)}"
        if best != first:
            prompts += f"\n\nThe best prompt so far:\n\n{tagged('best_prompt', best)}"
        return context(texts, name) + fill(_QUESTION, rows=rows, prompts=prompts, tip=tip[1])

    def _combine(self, slot: int, made: Sequence[Proposal]) -> Proposal | None:
        """A point that was not tried: as TPE draws it, or else the next one from a drawn place."""
        space = self._space()
        known = [*(trial.candidate for trial in self._trials), *(one.candidate for one in made)]
        tried = {point for point in map(space.point, known) if point}
        if len(tried) == space.size:
            return None
        place = (self.spec.seed, self._step, slot)
        axes = promising(space, self._trials, self._best().texts, self._given)
        drawn = suggestions(axes, observations(space, self._trials), _seed("tpe", *place))
        for _ in range(TRIES):
            point = next(drawn)
            if point not in tried:
                return self._proposal(space, point)
        number = int(uniform("rest", *place) * space.size)
        while space.at(number) in tried:
            number = (number + 1) % space.size
        return self._proposal(space, space.at(number))

    def _proposal(self, space: Space, point: Point) -> Proposal:
        candidate = space.candidate(point)
        return Proposal(candidate, self._parents(candidate), space.words(point))

    def _parents(self, candidate: Candidate) -> tuple[str, ...]:
        """The best trials with the same instruction and with the same demos, or the incumbent."""
        tried = ranked(self._trials)
        worded = [one for one in tried if one.candidate.texts == candidate.texts]
        shown = [one for one in tried if candidate.demos and one.candidate.demos == candidate.demos]
        found = [one.candidate.id for one in (*worded[:1], *shown[:1])]
        return tuple(dict.fromkeys(found or [self._best().id]))

    def _best(self) -> Candidate:
        best = incumbent(self._trials)
        return best.candidate if best else Candidate(self.first)

    def _space(self, made: Sequence[Proposal] = ()) -> Space:
        """The space as it is known, and with what was written in this step."""
        candidates = [trial.candidate for trial in self._trials]
        candidates += [proposal.candidate for proposal in made]
        known = (*self._given, *(one.texts for one in candidates))
        texts = {
            name: tuple(dict.fromkeys(one[name] for one in known)) for name in self._prompt.tuned
        }
        accepted = (trial.candidate.demos for trial in self._trials if trial.accepted)
        none: tuple[Demo, ...] = ()
        sets = dict.fromkeys((none, *self._drawn, *accepted))
        return Space(self.first, texts, tuple(sets), self._parameters)


def _seed(*parts: object) -> int:
    return int(uniform(*parts) * 2**32)
