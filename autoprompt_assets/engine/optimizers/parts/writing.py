"""How a strategy has the optimizer model write an instruction: a conversation that is bounded.

The model answers in `[[...]]`. What cannot be used is told to it and asked again, until `attempts`
questions were asked. All strategies that ask a model ask it so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.optimizers.parts.instruction import read_instruction
from autoprompt_assets.engine.optimizers.parts.prompt_text import cut
from autoprompt_assets.engine.optimizers.protocol import (
    Answer,
    CandidateCheck,
    Proposal,
    Proposals,
    Question,
    Rejected,
    Reply,
)
from autoprompt_assets.engine.template import fill
from autoprompt_assets.engine.text import size_of

AGAIN = (
    "That cannot be used: {problem}. Write one new prompt inside [[ and ]], and nothing after it."
)
MOST_PROBLEM = 600
"""Characters that it tells of what is wrong."""
AGAIN_BYTES = size_of(AGAIN) + 4 * MOST_PROBLEM
"""What it has in UTF-8 at most."""
NO_ANSWER = "(no answer)"
"""Stands for an empty answer in a conversation: servers refuse a turn without text."""
UNPAIRED = "it holds no prompt in [[...]] whose brackets pair, so where it ends is not clear"


@dataclass(frozen=True)
class Task:
    """One instruction to be written.

    `make` turns the instruction into the proposal that is checked. `known` are the names of the
    candidates proposed before, as `lint.names` gives them. `replicate` tells apart tasks that are
    put in the same words.
    """

    messages: tuple[Message, ...]
    make: Callable[[str], Proposal]
    known: Collection[str] = ()
    replicate: int = 0


@dataclass(frozen=True)
class Written:
    """What came of a task: a proposal that the check lets pass, or none and the last `problem`.

    `rejected` are the instructions that were refused on the way. `used` counts replies.
    """

    proposal: Proposal | None
    rejected: tuple[Rejected, ...]
    used: int
    problem: str = ""


def write(
    task: Task, check: CandidateCheck, attempts: int, replies: Sequence[Reply]
) -> Question | Written:
    """The conversation as far as `replies` go: the next question, or what came of it.

    `replies` are those to this task, the first ones, and may go on with replies to later ones. A
    pure function of its arguments, as far as `make` and `check` are.
    """
    messages, problem = list(task.messages), "it was not asked for"
    rejected: list[Rejected] = []
    for attempt in range(attempts):
        if attempt == len(replies):
            return Question(tuple(messages), task.replicate)
        reply = replies[attempt]
        assert isinstance(reply, Answer)
        instruction, problem = _read(reply)
        if not problem:
            proposal = task.make(instruction)
            problem = check.problem(proposal.candidate, task.known)
            if not problem:
                return Written(proposal, tuple(rejected), attempt + 1)
            rejected.append(Rejected(proposal, problem))
        messages += [
            {"role": "assistant", "content": reply.text if reply.text.strip() else NO_ANSWER},
            {"role": "user", "content": fill(AGAIN, problem=cut(problem, MOST_PROBLEM))},
        ]
    return Written(None, tuple(rejected), attempts, problem)


def _read(reply: Answer) -> tuple[str, str]:
    """The instruction that `reply` holds, and why there is none."""
    if reply.problem:
        return "", reply.problem
    instruction = read_instruction(reply.text)
    if instruction is None:
        unpaired = "[[" in reply.text or "]]" in reply.text
        return "", UNPAIRED if unpaired else "it holds no prompt in [[...]]"
    return instruction, "" if instruction else "the prompt is empty"


@dataclass
class Drafts:
    """What a step has written so far."""

    proposals: list[Proposal] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    problem: str = ""

    def add(self, written: Written) -> None:
        """The outcome of the step's next task."""
        self.rejected.extend(written.rejected)
        if written.proposal is None:
            self.problem = written.problem
        else:
            self.proposals.append(written.proposal)

    def result(self, strategy: str) -> Proposals:
        """The step's proposals; without any, the last problem is the reason."""
        reason = "" if self.proposals else f"no usable answer: {self.problem}"
        return Proposals(tuple(self.proposals), reason, tuple(self.rejected), strategy)
