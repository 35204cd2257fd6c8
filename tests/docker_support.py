"""The deployment of `deploy/compose.yaml` under a name of a test's own, on a real engine."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.support import KEY, ROOT
from tests.webserver import graphql

PASSWORD = "pg-secret-0123456789"
PYTHON_IMAGE = "autoprompt-test/python:3.11-bookworm"
POSTGRES_IMAGE = "autoprompt-test/postgres:17-trixie"
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
HOME = "/var/lib/autoprompt"
BUILD_S = 1500
ASSETS = ("dataset", "baseline_score", "optimizer_iterations", "best_prompt", "test_comparison")
LAUNCH = """mutation {{ launchPartitionBackfill(backfillParams: {{
  assetSelection: [{assets}], partitionNames: ["{experiment}"], fromFailure: false
}}) {{ __typename ... on LaunchBackfillSuccess {{ backfillId }}
       ... on PythonError {{ message }} }} }}"""
PROGRESS = """{{
  partitionBackfillOrError(backfillId: "{backfill}") {{
    ... on PartitionBackfill {{ status error {{ message }} }} }}
  runsOrError(filter: {{tags: [{{key: "dagster/backfill", value: "{backfill}"}}]}}) {{
    ... on Runs {{ results {{ runId status tags {{ key value }} }} }} }}
}}"""
SHOWN = """{
  instance { info }
  workspaceOrError { ... on Workspace { locationEntries {
    displayMetadata { key value }
    locationOrLoadError { ... on RepositoryLocation { repositories {
      displayMetadata { key value }
      assetNodes { description metadataEntries { ...entry } } } } } } } }
  runsOrError { ... on Runs { results {
    runId runConfigYaml tags { key value }
    eventConnection { events {
      ... on MessageEvent { message }
      ... on DisplayableEvent { label description metadataEntries { ...entry } } } } } } }
}
fragment entry on MetadataEntry {
  label description
  ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr }
  ... on JsonMetadataEntry { jsonString } ... on PathMetadataEntry { path }
  ... on UrlMetadataEntry { url }
}"""


def docker(*arguments: str, timeout: float = 120) -> str:
    """What `docker` says; its failure is the test's."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done.stdout


def engine_or_skip() -> None:
    """Skip where no engine answers; a failure where one has to."""
    why = "docker is not installed"
    if shutil.which("docker"):
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
        why = f"no Docker engine answers ({found.stderr.strip()[:200]})" if found.returncode else ""
        compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        why = why or ("docker has no plugin `compose`" if compose.returncode else "")
    if why and os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"REQUIRE_DOCKER=1 and {why}")
    if why:
        pytest.skip(why)


def gateway() -> str:
    """This machine's address as containers see it."""
    asked = docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}")
    pool = next(one for one in json.loads(asked) if "." in one["Subnet"])
    return pool.get("Gateway") or str(ip_network(pool["Subnet"])[1])


class Deployment:
    """One project of compose; everything that it makes carries the project's label."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.project = f"autoprompt-test-{os.getpid()}"
        self.experiments = folder / "experiments"
        self.experiments.mkdir(parents=True)
        self._env = folder / "env"
        own: dict[str, str] = {
            "PROJECT": self.project,
            "VERSION": "test",
            "POSTGRES_PASSWORD": PASSWORD,
            "DOCKER_GID": str(Path("/var/run/docker.sock").stat().st_gid),
            "OPENAI_API_KEY": KEY,
            "RUN_VARIABLES": '["OPENAI_API_KEY", "OPENAI_BASE_URL"]',
            "EXPERIMENTS": str(self.experiments),
            "UI_PORT": "0",
            "PYTHON_IMAGE": PYTHON_IMAGE,
            "POSTGRES_IMAGE": POSTGRES_IMAGE,
            "ENV_FILE": str(self._env),
            "CA_FILE": next((os.environ[n] for n in CERTIFICATES if n in os.environ), "/dev/null"),
        }
        self._settings: dict[str, str] = {}
        self.set(**own, **settings)

    def set(self, **settings: str) -> None:
        """Lines of the file of settings; what is up goes on as it was until the next `up`."""
        self._settings |= settings
        lines = [f"{name}={value}\n" for name, value in self._settings.items()]
        self._env.write_text("".join(lines))

    def compose(self, *arguments: str, timeout: float = 300) -> str:
        return docker(*self._compose, *arguments, timeout=timeout)

    @property
    def _compose(self) -> list[str]:
        file = str(ROOT / "deploy" / "compose.yaml")
        return ["compose", "-f", file, "--env-file", str(self._env)]

    @property
    def address(self) -> str:
        """Of the pages, at the port that Docker chose."""
        return f"http://{self.compose('port', 'webserver', '3000').strip()}"

    def up(self) -> None:
        bases = ROOT / "tests" / "docker" / "base_images.sh"
        subprocess.run([str(bases)], check=True, timeout=BUILD_S, stdout=subprocess.DEVNULL)
        try:
            self.compose("up", "--build", "--detach", "--wait", "--quiet-pull", timeout=BUILD_S)
        except AssertionError as error:
            error.add_note(self.compose("logs", "--no-color", "--tail", "40"))
            raise

    def back_up(self, folder: Path) -> None:
        """As OPERATIONS.md says."""
        tar = ["tar", "-C", HOME, "--exclude", "./dagster.yaml", "-cf", "-", "."]
        self._piped("exec", "-T", "code", *tar, to=folder / "home.tar")
        dump = ["pg_dump", "--username", "autoprompt", "--format", "custom", "autoprompt"]
        self._piped("exec", "-T", "postgres", *dump, to=folder / "database.dump")

    def restore(self, folder: Path) -> None:
        """As OPERATIONS.md says, into volumes that are not there yet."""
        self.compose("up", "--detach", "--wait", "postgres")
        into = ["pg_restore", "--username", "autoprompt", "--dbname", "autoprompt"]
        command = ["exec", "-T", "postgres", *into, "--exit-on-error"]
        self._piped(*command, stdin=folder / "database.dump")
        tar = ["tar", "-C", HOME, "-xf", "-"]
        self._piped("run", "--rm", "--no-deps", "-T", "code", *tar, stdin=folder / "home.tar")
        self.compose("up", "--detach", "--wait")

    def _piped(self, *arguments: str, to: Path | None = None, stdin: Path | None = None) -> None:
        source, sink = (stdin or Path(os.devnull)).open("rb"), (to or Path(os.devnull)).open("wb")
        with source, sink:
            command = ["docker", *self._compose, *arguments]
            subprocess.run(command, stdin=source, stdout=sink, check=True, timeout=300)

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def left(self) -> list[str]:
        """Containers, volumes and networks of the project."""
        label = ["--filter", f"label=com.docker.compose.project={self.project}"]
        kinds = (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
        return [line for kind in kinds for line in docker(*kind, "--quiet", *label).split()]

    def launch(self, experiment: str, *assets: str) -> str:
        """Those assets of an experiment, or all as "Materialize all" does; the backfill's id."""
        paths = ", ".join(f'{{path: ["{asset}"]}}' for asset in assets or ASSETS)
        query = LAUNCH.format(assets=paths, experiment=experiment)
        found = graphql(self.address, query)["launchPartitionBackfill"]
        assert "backfillId" in found, found
        return str(found["backfillId"])

    def progress(self, backfill: str) -> tuple[str, list[dict[str, Any]]]:
        """The backfill's status, and its runs with their tags, retries included."""
        found = graphql(self.address, PROGRESS.format(backfill=backfill))
        one = found["partitionBackfillOrError"]
        assert not one.get("error"), one
        runs = found["runsOrError"]["results"]
        for run in runs:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
        return one["status"], runs

    def backfill_tags(self) -> list[dict[str, str]]:
        """The tags of every backfill."""
        query = (
            "{partitionBackfillsOrError {... on PartitionBackfills {results {tags {key value}}}}}"
        )
        found = graphql(self.address, query)["partitionBackfillsOrError"]["results"]
        return [{tag["key"]: tag["value"] for tag in one["tags"]} for one in found]

    def ticks(self) -> int:
        """How often the sensor has looked."""
        return int(self.sql("select count(*) from job_ticks where status <> 'STARTED'")[0])

    def terminate(self, run: str) -> None:
        """As the button on a run's page does."""
        query = f'mutation {{ terminateRun(runId: "{run}") {{ __typename }} }}'
        found = graphql(self.address, query)["terminateRun"]
        assert found["__typename"] == "TerminateRunSuccess", found

    def status(self, run: str) -> str:
        """Of a run."""
        found = graphql(self.address, f'{{runOrError(runId: "{run}") {{... on Run {{status}}}}}}')
        return str(found["runOrError"]["status"])

    def run_containers(self) -> dict[str, str]:
        """By run id, the container of each run that is at work."""
        label = f"label=com.docker.compose.project={self.project}"
        run = "label=com.docker.compose.service=run"
        form = '{{.ID}} {{.Label "dagster/run_id"}}'
        said = docker("ps", "--filter", label, "--filter", run, "--no-trunc", "--format", form)
        pairs = (line.split() for line in said.splitlines())
        return {run: container for container, run in pairs}

    def container(self, service: str) -> dict[str, Any]:
        """What Docker says of a service's container."""
        found: list[dict[str, Any]] = json.loads(
            docker("inspect", self.compose("ps", "--quiet", service).strip())
        )
        return found[0]

    def sql(self, query: str) -> list[str]:
        psql = ["psql", "--username", "autoprompt", "--dbname", "autoprompt", "-Atc", query]
        return self.compose("exec", "-T", "postgres", *psql).splitlines()

    def database_texts(self) -> Iterator[bytes]:
        """A dump, and what Dagster packs within."""
        dump = ["pg_dump", "--username", "autoprompt", "autoprompt"]
        yield self.compose("exec", "-T", "postgres", *dump).encode()
        for row in self.sql("select encode(snapshot_body, 'hex') from snapshots"):
            yield zlib.decompress(bytes.fromhex(row))

    def pages(self) -> Iterator[str]:
        """What the pages show of runs, code location and settings; then the page itself."""
        yield json.dumps(graphql(self.address, SHOWN))
        with urllib.request.urlopen(self.address, timeout=20) as page:
            yield page.read().decode()

    def files(self) -> Mapping[str, bytes]:
        """The shared volume's files by path."""
        tar = ["tar", "-C", HOME, "-cf", "-", "."]
        command = ["docker", "exec", self.container("code")["Id"], *tar]
        whole = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            return {
                member.name.removeprefix("./"): file.read()
                for member in archive
                if (file := archive.extractfile(member)) is not None
            }


def image_holds(image: str, secrets: tuple[str, ...]) -> list[str]:
    """Which of `secrets` stand in a layer or in the metadata of an image."""
    process = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    assert process.stdout is not None
    found, rest = set(), b""
    with contextlib.closing(process.stdout) as stream:
        while block := stream.read(2**22):
            text = rest + block
            found |= {one for one in secrets if one.encode() in text}
            rest = text[-200:]
    assert process.wait(60) == 0
    return sorted(found)
