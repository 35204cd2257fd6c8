"""What a user says of the look at the headroom before a search."""

from __future__ import annotations

from pydantic import Field

from autoprompt_assets.engine.fields import (
    Frozen,
    Whole,
)


class HeadroomSpec(Frozen):
    """What is measured before a search starts: is there anything to win, and could it be shown?"""

    rows: Whole = Field(20, ge=0)
    """Validation rows on which the first prompt is asked a second time; 0 asks none."""
    stop: bool = False
    """End a search without hope before its first iteration; else it is only said."""
