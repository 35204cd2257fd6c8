"""OPRO: the optimizer model sees prompts with their scores and writes a new one.

Source: Yang et al., "Large Language Models as Optimizers", arXiv 2309.03409.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoprompt_assets.engine.candidate import Candidate, Message, fill
from autoprompt_assets.engine.optimizers.base import Proposal, Proposals, Question, Trial
from autoprompt_assets.engine.spec import OproSpec

_BRACKETS = re.compile(r"\[\[(.*?)\]\](?!\])", re.DOTALL)
_AGAIN = (
    "That cannot be used: {problem}. Write one new prompt inside [[ and ]], and nothing after it."
)


class Opro:
    """The history in ascending order of score, and a new prompt in `[[...]]`."""

    def __init__(self, spec: OproSpec, prompt: str) -> None:
        self._spec, self._prompt = spec, prompt
        self._trials: list[Trial] = []

    def ask(self, answers: Sequence[str]) -> Question | Proposals:
        """One conversation per candidate, of at most `attempts` questions."""
        left = list(answers)
        made: list[Proposal] = []
        problem = ""
        for replicate in range(self._spec.candidates):
            messages: list[Message] = [{"role": "system", "content": self._question()}]
            for _ in range(self._spec.attempts):
                if not left:
                    return Question(tuple(messages), replicate)
                answer = left.pop(0)
                instruction, problem = self._read(answer, made)
                if instruction:
                    parents = tuple(trial.proposal.candidate.id for trial in self._ranked()[-1:])
                    made.append(
                        Proposal(Candidate(instruction), parents, "written from the history")
                    )
                    break
                again = fill(_AGAIN, problem=problem)
                messages += [
                    {"role": "assistant", "content": answer},
                    {"role": "user", "content": again},
                ]
        return Proposals(tuple(made), "" if made else f"no usable answer: {problem}")

    def tell(self, trials: Sequence[Trial]) -> None:
        """Trials join the history that the next question shows."""
        self._trials.extend(trials)

    def _read(self, answer: str, made: Sequence[Proposal]) -> tuple[str, str]:
        found = _BRACKETS.findall(answer)
        instruction = found[-1].strip() if found else ""
        if not instruction:
            return "", "it holds no prompt in [[...]]" if not found else "the prompt is empty"
        known = [trial.proposal for trial in self._trials] + list(made)
        if any(Candidate(instruction).id == proposal.candidate.id for proposal in known):
            return "", "that prompt was tried before"
        return instruction, ""

    def _ranked(self) -> list[Trial]:
        scored = [trial for trial in self._trials if trial.score is not None]
        return sorted(scored, key=lambda trial: trial.score or 0.0)

    def _question(self) -> str:
        history = "\n".join(
            f"{trial.proposal.candidate.instruction}: {trial.score:.2f}" for trial in self._ranked()
        )
        return fill(self._prompt, prompt_scores_str=history)
