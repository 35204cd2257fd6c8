"""Materializes single assets in one process, as the UI would, one after another.

`python -m tests.stages '[{"asset": …, "partition": … or [first, last], "set": {…}}, …]'` prints a
JSON list: for each step what failed, in plain words, and which partitions were materialized by
which search. Dagster reads an experiments folder once, when definitions load, so a test that wants
one of its own needs a process of its own.
"""

from __future__ import annotations

import json
import sys
from itertools import chain
from typing import Any

import dagster as dg

from autoprompt_assets.assets import STAGES
from autoprompt_assets.commands.run import QUIET
from autoprompt_assets.configuration import Bench
from autoprompt_assets.progress import LogProgress


def step(instance: dg.DagsterInstance, wanted: dict[str, Any]) -> dict[str, Any]:
    bench = Bench.configured(wanted.get("set", {}))
    partition, ranged = wanted["partition"], {}
    if isinstance(partition, list):
        first, last = partition
        ranged["dagster/asset_partition_range_start"] = first
        ranged["dagster/asset_partition_range_end"] = last
    result = dg.materialize(
        [*chain(*STAGES)],
        selection=[wanted["asset"]],
        instance=instance,
        resources=bench.definitions(LogProgress()),
        run_config=QUIET,
        raise_on_error=False,
        partition_key=None if ranged else partition,
        tags=ranged,
    )
    made = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    ]
    failed = [event.step_failure_data for event in result.all_node_events if event.is_step_failure]
    searches = [each.metadata.get("search") for each in made]
    return {
        "failed": [str(f.user_failure_data.description) for f in failed if f.user_failure_data],
        "crashed": [str(f.error) for f in failed if not f.user_failure_data],
        "made": [each.partition for each in made],
        "searches": sorted({str(search.value) for search in searches if search}),
    }


def main() -> None:
    with dg.DagsterInstance.get() as instance:
        print(json.dumps([step(instance, wanted) for wanted in json.loads(sys.argv[1])]))


if __name__ == "__main__":
    main()
