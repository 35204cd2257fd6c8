"""The deployment on a real Docker engine: runs in containers, a kill, secrets, and its end."""

from __future__ import annotations

import json
import shlex
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dagster_support import ROWS, SPEC
from tests.docker_searches import (
    HELD_AFTER,
    MANY,
    MANY_SPEC,
    MOST,
    PAIR,
    Search,
    ended,
    journaled,
    killed_search,
)
from tests.docker_support import (
    BUILD_S,
    PASSWORD,
    Deployment,
    docker,
    engine_or_skip,
    gateway,
    image_holds,
)
from tests.loopback import Behaviour, Json, LoopbackServer
from tests.support import KEY, Project, csv_of
from tests.test_compose import SERVICES
from tests.webserver import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]

NEW_KEY = f"{KEY}-changed"
ESCAPES = """
import docker, sys
client, (image, other, network) = docker.from_env(), sys.argv[1:]
run = ["dagster", "api", "execute_run"]

def status(act, *arguments, **options):
    try:
        act(*arguments, **options)
    except docker.errors.APIError as error:
        return error.response.status_code
    return "done"

make = client.containers.create
print([
    status(client.containers.list),
    status(client.images.pull, "debian", "12"),
    status(make, image, ["id"], network=network),
    status(make, other, run, network=network),
    status(make, image, run, network=network, privileged=True),
    status(make, image, run, network=network, volumes=["/:/host"]),
    status(make, image, run, network="host"),
])
"""


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    engine_or_skip()
    server = LoopbackServer(Behaviour(answers=ROWS, delay=0.02))
    server.host = gateway()
    with server:
        yield server


@pytest.fixture(scope="session")
def deployment(
    server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    deployment = Deployment(folder, OPENAI_BASE_URL=server.base_url)
    project = Project(folder)
    project.add("shapes", SPEC, rows_csv=csv_of(ROWS))
    for name, rows in MANY.items():
        project.add(name, MANY_SPEC, rows_csv=csv_of(rows))
    try:
        deployment.up()
        yield deployment
    finally:
        deployment.down()


@pytest.fixture(scope="session")
def searched(deployment: Deployment, server: LoopbackServer) -> Search:
    return killed_search(deployment, server)


def test_every_run_has_a_container_of_its_own_without_rights(searched: Search) -> None:
    assert len(searched.containers) == len(searched.runs) == 4
    assert len({*searched.containers.values()}) == 4
    config, host = searched.container["Config"], searched.container["HostConfig"]
    assert config["Image"] == "autoprompt-code:test"
    assert config["User"] == "10001:10001"
    assert host["CapDrop"] == ["ALL"]
    assert not host["Privileged"]
    assert [one["Destination"] for one in searched.container["Mounts"] if one["RW"]] == [
        "/var/lib/autoprompt"
    ]
    # By the names that dagster.yaml's limits go by.
    for run in searched.runs:
        assert run["tags"]["autoprompt/experiment"] == "shapes"
        assert run["tags"]["autoprompt/endpoint"] == "openai"


def test_a_killed_run_is_tried_again_and_nothing_paid_is_paid_again(
    searched: Search, deployment: Deployment, tmp_path: Path
) -> None:
    assert searched.status == "COMPLETED_SUCCESS"
    by_id = {run["runId"]: run for run in searched.runs}
    assert by_id[searched.killed]["status"] == "FAILURE"
    [again] = [run for run in searched.runs if run["tags"].get("dagster/retry_number") == "1"]
    assert again["tags"]["dagster/parent_run_id"] == searched.killed
    assert again["status"] == "SUCCESS"
    assert HELD_AFTER <= searched.answered_at_kill == searched.journaled_at_kill
    # The same experiment on a home of its own, never killed: as many answers, and the same result.
    with LoopbackServer(searched.server.behaviour) as server:
        own = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(tmp_path / "project", own)
        project.add("shapes", SPEC, rows_csv=csv_of(ROWS))
        project.run_json("shapes")
    assert searched.server.answered == server.answered == journaled(deployment)
    [here] = (project.home / "results" / "shapes" / "searches").iterdir()
    files = deployment.files()
    [there] = {name.rsplit("/", 1)[0] for name in files if name.endswith("/comparison.json")}
    for name in ("comparison.json", "best_prompt.txt", "baseline.json"):
        assert files[f"{there}/{name}"] == (here / name).read_bytes()


def test_keys_are_nowhere_but_in_the_environment(searched: Search, deployment: Deployment) -> None:
    secrets = (KEY, PASSWORD)
    assert {one["authorization"] for one in searched.server.ledger} == {f"Bearer {KEY}"}
    logs = deployment.compose("logs", "--no-color")
    assert len(logs) > 1000
    assert not [one for one in secrets if one in logs]
    texts = [*deployment.database_texts()]
    assert len(texts) > 1
    assert not [one for one in secrets for text in texts if one.encode() in text]
    pages = [*deployment.pages()]
    assert searched.killed in pages[0]
    assert not [one for one in secrets for page in pages if one in page]
    files = deployment.files()
    assert any(name.startswith("compute_logs/") for name in files)
    assert not [name for name, content in files.items() for s in secrets if s.encode() in content]
    shown = dict(searched.container, Config=dict(searched.container["Config"], Env=()))
    assert not [one for one in secrets if one in json.dumps(shown)]
    # The daemon alone hands the key on; web server, code server, gate and database have none.
    for service in ("webserver", "code", "docker-gate", "postgres"):
        assert KEY not in json.dumps(deployment.container(service))
    for image in ("autoprompt-code:test", "autoprompt-host:test"):
        assert image_holds(image, secrets) == []


def test_two_experiments_at_once_keep_one_limit_together(
    deployment: Deployment, searched: Search
) -> None:
    """Each says that the endpoint takes so many calls at once; together they make no more."""
    server, calls = searched.server, list[tuple[str, int]]()

    def note(body: Json) -> bool:
        text = json.dumps(body["messages"])
        calls.append((next((one for one in PAIR if one in text), ""), server.in_flight))
        return False

    before, server.behaviour = server.behaviour, replace(server.behaviour, delay=0.4)
    server.slow = note
    backfills = [deployment.launch(one, "dataset", "baseline_score") for one in PAIR]
    wait_for(lambda: len(deployment.run_containers()) == 2, 240)
    for backfill in backfills:
        assert ended(deployment, backfill) == "COMPLETED_SUCCESS"
    server.slow, server.behaviour = lambda body: False, before
    assert {who for who, _ in calls} == {*PAIR}
    assert max(at_once for _, at_once in calls) == MOST
    # While both asked: from the later one's first call to the earlier one's last.
    names = [who for who, _ in calls]
    began = max(names.index(one) for one in PAIR)
    over = min(len(names) - names[::-1].index(one) for one in PAIR)
    together = Counter(names[began:over])
    assert min(together.values()) > 60
    assert max(at_once for _, at_once in calls[began:over]) == MOST
    wait_for(lambda: deployment.sql("select count(*) from endpoint_leases") == ["0"], 30)


def test_a_page_of_another_site_launches_nothing(deployment: Deployment) -> None:
    query = b'{"query": "{version}"}'
    headers = {"content-type": "application/json", "origin": "https://elsewhere.example"}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(
            urllib.request.Request(f"{deployment.address}/graphql", query, headers), timeout=20
        )


def test_the_way_to_docker_is_a_runs_launch_and_no_more(deployment: Deployment) -> None:
    network = f"{deployment.project}_runs"
    command = ["python", "-c", ESCAPES, "autoprompt-code:test", "autoprompt-host:test", network]
    said = deployment.compose("exec", "-T", "daemon", *command)
    assert said.strip() == str([404, 404, 403, 403, 403, 403, 403])
    # Neither a run nor the code server is on the gate's network.
    look = "import socket; socket.getaddrinfo('docker-gate', 2375)"
    ask = f"try:\n    {look}\nexcept OSError:\n    print('no way')"
    assert deployment.compose("exec", "-T", "code", "python", "-c", ask).strip() == "no way"
    for service in ("webserver", "daemon", "code", "docker-gate"):
        assert deployment.container(service)["Config"]["User"] == "10001:10001"


def test_the_router_s_image_takes_the_flags_that_it_is_started_with(
    deployment: Deployment,
) -> None:
    deployment.compose("--profile", "replicas", "build", "--quiet", "vllm-router", timeout=BUILD_S)
    said = docker(
        "run", "--rm", "--network", "none", "autoprompt-router:test", "vllm-router", "--help"
    )
    wanted = shlex.split(SERVICES["vllm-router"]["command"])
    flags = {word for word in wanted if word.startswith("--")}
    assert len(flags) == 4
    assert not [flag for flag in flags if flag not in said]
    assert "power_of_two" in said
    assert image_holds("autoprompt-router:test", (KEY, PASSWORD)) == []


def test_what_was_backed_up_is_there_again_and_nothing_is_paid_again(
    deployment: Deployment, searched: Search, tmp_path: Path
) -> None:
    before, answered = deployment.files(), searched.server.answered
    deployment.back_up(tmp_path)
    deployment.down()
    assert deployment.left() == []
    deployment.restore(tmp_path)
    backfill = deployment.launch("shapes")
    assert ended(deployment, backfill) == "COMPLETED_SUCCESS"
    assert searched.server.answered == answered
    results = {name for name in before if name.startswith("results/") and "timings" not in name}
    assert len(results) > 10
    after = deployment.files()
    assert {name for name in results if before[name] != after[name]} == set()


def test_a_changed_key_is_the_daemons_after_it_alone_was_started_anew(
    deployment: Deployment, searched: Search
) -> None:
    """As OPERATIONS.md says; the run below has it."""
    services = ("webserver", "code", "docker-gate", "postgres", "daemon")
    before = [deployment.container(one)["Id"] for one in services]
    deployment.set(OPENAI_API_KEY=NEW_KEY)
    deployment.compose("up", "--detach", "--wait", "daemon")
    after = [deployment.container(one)["Id"] for one in services]
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_a_changed_dataset_is_run_again_once(deployment: Deployment, searched: Search) -> None:
    """By the sensor, which is on from the start; what it starts is at work when all is ended."""
    server, earlier = searched.server, len(searched.server.ledger)
    server.slow = lambda body: True
    rows = deployment.experiments / "shapes" / "rows.csv"
    rows.write_text(csv_of({f"Another question, number {i}?": "(A)" for i in range(60)}))
    wait_for(lambda: server.in_flight > 0, 240)
    ticks = deployment.ticks()
    wait_for(lambda: deployment.ticks() >= ticks + 2, 120)
    causes = [tags for tags in deployment.backfill_tags() if "autoprompt/cause" in tags]
    assert [tags["autoprompt/cause"] for tags in causes] == ["dataset_changed"]
    assert len(deployment.run_containers()) == 1
    assert {one["authorization"] for one in server.ledger[earlier:]} == {f"Bearer {NEW_KEY}"}


def test_a_run_that_is_terminated_ends_with_its_container(
    deployment: Deployment, searched: Search
) -> None:
    [run] = deployment.run_containers()
    deployment.terminate(run)
    wait_for(lambda: not deployment.run_containers(), 60)
    wait_for(lambda: deployment.status(run) == "CANCELED", 60)
    assert searched.server.in_flight == 0


def test_the_end_leaves_nothing(deployment: Deployment, searched: Search) -> None:
    """A run that is still at work included."""
    deployment.launch("shapes")
    wait_for(lambda: searched.server.in_flight > 0, 240)
    deployment.down()
    assert deployment.left() == []
