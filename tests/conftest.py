"""Finished searches, made once; a test that asks for `graph` or `copied` has a copy of its own.

Dagster loads where it is used: the process that hands out the tests needs none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.frames_support import copied, found, searched  # noqa: F401
from tests.loopback import Behaviour, LoopbackServer
from tests.support import Project

if TYPE_CHECKING:
    from tests.dagster_support import Graph


@pytest.fixture(scope="session")
def answering() -> Iterator[LoopbackServer]:
    from tests.dagster_support import ROWS

    with LoopbackServer(Behaviour(answers=ROWS)) as server:
        yield server


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, answering: LoopbackServer) -> Project:
    """`alpha` searched to its end; `beta` (one iteration) and `broken` as they were written."""
    from tests.dagster_support import BROKEN, SHORT, SPEC, opened, project_with

    folder = tmp_path_factory.mktemp("finished") / "project"
    project = project_with(folder, answering.base_url, alpha=SPEC, beta=SHORT, broken=BROKEN)
    with opened(project) as graph:
        graph.search("alpha")
    return project


@pytest.fixture
def graph(finished: Project, tmp_path: Path) -> Iterator[Graph]:
    from tests.dagster_support import opened

    with opened(finished.copy(tmp_path / "project")) as graph:
        yield graph


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of few tests have the long ones: they come first, so that no worker ends with one."""
    tests = Counter(item.location[0] for item in items)
    items.sort(key=lambda item: (tests[item.location[0]], item.location[0]))
