"""Searches on a deployment: what the tests of it launch, and one of which a run is killed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.dagster_support import SPEC
from tests.docker_support import Deployment, docker
from tests.loopback import LoopbackServer
from tests.support import OPTIONS
from tests.webserver import wait_for

HELD_AFTER = 12
"""Calls that are answered before the run is killed; those after them hang."""
SEARCH_S = 600
ENDS = ("COMPLETED", "FAILED", "CANCELED")
PAIR = ("left", "right")
"""Experiments that are launched at once, each with so many rows that they meet."""
MOST = 8
"""Calls in flight, as each experiment says."""
MANY = {
    name: {f"Which {name} shape is path {i}?": OPTIONS[i % 4] for i in range(400)} for name in PAIR
}
MANY_SPEC = SPEC.replace("validation: 20", "validation: 360")


@dataclass
class Search:
    """What was seen of one search, of which a run was killed."""

    server: LoopbackServer
    killed: str = ""
    container: dict[str, Any] = field(default_factory=dict)
    answered_at_kill: int = 0
    journaled_at_kill: int = 0
    status: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)
    containers: dict[str, str] = field(default_factory=dict)


def killed_search(deployment: Deployment, server: LoopbackServer) -> Search:
    """A search as the UI launches it, of which the first run is killed in the middle of its calls,
    once everything that was answered is in the journal.
    """
    search = Search(server)
    server.slow = lambda body: server.answered >= HELD_AFTER
    backfill = deployment.launch("shapes")

    def settled() -> bool:
        held = server.answered >= HELD_AFTER and server.in_flight > 0
        if not held or server.answered != journaled(deployment):
            return False
        time.sleep(1)
        return server.answered == journaled(deployment)

    wait_for(settled, 240)
    [(search.killed, container)] = deployment.run_containers().items()
    search.containers[search.killed] = container
    [search.container] = json.loads(docker("inspect", container))
    search.answered_at_kill, search.journaled_at_kill = server.answered, journaled(deployment)
    docker("kill", "--signal", "KILL", container)
    wait_for(lambda: server.in_flight == 0, 30)
    server.slow = lambda body: False

    def over() -> bool:
        search.containers |= deployment.run_containers()
        search.status, search.runs = deployment.progress(backfill)
        return search.status.startswith(ENDS)

    wait_for(over, SEARCH_S)
    return search


def ended(deployment: Deployment, backfill: str) -> str:
    """The status in which a backfill ends."""
    wait_for(lambda: deployment.progress(backfill)[0].startswith(ENDS), SEARCH_S)
    return deployment.progress(backfill)[0]


def journaled(deployment: Deployment) -> int:
    found = deployment.sql("select to_regclass('completions')")
    return int(deployment.sql("select count(*) from completions")[0]) if found != [""] else 0
