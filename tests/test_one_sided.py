"""Failures of a server on one side only make no verdict of two equal prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.one_sided import FAULTS, verdicts

ENDING = {"error_in_200", "finish_error", "lasting_5xx"}
"""Rows that stay without any answer end the run."""
SLOW = {"storm_of_429", "finish_error", "lasting_5xx"}
"""Waited out, or ended, with backoff: in the slow test only; `error_in_200` ends like them."""


@pytest.mark.parametrize("kind", sorted(FAULTS.keys() - SLOW))
def test_a_side_that_was_failed_is_not_beaten_for_it(kind: str, tmp_path: Path) -> None:
    ends = verdicts(kind, range(4), tmp_path)
    if kind in ENDING:
        assert set(ends) <= {"UnmeasuredRows", "EndpointDown"}, ends
    else:
        assert set(ends) <= {"not shown", "worse"}, ends


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_equal_prompts_are_called_better_in_a_twentieth_at_most(kind: str, tmp_path: Path) -> None:
    """200 verdicts of each kind. `worse`, which keeps the first prompt, may come of a failure."""
    ends = verdicts(kind, range(200), tmp_path)
    print(kind, dict(ends))
    assert ends.total() == 200
    assert ends["better"] <= 10, ends
