"""Demo sets: drawn from train rows, evenly over the targets, the same each time."""

from __future__ import annotations

from collections import Counter

import pytest

from autoprompt_assets.engine.candidate import Demo
from autoprompt_assets.engine.optimizers.parts.demo_sampling import demo_sets
from tests.row_support import text_example

TRAIN = [text_example(f"e{n}", f"i{n}", f"text {n}", "abc"[n % 3], "train") for n in range(30)]
KNOWN = {Demo(example.inputs, example.target) for example in TRAIN}


@pytest.mark.parametrize("seed", range(5))
def test_demo_sets_are_balanced_differ_and_come_from_train(seed: int) -> None:
    sets = demo_sets(TRAIN, 8, 7, seed)
    assert [len(one) for one in sets] == [2, 3, 3, 4, 5, 6, 6, 7]
    assert len({frozenset(one) for one in sets}) == 8
    for one in sets:
        assert set(one) <= KNOWN
        assert len(set(one)) == len(one)
        held = Counter(demo.answer for demo in one)
        assert max(held.values()) - min(held[target] for target in "abc") <= 1


@pytest.mark.parametrize(("rows", "sets"), [(0, 0), (1, 1), (2, 1), (3, 4)])
def test_few_rows_give_few_demo_sets(rows: int, sets: int) -> None:
    assert len(demo_sets(TRAIN[:rows], 8, 8, 0)) == sets


def test_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    assert demo_sets(TRAIN, 8, 7, 0) == demo_sets(list(reversed(TRAIN)), 8, 7, 0)
    assert demo_sets(TRAIN, 8, 7, 0) != demo_sets(TRAIN, 8, 7, 1)
