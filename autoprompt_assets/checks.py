"""What is checked after the fact. Each check reads stored files, never an asset's variables."""

from itertools import chain

import dagster as dg

from autoprompt_assets.engine.budget import exceeds
from autoprompt_assets.engine.dataset import near_id
from autoprompt_assets.engine.report import wear
from autoprompt_assets.engine.text import quantity
from autoprompt_assets.failures import reported
from autoprompt_assets.partitions import EXPERIMENTS
from autoprompt_assets.resources.experiments import ExperimentsResource
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import StoreResource, required
from autoprompt_assets.search_session import open_session, read_history


@dg.asset_check(asset="dataset", partitions_def=EXPERIMENTS)
def test_rows_are_sealed(
    context: dg.AssetCheckExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.AssetCheckResult:
    """No test input, nor a near duplicate of one, stands in train or validation."""
    with reported():
        session = open_session(context.partition_key, experiments, llm, store)
        sealed = {near_id(*example.inputs.values()) for example in session.rows("test").read()}
        open_rows = chain(session.rows("train").read(), session.rows("validation").read())
        leaked = {near_id(*row.inputs.values()) for row in open_rows} & sealed
    return dg.AssetCheckResult(
        passed=not leaked,
        description=f"{len(leaked)} test inputs stand in train or validation" if leaked else None,
        metadata={"test rows": len(sealed), "leaked": len(leaked)},
    )


@dg.asset_check(asset="best_prompt", partitions_def=EXPERIMENTS)
def few_rows_unmeasured(
    context: dg.AssetCheckExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.AssetCheckResult:
    """No evaluation of the search has more rows without a grade than the spec allows.

    The share is of all rows of the split, as where an evaluation is refused: a candidate that a
    race dropped was asked few of them.
    """
    with reported():
        session = open_session(context.partition_key, experiments, llm, store)
    shares: dict[str, float] = {}
    for split, candidate in session.records.evaluations():
        batches = session.records.evaluation(split, candidate).batches("value")
        missing = sum(batch.column("value").null_count for batch in batches)
        split_rows = max(1, session.dataset.extents[split].rows)
        shares[f"{split} {candidate}"] = missing / split_rows
    over = {key: share for key, share in shares.items() if share > session.spec.unmeasured}
    return dg.AssetCheckResult(
        passed=not over,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{quantity(len(over), 'evaluation')} above {session.spec.unmeasured:.1%}"
        if over
        else None,
        metadata={"evaluations": len(shares), "largest share": max(shares.values(), default=0.0)},
    )


@dg.asset_check(asset="test_comparison", partitions_def=EXPERIMENTS)
def spend_within_budget(
    context: dg.AssetCheckExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.AssetCheckResult:
    """What the search was charged, by its files, is within the spec's budget."""
    with reported():
        session = open_session(context.partition_key, experiments, llm, store)
        outcome = required(session.records.read_outcome(), "test_comparison", session.name)
        history = read_history(session, session.records.read_iterations())
        spend = history.total(outcome)
    over = exceeds(session.spec.budget, spend)
    return dg.AssetCheckResult(
        passed=not over,
        description=f"the search took {over}" if over else None,
        metadata={
            "calls": spend.calls,
            "tokens": spend.tokens,
            "usd": spend.usd,
            "calls without a known price": spend.unpriced,
        },
    )


@dg.asset_check(asset="test_comparison", partitions_def=EXPERIMENTS)
def best_is_better(
    context: dg.AssetCheckExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.AssetCheckResult:
    """The sealed test shows that the best prompt is better than the first."""
    with reported():
        session = open_session(context.partition_key, experiments, llm, store)
        outcome = required(session.records.read_outcome(), "test_comparison", session.name)
    verdict, reason = outcome.comparison.verdict, outcome.comparison.reason
    judged = wear(outcome.reading)
    said = reason or f"the verdict is {verdict!r}, {judged}"
    return dg.AssetCheckResult(
        passed=verdict == "better",
        severity=dg.AssetCheckSeverity.WARN,
        description=None if verdict == "better" else said,
        metadata={
            "verdict": verdict,
            "wear": judged,
            "difference": outcome.comparison.difference,
            "p value": outcome.comparison.p_value,
            "level": outcome.comparison.level,
            "reading": outcome.reading,
        },
    )


CHECKS = [test_rows_are_sealed, few_rows_unmeasured, spend_within_budget, best_is_better]
