"""One home, whoever starts: where it is, who says so, and what is said where it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster._core.secrets.env_file import get_env_var_dict

from autoprompt_assets.engine.errors import InputError
from resources import home as home_module
from resources.env_file import remember
from resources.home import home_folder
from tests.program import Program
from tests.support import Project, ended, toy_project


def project_folder(folder: Path) -> Project:
    """A project in whose folder Dagster's own commands find a workspace."""
    project = toy_project(folder / "project")
    (project.folder / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")
    return project


def dagster(project: Project, **environ: str) -> tuple[int, str]:
    """Dagster's own command, with nothing but `environ` to say where the home is."""
    kept = {
        name: value
        for name, value in project.variables().items()
        if name not in ("AUTOPROMPT_HOME", "DAGSTER_HOME")
    }
    arguments = "asset materialize -m autoprompt_assets.definitions --select dataset --partition"
    program = Program(
        "dagster._cli", [*arguments.split(), "toy"], {**kept, **environ}, project.folder
    )
    result = ended(program, timeout=120)
    return result.returncode, result.stdout + result.stderr


def listed(project: Project, home: Path) -> str:
    """`autoprompt list` with `home` exported; what it notes."""
    project.environ |= {"AUTOPROMPT_HOME": str(home), "DAGSTER_HOME": "/nowhere"}
    result = project.run("list")
    assert result.returncode == 0, result.stderr
    return result.stderr


def holds_results(*homes: Path) -> list[bool]:
    return [(home / "results").exists() for home in homes]


def test_an_exported_home_wins_over_env_file_under_dagster_too(tmp_path: Path) -> None:
    project, mine, other = project_folder(tmp_path), tmp_path / "mine", tmp_path / "other"
    assert listed(project, other) == ""
    assert "named" not in listed(project, other)
    said = listed(project, mine)
    assert said.splitlines() == [
        f"note: {project.folder / '.env'}: named {other} as the home, and names {mine} from now on"
    ]

    code, text = dagster(project, AUTOPROMPT_HOME=str(other), DAGSTER_HOME=str(tmp_path))
    assert code == 0, text
    assert holds_results(mine, other) == [False, True]
    code, text = dagster(project)
    assert code == 0, text
    assert holds_results(mine, other) == [True, True]


def test_an_env_file_that_would_hide_an_exported_home_is_mended_before_anything_is_done(
    tmp_path: Path,
) -> None:
    project, mine, other = project_folder(tmp_path), tmp_path / "mine", tmp_path / "other"
    other.mkdir()
    env = project.folder / ".env"
    env.write_text(f"AUTOPROMPT_HOME={other}\nDAGSTER_HOME={other}\n", encoding="utf-8")

    code, text = dagster(project, AUTOPROMPT_HOME=str(mine))
    assert code == 1
    assert f"{env} names {other} as the home even where another is exported: run `.venv/" in text
    listed(project, mine)
    code, text = dagster(project, AUTOPROMPT_HOME=str(mine))
    assert code == 0, text
    assert holds_results(mine, other) == [True, False]


def test_a_dagster_home_of_another_home_is_refused_in_a_line_that_names_both(
    tmp_path: Path,
) -> None:
    project, other = toy_project(tmp_path / "project"), tmp_path / "other"
    other.mkdir()
    code, text = dagster(project, AUTOPROMPT_HOME=str(project.home), DAGSTER_HOME=str(other))
    assert code == 1
    assert (
        f"Dagster's home is {other} and the home of the results is {project.home}: export "
        f"AUTOPROMPT_HOME={other}, or DAGSTER_HOME={project.home}, so that they are one\n"
    ) in text
    assert holds_results(other, project.home) == [False, False]


def test_from_any_folder_the_home_is_the_one_that_the_project_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, project = tmp_path / "elsewhere", tmp_path / "project"
    for folder in (elsewhere, project):
        folder.mkdir()
    monkeypatch.setattr(home_module, "PROJECT", project)
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("AUTOPROMPT_HOME", raising=False)
    assert home_folder() == project / ".autoprompt"
    remember(project / ".env", tmp_path / "mine")
    assert home_folder() == tmp_path / "mine"
    remember(elsewhere / ".env", tmp_path / "nearer")
    assert home_folder() == tmp_path / "nearer"
    monkeypatch.setenv("AUTOPROMPT_HOME", str(tmp_path / "exported"))
    assert home_folder() == tmp_path / "exported"


@pytest.mark.parametrize("name", ["plain", "a b", "it's", 'a "b"', "a\\b", "$HOME", "ünï", "a#b=c"])
def test_env_file_hands_any_path_on_to_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file, home = tmp_path / ".env", tmp_path / name
    file.write_text("# mine\nDAGSTER_HOME=/old\nKEY='a b'\n", encoding="utf-8")
    for exported, expected in ((None, home), (tmp_path / "exported", tmp_path / "exported")):
        monkeypatch.delenv("AUTOPROMPT_HOME", raising=False)
        if exported:
            monkeypatch.setenv("AUTOPROMPT_HOME", str(exported))
        assert remember(file, home) == ""
        wanted = {"AUTOPROMPT_HOME": str(expected), "DAGSTER_HOME": str(expected), "KEY": "a b"}
        assert get_env_var_dict(str(tmp_path)) == wanted
    assert file.read_text(encoding="utf-8").startswith("# mine\n")


def test_env_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("KEY=a\n", encoding="utf-8")
    (tmp_path / ".env").symlink_to(tmp_path / "shared")
    assert remember(tmp_path / ".env", tmp_path / "home") == ""
    assert (tmp_path / ".env").is_symlink()
    assert "AUTOPROMPT_HOME" in (tmp_path / "shared").read_text(encoding="utf-8")


def test_a_path_that_env_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds a brace, which"):
        remember(tmp_path / ".env", tmp_path / "a}b")
    assert not (tmp_path / ".env").exists()


# What cannot be used


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
    "a home in a device": (
        exported(AUTOPROMPT_HOME="/dev/null/home"),
        2,
        "AUTOPROMPT_HOME: /dev/null/home/locks cannot be written (Not a directory); set it to a",
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
        "baseline_score: the journal cannot be opened: sqlite:////proc/self/nowhere/journal.db: ",
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
