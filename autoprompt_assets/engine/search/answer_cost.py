"""What one answer costs in use: list-price dollars and tokens of a row's call to the target model.

Reviews are left out: whoever uses the prompt does not pay for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.search.records import Scored, TestOutcome

NOTABLE = 1.5
"""From so many times the baseline's on, it is said in a sentence."""


@dataclass(frozen=True)
class AnswerCost:
    """Means over the rows that were answered. `usd` is `None` where the price is not known."""

    usd: float | None
    prompt_tokens: float
    completion_tokens: float

    @classmethod
    def of(cls, summary: Summary) -> AnswerCost | None:
        """That of an evaluation; `None` where no row was answered."""
        spend = summary.answers
        if not spend.calls:
            return None
        usd = None if spend.unpriced else spend.usd / spend.calls
        return cls(usd, spend.prompt_tokens / spend.calls, spend.completion_tokens / spend.calls)

    @property
    def tokens(self) -> float:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def as_json(self, seconds: float | None = None) -> dict[str, Any]:
        """Plain JSON, with the seconds that an answer took where they are known."""
        return {
            "usd": None if self.usd is None else float(f"{self.usd:.6g}"),
            "prompt_tokens": round(self.prompt_tokens, 1),
            "completion_tokens": round(self.completion_tokens, 1),
            "seconds": None if seconds is None else round(seconds, 3),
        }

    def __str__(self) -> str:
        tokens = f"{self.prompt_tokens:.0f}+{self.completion_tokens:.0f} tokens"
        return f"{dollars(self.usd)}, {tokens}" if self.usd else tokens


@dataclass(frozen=True)
class AnswerCosts:
    """One answer of the baseline and one of the best prompt, measured on the same split."""

    baseline: AnswerCost | None
    best: AnswerCost | None
    warning: str
    """A sentence where the best prompt's costs notably more; empty where not."""

    @classmethod
    def of(cls, baseline: Scored, best: Scored, test: TestOutcome) -> AnswerCosts:
        """As the test rows say, or validation's where no test row was answered."""
        before, after = AnswerCost.of(test.baseline), AnswerCost.of(test.best)
        if before is None or after is None:
            before, after = AnswerCost.of(baseline.summary), AnswerCost.of(best.summary)
        warning = ""
        if before is not None and after is not None:
            warning = _dearer((before, after), baseline.candidate, best.candidate)
        return cls(before, after, warning)


def dollars(usd: float) -> str:
    """With two digits that matter, at least in cents."""
    places = 2 if usd <= 0 else max(2, 1 - math.floor(math.log10(usd)))
    return f"${usd:,.{places}f}"


def _dearer(costs: tuple[AnswerCost, AnswerCost], first: Candidate, best: Candidate) -> str:
    before, after = costs
    if before.usd and after.usd:
        times, what = after.usd / before.usd, "costs {:.1f} times the baseline's"
    else:
        times = after.tokens / max(1.0, before.tokens)
        what = "takes {:.1f} times the baseline's tokens"
    if times < NOTABLE:
        return ""
    longer = len(best.instruction) / max(1, len(first.instruction))
    said = after.completion_tokens / max(1.0, before.completion_tokens)
    reasons = [f"{len(best.demos)} demos"] if best.demos else []
    reasons += [f"a prompt {longer:.1f} times as long"] if longer >= NOTABLE else []
    reasons += [f"answers {said:.1f} times as long"] if said >= NOTABLE else []
    why = f": {', '.join(reasons)}" if reasons else ""
    return f"one answer of the best prompt {what.format(times)}{why}"
