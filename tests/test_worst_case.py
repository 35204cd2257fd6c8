"""`check`'s "at most" is true for every strategy, whatever the script and however tokens count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.budget import BudgetSpec
from autoprompt_assets.engine.example import SPLITS, Split
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.worst_server import SCRIPTS, Charged, Worst, charged, rows_of, text

COUNTS: dict[Split, int] = {"train": 9, "validation": 16, "test": 16}
LABELS = ("是，就是这样", 'no "never"\n', "maybe")
LONGEST = 900
STRATEGIES: dict[str, dict[str, Any]] = {
    "opro": {"history": 4, "exemplars": 3},
    "gepa": {"minibatch": 2},
    "mipro": {"demos": 3, "instructions": 3, "parameters": {"max_tokens": [7, 120]}},
    "demos": {"demos": 3},
    "auto": {"demos": 2, "minibatch": 2, "parameters": {"max_tokens": [7, 120]}},
}


def spec_of(strategy: str, script: str, kind: str) -> ExperimentSpec:
    filled = kind == "filled"
    target: dict[str, Any] = {
        "model": "target",
        "prompt": f"{text(script, 'first', 60)} {{input}}" if filled else text(script, "first", 60),
        "max_tokens": 60,
        "price": {"prompt": 1.0, "completion": 3.0},
        "choices": LABELS if kind == "choices" else (),
    }
    review = {
        "model": "judge",
        "max_tokens": 40,
        "prompt": "{input}: is {response} {response} what {answer} is?",
        "price": {"prompt": 2.0, "completion": 5.0},
    }
    writer = {"model": "writer", "max_tokens": 300, "price": {"prompt": 7.0, "completion": 11.0}}
    reviewed = kind == "review"
    roles = {"target": target, **({"review": review} if reviewed else {}), "optimizer": writer}
    own = STRATEGIES.get(strategy, {})
    optimizer = {"strategy": strategy, "iterations": 3, "candidates": 2, "race": False, **own}
    if strategy != "rescore":
        optimizer |= {"longest": LONGEST}
    if strategy == "demos":
        del roles["optimizer"]
    for role in roles.values():
        role["endpoint"] = "worst"
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "rows.csv"},
            "roles": roles,
            "grader": {"kind": "model" if reviewed else "exact"},
            "optimizer": optimizer,
            "headroom": {"rows": 4},
            "unmeasured": 0.9,
            "endpoints": {"worst": {"base_url": "http://127.0.0.1:9/v1"}},
        }
    )


def searched(
    strategy: str, script: str, kind: str, folder: Path, usd: float | None = None, **server: Any
) -> Charged:
    spec = spec_of(strategy, script, kind).model_copy(update={"budget": BudgetSpec(usd=usd)})
    if server.get("usable") == 1:
        optimizer = spec.optimizer.model_copy(update={"attempts": 1, "iterations": 5})
        spec = spec.model_copy(update={"optimizer": optimizer})
    targets = LABELS if kind == "choices" else [text(script, n, 30 + n) for n in range(3)]
    rows = {split: rows_of(script, split, COUNTS[split], targets) for split in SPLITS}
    prefix = "{input} {input} " if kind == "filled" else ""
    folder.mkdir(exist_ok=True)
    return charged(spec, rows, Worst(script, prefix, LONGEST, **server), folder)


def assert_holds(found: Charged) -> None:
    books, bound = found.books, found.bound
    # Equal requests are asked once, and charged each time.
    assert found.server.calls <= books.calls <= bound.calls
    assert found.server.prompt_tokens <= books.prompt_tokens <= bound.prompt_tokens
    assert found.server.completion_tokens <= books.completion_tokens <= bound.completion_tokens
    assert 0 < books.usd <= bound.usd


def cases(*quick: str) -> list[Any]:
    """Every strategy, script and kind of experiment; those that are not `quick` are slow."""
    found = []
    for strategy in STRATEGIES:
        for script in SCRIPTS:
            for kind in ("plain", "filled", "review", "choices"):
                is_quick = script == "cjk" and kind in quick
                marks = () if is_quick else pytest.mark.slow
                found.append(pytest.param(strategy, script, kind, marks=marks))
    return found


@pytest.mark.parametrize(("strategy", "script", "kind"), cases("review"))
def test_no_search_is_charged_more_than_its_bound(
    strategy: str, script: str, kind: str, tmp_path: Path
) -> None:
    found = searched(strategy, script, kind, tmp_path)
    assert any(found.proposals)
    assert_holds(found)


@pytest.mark.parametrize("kind", ["filled", pytest.param("review", marks=pytest.mark.slow)])
@pytest.mark.parametrize("strategy", ["opro", "gepa", "mipro", "auto"])
def test_a_writer_whose_every_answer_is_a_long_prompt_fits_the_bound(
    strategy: str, kind: str, tmp_path: Path
) -> None:
    """Nothing is left over then from questions that were not asked again."""
    found = searched(strategy, "cjk", kind, tmp_path, usable=1)
    assert any(found.proposals)
    assert_holds(found)


def test_a_search_that_scores_another_s_candidates_again_is_bounded_by_theirs(
    tmp_path: Path,
) -> None:
    """Its own file does not say how many they are, nor that they have demos."""
    first = searched("demos", "cjk", "plain", tmp_path)
    spec = spec_of("opro", "cjk", "plain").model_dump(mode="json")
    spec["optimizer"] = {"strategy": "rescore", "search": "0" * 12, "iterations": 3, "race": False}
    again = ExperimentSpec.model_validate(spec)
    targets = [text("cjk", n, 30 + n) for n in range(3)]
    rows = {split: rows_of("cjk", split, COUNTS[split], targets) for split in SPLITS}
    found = charged(again, rows, Worst("cjk", "", LONGEST), tmp_path, first.proposals)
    assert sum(map(len, found.proposals)) == 6
    assert_holds(replace(found, server=replace(found.server, calls=0, prompt_tokens=0)))


USAGES: dict[str, Callable[[int, int], object]] = {
    "openai": lambda prompt, said: {"prompt_tokens": prompt, "completion_tokens": said},
    "other words": lambda prompt, said: {"input_tokens": prompt, "output_tokens": said},
    "absent": lambda prompt, said: None,
    "empty": lambda prompt, said: {},
    "nulls": lambda prompt, said: {"prompt_tokens": None, "completion_tokens": None},
    "zeros": lambda prompt, said: {"prompt_tokens": 0, "completion_tokens": 0},
    "no completion": lambda prompt, said: {"prompt_tokens": prompt, "completion_tokens": 0},
    "reasoning beside": lambda prompt, said: {
        "prompt_tokens": prompt,
        "completion_tokens": 1,
        "total_tokens": prompt + said,
        "completion_tokens_details": {"reasoning_tokens": said - 1},
    },
    "a total": lambda prompt, said: {"total_tokens": prompt + said},
    "texts": lambda prompt, said: {"prompt_tokens": str(prompt), "completion_tokens": ""},
}


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Charged:
    """A search without a budget."""
    return searched("opro", "ascii", "plain", tmp_path_factory.mktemp("free"))


@pytest.mark.parametrize("usage", USAGES)
def test_a_budget_in_dollars_binds_whatever_a_server_says_of_its_tokens(
    usage: str, free: Charged, tmp_path: Path
) -> None:
    assert all(step.status == "scored" for step in free.steps)
    limit = free.reserve.usd + 0.6 * free.books.usd
    held = searched("opro", "ascii", "plain", tmp_path, limit, usage=USAGES[usage])
    assert held.steps[-1].status == "stopped"
    assert f" of ${limit:g}" in held.steps[-1].reason
    assert 0 < held.books.usd < free.books.usd
    assert held.books.usd <= limit
    assert held.server.calls < free.server.calls


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("search-*/**/*"))
        if path.is_file() and not path.name.endswith(".timings.parquet")
    }


def test_what_a_provider_had_in_its_cache_moves_nothing_of_a_search(tmp_path: Path) -> None:
    """It depends on the order and the time of calls, and so would the path."""

    def cached(prompt: int, said: int) -> object:
        usage = {"prompt_tokens": prompt, "completion_tokens": said}
        return {**usage, "prompt_tokens_details": {"cached_tokens": prompt // 2}}

    both = [
        searched("gepa", "ascii", "review", tmp_path / name, 0.6, usage=usage)
        for name, usage in (("plain", USAGES["openai"]), ("cached", cached))
    ]
    assert both[0].books == both[1].books
    assert files_of(tmp_path / "plain") == files_of(tmp_path / "cached")
