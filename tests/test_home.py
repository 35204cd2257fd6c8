"""What is said where a home cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Project, ended, toy_project


def garbage(*parts: str) -> Callable[[Project], None]:
    def write(project: Project) -> None:
        path = project.home.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"garbage" * 500)

    return write


def settings(content: bytes) -> Callable[[Project], None]:
    def write(project: Project) -> None:
        project.home.mkdir(exist_ok=True)
        (project.home / "dagster.yaml").write_bytes(content)

    return write


def env_file(content: bytes) -> Callable[[Project], None]:
    return lambda project: _ignore((project.folder / ".env").write_bytes(content))


def exported(**environ: str) -> Callable[[Project], None]:
    return lambda project: project.environ.update(environ)


def _ignore(_: object) -> None:
    return None


STORAGE = "{home}: Dagster's storage "
WITHOUT_A_FOLDER = {"AUTOPROMPT_JOURNAL": "sqlite:////proc/self/nowhere/journal.db"}
FAULTS: dict[str, tuple[Callable[[Project], None], int, str]] = {
    "a relative home": (
        exported(AUTOPROMPT_HOME="homes/b"),
        2,
        "AUTOPROMPT_HOME = 'homes/b': is another folder wherever one stands; write it as an abs",
    ),
    "a home of nobody": (exported(AUTOPROMPT_HOME="~no-such-user/b"), 2, "AUTOPROMPT_HOME = '~no-"),
    "a file for the experiments": (
        exported(AUTOPROMPT_EXPERIMENTS=__file__),
        2,
        f"AUTOPROMPT_EXPERIMENTS = {__file__!r}: is a file; name the folder that holds a fold",
    ),
    "a home in a device": (
        exported(AUTOPROMPT_HOME="/dev/null/home"),
        2,
        "AUTOPROMPT_HOME: /dev/null/home cannot be written (Not a directory); set it to a",
    ),
    "a file for the locks": (
        garbage("locks"),
        2,
        "AUTOPROMPT_HOME: {home}/locks cannot be written (File exists); set it to a folder of y",
    ),
    "an .env in another encoding": (env_file(b"KEY=\xff\n"), 2, "{env}: is not UTF-8; save it as"),
    "an .env with a null": (env_file(b"KEY=a\0b\n"), 2, "{env}: holds a null character; take it"),
    "a store that nothing reaches": (
        exported(AUTOPROMPT_STORE="nosuch://bucket/results"),
        2,
        "AUTOPROMPT_STORE: Unsupported filesystem: 'nosuch'; set it to a folder, or to a URL who",
    ),
    "a file for the results": (
        garbage("results"),
        1,
        "{home}/results/toy/datasets/",
    ),
    "a journal without a folder": (
        exported(**WITHOUT_A_FOLDER),
        1,
        "the journal cannot be opened: sqlite:////proc/self/nowhere/journal.db: ",
    ),
    "garbage for Dagster's runs": (
        garbage("history", "runs.db"),
        1,
        STORAGE + "cannot be opened (file is not a database); make room, mend the folder, or let",
    ),
    "garbage for Dagster's events": (
        garbage("history", "runs", "index.db"),
        1,
        STORAGE + "failed (file is not a database); make room, mend the folder, or let another",
    ),
    "a file for Dagster's history": (garbage("history"), 1, STORAGE + "cannot be opened ([Errno"),
    "broken YAML for Dagster": (
        settings(b"storage: [b"),
        1,
        "{home}/dagster.yaml: cannot be used (while parsing a flow sequence in ",
    ),
    "settings that Dagster does not know": (
        settings(b"no_such_part: 1\n"),
        1,
        "{home}/dagster.yaml: cannot be used (Errors whilst loading dagster instance config",
    ),
    "a storage of a library that is not there": (
        settings(b"storage: {postgres: {postgres_url: 'postgresql://me@127.0.0.1:9/x'}}\n"),
        1,
        STORAGE + "cannot be opened (Failure condition: Couldn't import module dagster_postgres ",
    ),
    "a coordinator that is not there": (
        settings(b"run_coordinator: {module: no_such_module, class: Queue}\n"),
        1,
        STORAGE + "cannot be opened (Failure condition: Couldn't import module no_such_module ",
    ),
}


ALIKE = (
    *("a file for Dagster's history", "settings that Dagster does not know"),
    *("a storage of a library that is not there", "a home in a device"),
)


@pytest.mark.parametrize(
    "case", [pytest.param(x, marks=pytest.mark.slow) if x in ALIKE else x for x in FAULTS]
)
def test_a_home_that_cannot_be_used_ends_in_one_line(case: str, tmp_path: Path) -> None:
    prepare, code, said = FAULTS[case]
    project = toy_project(tmp_path / "project")
    project.folder.mkdir(exist_ok=True)
    prepare(project)
    line = project.refused("run", "toy", code=code)
    assert line.startswith(said.format(home=project.home, env=project.folder / ".env"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_home_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    project = toy_project(tmp_path / "project")
    project.home.mkdir(parents=True)
    project.home.chmod(0o555)
    line = project.refused("list")
    assert line.startswith(f"AUTOPROMPT_HOME: {project.home}/locks cannot be written (Permission")


def test_settings_of_dagster_appear_whole(tmp_path: Path) -> None:
    project = toy_project(tmp_path / "project")
    programs = [project.start("list") for _ in range(3)]
    assert [ended(program, 60).returncode for program in programs] == [0, 0, 0]
    assert sorted(path.name for path in project.home.iterdir()) == ["dagster.yaml", "locks"]
