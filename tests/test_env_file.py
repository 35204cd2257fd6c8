"""One home, whoever starts: who says where it is, and which `.env` is ours to say it in."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from dagster._core.secrets.env_file import get_env_var_dict

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources import home as home_module
from autoprompt_assets.resources.env_file import remember
from autoprompt_assets.resources.home import home_folder
from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import ROOT, Project, csv_of, ended, toy_project


def checkout(folder: Path) -> Project:
    """The toy in a copy of this project's own folder, which runs the copy's code."""
    project = toy_project(folder / "project", PYTHONPATH=str(folder / "project"))
    for name in ("autoprompt_assets", "resources"):
        shutil.copytree(ROOT / name, project.folder / name, symlinks=True)
    shutil.copy(ROOT / "workspace.yaml", project.folder)
    return project


def somebody_elses(folder: Path) -> Project:
    """The toy, asked for in the folder of a Dagster project that is not this one."""
    project = toy_project(folder / "theirs")
    (project.folder / "workspace.yaml").write_text("load_from: []\n", encoding="utf-8")
    (project.folder / "pyproject.toml").write_text("[tool.dagster]\n", encoding="utf-8")
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


@pytest.mark.slow
def test_an_exported_home_wins_over_env_file_under_dagster_too(tmp_path: Path) -> None:
    project, mine, other = checkout(tmp_path), tmp_path / "mine", tmp_path / "other"
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
    project, mine, other = checkout(tmp_path), tmp_path / "mine", tmp_path / "other"
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


def test_env_file_is_written_in_this_projects_folder_and_keeps_the_users_lines(
    tmp_path: Path,
) -> None:
    project = checkout(tmp_path)
    env, shared = project.folder / ".env", tmp_path / "shared"
    assert listed(project, project.home) == ""
    assert env.stat().st_mode & 0o777 == 0o600

    env.unlink()
    mine = "# mine\nOTHER='a b'\nDAGSTER_HOME=/mine\n"
    shared.write_text(mine, encoding="utf-8")
    shared.chmod(0o640)
    env.symlink_to(shared)
    assert listed(project, project.home) == (
        f"note: {env}: named /mine as the home, and names {project.home} from now on\n"
    )
    assert env.is_symlink()
    written = shared.read_text(encoding="utf-8")
    assert shared.stat().st_mode & 0o777 == 0o640
    assert written.startswith("# mine\nOTHER='a b'\n")
    names = ["OTHER", "DAGSTER_HOME", "AUTOPROMPT_HOME"]
    assert re.findall(r"^(\w+)=", written, re.MULTILINE) == names
    before = shared.stat().st_mtime_ns
    listed(project, project.home)
    assert shared.stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "shared"]


THEIRS = {
    "none": None,
    "their own Dagster's": "DAGSTER_HOME=/theirs\nDB=x\n",
    "a home of theirs": "AUTOPROMPT_HOME=/theirs\n",
    "lines as written here": "AUTOPROMPT_HOME='${AUTOPROMPT_HOME:-/theirs}'\n",
}


@pytest.mark.parametrize(
    "case",
    [
        *("none", "lines as written here"),
        pytest.param("their own Dagster's", marks=pytest.mark.slow),
        pytest.param("a home of theirs", marks=pytest.mark.slow),
    ],
)
def test_the_env_file_of_somebody_elses_project_is_never_touched(case: str, tmp_path: Path) -> None:
    project, env = somebody_elses(tmp_path), tmp_path / "theirs" / ".env"
    if THEIRS[case] is not None:
        env.write_text(THEIRS[case] or "", encoding="utf-8")
    before = sorted(project.folder.iterdir())
    said = listed(project, tmp_path / "mine")
    table = project.folder / "rows.csv"
    table.write_text(csv_of({f"q{i}": "ab"[i % 2] for i in range(30)}), encoding="utf-8")
    assert project.run("init", "own", "--data", "rows.csv").returncode == 0
    assert project.run("check", "toy").returncode == 0
    assert sorted({*project.folder.iterdir()} - {table}) == before
    if env.exists():
        assert env.read_text(encoding="utf-8") == THEIRS[case]
    told = (
        f"note: {env}: names /theirs as the home, which is {tmp_path / 'mine'} now; the file is "
        f"left as it is: to change it, write AUTOPROMPT_HOME='${{AUTOPROMPT_HOME:-"
    )
    assert said.startswith(told) if "AUTOPROMPT" in (THEIRS[case] or "") else said == ""


@pytest.mark.slow
def test_dagsters_own_commands_say_how_to_mend_an_env_file_that_is_not_ours(
    tmp_path: Path,
) -> None:
    project, other = somebody_elses(tmp_path), tmp_path / "other"
    for home in (other, project.home):
        home.mkdir()
    env = project.folder / ".env"
    env.write_text(f"DAGSTER_HOME={other}\n", encoding="utf-8")
    code, text = dagster(project, AUTOPROMPT_HOME=str(project.home))
    assert code == 1
    assert (
        f"Dagster's home is {other}, as {env} says, and the home of the results is "
        f"{project.home}: export AUTOPROMPT_HOME={other}, or start it in another folder"
    ) in text
    env.write_text(f"AUTOPROMPT_HOME={other}\nDAGSTER_HOME={other}\n", encoding="utf-8")
    code, text = dagster(project, AUTOPROMPT_HOME=str(project.home))
    assert code == 1
    line = f"'${{AUTOPROMPT_HOME:-{other}}}'"
    mended = f"AUTOPROMPT_HOME={line} and DAGSTER_HOME={line}"
    assert f"even where another is exported: write {mended} there instead" in text
    env.write_text(mended.replace(" and ", "\n"), encoding="utf-8")
    code, text = dagster(project, AUTOPROMPT_HOME=str(project.home))
    assert code == 0, text
    assert holds_results(other, project.home) == [False, True]


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_home_is_its_users_alone_and_its_files_follow_the_umask(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(unauthorized=True)) as server:
        project = toy_project(tmp_path / "project", server.base_url)
        assert project.shell('umask 022; exec "$0" list').returncode == 0
        assert project.home.stat().st_mode & 0o777 == 0o700
        assert modes(project.home) == {0o644}

        shutil.rmtree(project.home)
        project.home.mkdir()
        project.home.chmod(0o710)
        assert project.shell('umask 077; exec "$0" run toy').returncode == 1
    assert (project.home / "results").exists()
    assert modes(project.home) == {0o600}
    assert project.home.stat().st_mode & 0o777 == 0o710  # it was there: its rights are chosen


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
        note = "" if exported else f"{file}: named /old as the home, and names {home} from now on"
        assert remember(file, home) == note
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


def test_an_env_file_that_is_a_pipe_is_one_line_and_not_waited_for(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    os.mkfifo(project.folder / ".env")
    assert project.refused("list") == (
        f"{project.folder / '.env'}: is a pipe, not a file, and is not read; export its variables, "
        "and move it or start in another folder"
    )


@pytest.mark.parametrize("mask", ["0777", "0277", "0100"])
def test_a_umask_that_takes_files_from_their_owner_is_one_line(tmp_path: Path, mask: str) -> None:
    result = toy_project(tmp_path).shell(f'umask {mask}; exec "$0" list')
    assert result.returncode == 2
    assert result.stderr == (
        f"umask {mask}: takes new files and folders away from their owner; set it to 022, or to "
        "077 for files that are yours alone\n"
    )
