"""Dagster's pages behind the guard of `autoprompt dev`: no page of another site launches a run."""

from __future__ import annotations

import os

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
)

from autoprompt_assets.commands.webguard import Address, Guard

POLL_MS = 2000
PORT = 3000
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - the container's; compose.yaml says who reaches it


def main() -> None:
    """Serve until SIGTERM."""
    configure_loggers(formatter="colored", log_level="INFO")
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW
        )
        target = WorkspaceFileTarget(paths=[os.environ["WORKSPACE"]])
        with WorkspaceProcessContext(instance, target) as context:
            app = create_app_from_workspace_process_context(context, "", POLL_MS)
            uvicorn.run(
                # People reach it under the port of the host that compose.yaml publishes.
                Guard(app, Address(EVERY_INTERFACE, None)),
                host=EVERY_INTERFACE,
                port=PORT,
                log_level="warning",
                lifespan="off",
                proxy_headers=False,
            )


if __name__ == "__main__":
    main()
