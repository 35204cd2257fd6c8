"""The five assets: read the store, call the engine, write the store, tell what came out."""

# No `from __future__ import annotations` here: Dagster reads the annotations of `context`.

from collections.abc import Iterator

import dagster as dg

from autoprompt_assets import metadata
from autoprompt_assets.engine.dataset import open_table
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.llm import prompt_text, request_template
from autoprompt_assets.engine.search import (
    AnswerCosts,
    Scored,
    leader,
    require_iterations,
    scored_json,
)
from autoprompt_assets.engine.statistics import Headroom
from autoprompt_assets.failures import KNOWN_ERRORS, reported
from autoprompt_assets.loading import place
from autoprompt_assets.partitions import EXPERIMENTS, GRID
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.report_input import render_report
from autoprompt_assets.resources.experiments import ExperimentsResource
from autoprompt_assets.resources.home import dataset_lock, foreign_instance
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import StoreResource, plainly, required
from autoprompt_assets.search_session import Desk, Session, open_session, read_history

CODE_VERSION = "1"


@dg.asset(
    partitions_def=EXPERIMENTS,
    code_version=CODE_VERSION,
    group_name="autoprompt",
    kinds={"parquet"},
)
def dataset(
    context: dg.AssetExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.MaterializeResult[None]:
    """The experiment's rows, checked, each with the split it belongs to for ever."""
    require_home(context)
    name = context.partition_key
    with reported():
        spec = experiments.load(name)
        files = store.experiment(name)
        # Read before the lock: a table may take long to come.
        table = open_table(spec.dataset, experiments.path(name).parent, spec.chat.readers())
        with dataset_lock(name, files.lock_folder):
            files.sweep()
            record = files.write_dataset(spec.dataset, place(spec, table, files))
    for note in record.notes:
        context.log.warning(note)
    return dg.MaterializeResult(
        metadata=metadata.dataset_metadata(record), data_version=dg.DataVersion(record.version)
    )


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=[dataset],
    code_version=CODE_VERSION,
    group_name="autoprompt",
    kinds={"openai"},
)
def baseline_score(
    context: dg.AssetExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
    progress: dg.ResourceParam[LogProgress],
) -> dg.MaterializeResult[None]:
    """The first prompt's score on validation."""
    require_home(context)
    with reported():
        session = open_session(context.partition_key, experiments, llm, store)
        session.refuse_unscored()
        with session.opened(progress) as desk:
            (baseline, room), counts = desk.do(measured(session, desk))
        session.records.write_baseline(baseline)
    for line in room.lines():
        progress.notice(line)
    return dg.MaterializeResult(
        metadata={
            "search": session.search_id,
            **metadata.summary_metadata(baseline.summary),
            **metadata.counts_metadata(counts),
            "headroom": metadata.lines_metadata(room.lines()),
            "prompt": metadata.prompt_metadata(baseline.candidate.text()),
            **metadata.failures_metadata(session.records, baseline.candidate, "validation"),
        },
        data_version=dg.DataVersion(
            content_hash([session.search_id, scored_json(baseline), room.as_json()], 16)
        ),
    )


async def measured(session: Session, desk: Desk) -> tuple[Scored, Headroom]:
    """The first prompt's score, and then what a search could win."""
    rows, test_rows = session.rows("validation"), session.dataset.extents["test"].rows
    baseline = await desk.search.baseline(rows)
    room, _ = await desk.search.headroom(baseline, rows, test_rows)
    return baseline, room


@dg.asset(
    partitions_def=GRID,
    deps=[baseline_score],
    code_version=CODE_VERSION,
    group_name="autoprompt",
    kinds={"openai"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    # Without this, Dagster adds a second, empty event for every partition at the end.
    output_required=False,
)
def optimizer_iterations(
    context: dg.AssetExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
    progress: dg.ResourceParam[LogProgress],
) -> Iterator[dg.AssetMaterialization]:
    """Ask for candidates, evaluate them, tell the optimizer: one event as each iteration ends."""
    require_home(context)
    wanted: dict[str, list[int]] = {}
    for key in sorted(str(key) for key in context.partition_keys):
        experiment, iteration = key.split("|")
        wanted.setdefault(experiment, []).append(int(iteration))
    problems = []
    for experiment, numbers in wanted.items():
        try:
            session = open_session(experiment, experiments, llm, store)
            yield from iterate(context, session, numbers, progress)
        except KNOWN_ERRORS as error:
            # The failure of one experiment must not lose another's iterations.
            said = plainly(error)
            problems.append(said if len(wanted) == 1 else f"{experiment}: {said}")
    if problems:
        raise dg.Failure(description="\n".join(problems), allow_retries=False)


def iterate(
    context: dg.AssetExecutionContext, session: Session, numbers: list[int], progress: LogProgress
) -> Iterator[dg.AssetMaterialization]:
    """The iterations `numbers` of one search, each as an event when it has ended."""
    records, name = session.records, session.name
    command = (
        "dg launch --assets optimizer_iterations "
        f"--partition-range '{name}|001...{name}|{numbers[0]:03d}'"
    )
    history = read_history(session, require_iterations(records, numbers[0], command))
    rows = session.rows("validation")
    upstream = context.instance.get_latest_data_version_record(
        dg.AssetKey("baseline_score"), partition_key=name
    )
    with session.opened(progress) as desk:
        for number in numbers:
            optimizer = session.optimizer(history)
            known = {candidate.id: candidate for candidate in history.tried}
            step, counts = desk.do(desk.search.iterate(number, history, optimizer, rows))
            history, best = history.then(step), leader(step.scored)
            yield dg.AssetMaterialization(
                asset_key=context.asset_key,
                partition=f"{name}|{number:03d}",
                metadata={
                    **metadata.iteration_metadata(step, session.search_id, known),
                    **metadata.counts_metadata(counts),
                    **(
                        metadata.failures_metadata(records, best.candidate, "validation")
                        if best
                        else {}
                    ),
                },
                tags=metadata.iteration_tags(
                    step,
                    session.search_id,
                    CODE_VERSION,
                    {"baseline_score": upstream} if upstream else {},
                ),
            )


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=[baseline_score, optimizer_iterations],
    code_version=CODE_VERSION,
    group_name="autoprompt",
    kinds={"json"},
)
def best_prompt(
    context: dg.AssetExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.MaterializeResult[None]:
    """The candidate with the highest score on all validation rows; no model is asked."""
    require_home(context)
    name = context.partition_key
    with reported():
        session = open_session(name, experiments, llm, store)
        read_history(session)  # first: what lacks a baseline has no iterations either
        command = f"autoprompt run {name}"
        steps = require_iterations(session.records, session.spec.optimizer.iterations + 1, command)
        history = read_history(session, steps)
        best = history.best
        asked = session.models, best.scored.candidate, session.fit
        session.records.write_best(best, prompt_text(*asked), request_template(*asked))
    data = [session.search_id, best.iteration, scored_json(best.scored)]
    return dg.MaterializeResult(
        metadata=metadata.best_metadata(best, history.baseline, session.search_id),
        data_version=dg.DataVersion(content_hash(data, 16)),
    )


@dg.asset(
    partitions_def=EXPERIMENTS,
    deps=[dataset, best_prompt],
    code_version=CODE_VERSION,
    group_name="autoprompt",
    kinds={"openai"},
)
def test_comparison(
    context: dg.AssetExecutionContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    llm: dg.ResourceParam[LLMResource],
    store: dg.ResourceParam[StoreResource],
    progress: dg.ResourceParam[LogProgress],
) -> dg.MaterializeResult[None]:
    """Baseline against best on the sealed rows. Nothing else reads the test split."""
    require_home(context)
    name = context.partition_key
    with reported():
        session = open_session(name, experiments, llm, store)
        records = session.records
        history = read_history(session, records.read_iterations())
        best = required(records.read_best(), "best_prompt", name)
        candidates = (history.baseline.candidate, best.scored.candidate)
        with session.opened(progress) as desk:
            outcome, counts = desk.do(desk.search.test(*candidates, session.rows("test")))
        records.write_outcome(outcome)
        answers = AnswerCosts.of(history.baseline, best.scored, outcome)
        report = records.write_report(render_report(session, history, best, outcome))
    return dg.MaterializeResult(
        metadata={
            **metadata.outcome_metadata(outcome, best, session.search_id, report, answers),
            **metadata.counts_metadata(counts),
            **metadata.failures_metadata(records, best.scored.candidate, "test"),
        },
        data_version=dg.DataVersion(
            content_hash([session.search_id, outcome.comparison.as_json()], 16)
        ),
    )


def require_home(context: dg.AssetExecutionContext) -> None:
    """Refuse to spend money in an instance that forgets what it ran, or is of another home."""
    root = "" if context.instance.is_ephemeral else context.instance.root_directory
    with reported():
        problem = foreign_instance(root)
    if problem:
        raise dg.Failure(description=problem, allow_retries=False)


STAGES = (
    (dataset, baseline_score),
    (optimizer_iterations,),
    (best_prompt, test_comparison),
)
"""All assets, in the order and the runs in which they are made: assets of different partitions
cannot stand in one run.
"""
