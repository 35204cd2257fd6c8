"""What a user says of the budget."""

from __future__ import annotations

from pydantic import Field

from autoprompt_assets.engine.fields import (
    Frozen,
    Number,
    Whole,
)


class BudgetSpec(Frozen):
    """What one search may be charged, over all roles; `null` is no limit."""

    calls: Whole | None = Field(None, ge=1)
    tokens: Whole | None = Field(None, ge=1)
    usd: Number | None = Field(None, gt=0)
