"""What each program would work out anew: the fork server loads this, and the programs have it."""

from __future__ import annotations

from autoprompt_assets.engine.likeness import near
from autoprompt_assets.engine.report.report import template

near("What is the capital of France?")
template()
