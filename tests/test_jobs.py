"""Every job of docs/jobs.md: from its files to a gain, through a kill, to a report."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.jobs.forms import EXTRACTION, PATTERNS, SQL, TOOLS
from tests.jobs.job import Job, figures, titles
from tests.jobs.server import serve
from tests.jobs.sorting import CHAT, IMAGES, LABELS, ROUTING
from tests.jobs.writing import PASSAGES, SUMMARIES, TRANSLATION
from tests.scene import Scene, requests_since_start, undisturbed
from tests.support import KEY, Project, without_calls

JOBS = (
    *(ROUTING, EXTRACTION, PASSAGES, CHAT, SUMMARIES, SQL),
    *(PATTERNS, TOOLS, LABELS, TRANSLATION, IMAGES),
)
EVERYDAY = (EXTRACTION,)


@pytest.mark.parametrize(
    "job",
    [pytest.param(j, id=j.name, marks=[] if j in EVERYDAY else pytest.mark.slow) for j in JOBS],
)
def test_a_job_gains_resumes_after_a_kill_and_reports(job: Job, tmp_path: Path) -> None:
    with serve(job, delay=0.01, optimizer_delay=0.3) as server:
        environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}

        def scene(name: str) -> Scene:
            project = Project(tmp_path / name, environ)
            folder = project.experiments / job.name
            folder.mkdir(parents=True)
            for path, content in job.folder().items():
                (folder / path).write_bytes(content)
            return Scene(project, server, (), len(server.ledger), job.name)

        measure = undisturbed(scene("calm"))
        killed = scene("killed")
        stop = killed.interrupt("in its middle", requests_since_start(90), signal.SIGKILL)
        outcome = killed.run()

    best, first = measure.outcome["best"], measure.outcome["baseline"]
    assert best["validation"] > first["validation"] + 0.1
    verdict = measure.outcome["comparison"]["verdict"]
    assert (*(round(one["test"] + 1e-9, 2) for one in (first, best)), verdict) == figures()[
        job.name
    ]
    assert without_calls(outcome) == without_calls(measure.outcome)
    assert killed.project.records(job.name) == measure.records
    assert not stop.again(killed.ledger(), measure)
    report = next((killed.project.home / "results" / job.name).rglob("report.html")).read_text()
    assert job.rules[0] in report or job.rules[1] in report or job.rules[2] in report


def test_the_page_has_the_jobs_that_are_tried() -> None:
    assert titles() == [job.title for job in JOBS]
    assert list(figures()) == [job.name for job in JOBS]
