"""The budget of one search: what it may still be charged, over all roles."""

from __future__ import annotations

from dataclasses import dataclass

from autoprompt_assets.engine.budget.settings import BudgetSpec
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Models
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.text import quantity


class BudgetSpent(Exception):
    """The next batch could cost more than the budget leaves. The search stops there.

    `spend` is what the step it ends was charged before.
    """

    def __init__(self, over: str, spend: Spend) -> None:
        super().__init__(over)
        self.spend = spend


@dataclass(frozen=True)
class Budget:
    """The one owner of the spec's `budget`.

    `spent` is what the search was charged before this step, made or replayed; `reserve` is the
    test comparison's worst case, set aside from the start.
    """

    limits: BudgetSpec
    spent: Spend
    reserve: Spend

    @property
    def limited(self) -> bool:
        """True where there is a limit at all."""
        return self.limits != BudgetSpec()

    def refusal(self, *spends: Spend) -> str:
        """Which limit these would break, beside what is spent and set aside; empty when none."""
        total = self.spent.plus(self.reserve)
        for spend in spends:
            total = total.plus(spend)
        return exceeds(self.limits, total)

    def beyond(self, spend: Spend, bound: Spend) -> str:
        """Why no budget can hold where calls of `bound` at most took `spend`, or an empty text."""
        tokens = self.limits.tokens is not None and spend.tokens > bound.tokens
        dollars = self.limits.usd is not None and spend.usd > bound.usd * (1 + 1e-9)
        if not tokens and not dollars:
            return ""
        return (
            f"budget: {quantity(spend.calls, 'call')} took {spend.tokens} tokens, and their "
            "requests can hold "
            f"{bound.tokens} at most, each byte a token and max_tokens an answer: the server "
            "ignores that limit, or counts what it was not sent, so no budget of tokens or dollars "
            "holds there; mend that, or take those out of budget. What was answered is kept"
        )


UNLIMITED = Budget(BudgetSpec(), Spend(), Spend())


def exceeds(limits: BudgetSpec, spend: Spend) -> str:
    """Which limit `spend` would break, with both figures; empty when none."""
    if limits.calls is not None and spend.calls > limits.calls:
        return f"{spend.calls} calls of {limits.calls}"
    if limits.tokens is not None and spend.tokens > limits.tokens:
        return f"{spend.tokens} tokens of {limits.tokens}"
    if limits.usd is not None and spend.usd > limits.usd:
        return f"${spend.usd:.4f} of ${limits.usd:g}"
    return ""


def refuse_too_small(limits: BudgetSpec, baseline_calls: int, reserve: Spend) -> None:
    """A budget must pay for the baseline's calls and the test comparison at its worst.

    Calls are known; tokens and dollars settle far below their bounds as answers come in.

    Raises:
        InputError: it does not.
    """
    over = exceeds(limits, Spend(calls=baseline_calls).plus(reserve))
    if over:
        raise InputError(
            f"budget: baseline and test comparison alone may take {over}; raise it, or lower "
            "max_tokens or the split"
        )


def refuse_unpriced(limits: BudgetSpec, models: Models) -> None:
    """A budget in dollars holds only where every price is known.

    Raises:
        InputError: one line per role whose price is not.
    """
    unpriced = [role for role in models.roles if role.price is None]
    if limits.usd is not None and unpriced:
        raise InputError(
            [
                f"budget.usd = {limits.usd:g}: the price of roles.{role.role}'s model "
                f"{role.model!r} is not known; set roles.{role.role}.price, the prices of an "
                "endpoint that you name, or budget.usd to null (budget.calls and budget.tokens "
                "hold without a price)"
                for role in unpriced
            ]
        )
