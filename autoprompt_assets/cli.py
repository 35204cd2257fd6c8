"""`autoprompt` and its commands. Exit codes: 0 done, 1 failed, 2 the input is wrong."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

import click
from dotenv import load_dotenv

from autoprompt_assets.engine.controls import for_terminal, json_text
from autoprompt_assets.engine.errors import InputError, JournalError, MissingInput, RunFailed
from autoprompt_assets.engine.spec import parse_overrides
from autoprompt_assets.engine.text import quantity
from autoprompt_assets.outputs import OutputFailed, output_streams
from autoprompt_assets.resources.home import experiments_folder, journal_url, prepare_home

DEFAULT_EXPERIMENT = "question-kind"
KINDS = ("exact", "choice", "contains", "number", "regex", "json", "model")
"""The graders that `init` may write."""
SETTING = click.option(
    "--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="Override a spec field."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Improves the prompt of a language model, and proves that it did."""
    note = prepare_home()
    load_dotenv(".env")
    if note:
        click.echo(f"note: {note}", err=True)


@cli.command()
@click.argument("experiment", default=DEFAULT_EXPERIMENT)
@SETTING
@click.option("--rescore", metavar="SEARCH", help="Score an earlier search's candidates again.")
@click.option("--retry-failed", is_flag=True, help="Ask rows whose calls failed again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def run(
    experiment: str,
    settings: tuple[str, ...],
    rescore: str | None,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Materialize all five assets of EXPERIMENT and print the verdict."""
    from rich.console import Console

    from autoprompt_assets.commands import (
        TerminalProgress,
        preflight,
        rerun,
        run_experiment,
        show_outcome,
    )
    from autoprompt_assets.configuration import Bench

    overrides = parse_overrides(settings)
    progress = TerminalProgress()
    if rescore is not None:
        bench = Bench.configured(overrides)
        overrides = {**overrides, **rerun.rescore_overrides(experiment, bench, rescore)}
    for note in preflight(experiment, Bench.configured(overrides), keys=True).notes:
        progress.notice(f"note: {note}")
    if retry_failed:
        retry = rerun.retry_failed(experiment, overrides)
        overrides = {**overrides, **retry.overrides}
        progress.notice(
            f"{quantity(retry.failed, 'row')} of search {retry.search} failed: asked again, "
            "on a new path, as a search of its own; what was answered is replayed"
        )
    try:
        outcome = run_experiment(experiment, Bench.configured(overrides), progress)
    finally:
        progress.close()
    if as_json:
        click.echo(json_text(outcome.as_json()))
    else:
        show_outcome(outcome, Console(highlight=False))


@cli.command(name="list")
def list_experiments() -> None:
    """The experiments, and what is wrong with those that cannot run."""
    from autoprompt_assets.commands import describe
    from autoprompt_assets.configuration import Bench

    for line in describe(Bench.configured({})):
        _say(line)


@cli.command()
@click.argument("experiment")
@SETTING
def check(experiment: str, settings: tuple[str, ...]) -> None:
    """Validate spec and data without a call; print sizes, costs and the test's wear."""
    from autoprompt_assets.commands import preflight, wear_lines
    from autoprompt_assets.configuration import Bench

    bench = Bench.configured(parse_overrides(settings))
    found = preflight(experiment, bench, keys=False)
    for line in (*found.lines, *wear_lines(bench.store.journal, found.dataset)):
        _say(line)


@cli.command()
@click.argument("name")
@click.option(
    "--data", "path", required=True, help="Your table: CSV, JSON, JSON Lines, Parquet, Excel."
)
@click.option("--input", "inputs", multiple=True, metavar="COLUMN", help="Once for each input.")
@click.option("--target", default="", metavar="COLUMN", help="The column of wanted answers.")
@click.option("--no-target", is_flag=True, help="There is none: the grader needs no answers.")
@click.option("--grader", type=click.Choice(KINDS), default="exact", show_default=True)
@click.option("--sheet", default="", help="Of a workbook: the sheet's name or number.")
@click.option("--encoding", default="utf-8", show_default=True, help="cp1252 is what Excel writes.")
@click.option("--prompt", help="Your first prompt; it can be edited in the file.")
def init(name: str, prompt: str | None, grader: str, no_target: bool, **table: Any) -> None:
    """Write a commented experiment file NAME for your own table.

    Columns that are not named are looked for in it.
    """
    from autoprompt_assets.commands import NewTable, write_experiment

    if no_target:
        table["target"] = None
    told = NewTable(**table)
    path, dataset = write_experiment(experiments_folder(), name, told, prompt, grader)
    _say(f"wrote {path}")
    inputs, target = ", ".join(dataset.inputs), dataset.target or "none"
    _say(f"inputs: {inputs}; target: {target} (dataset.inputs and dataset.target in the file)")
    _say(f"next: edit its prompt, then `autoprompt check {name}` and `autoprompt run {name}`")
    click.echo("a running UI shows it after Deployment > Code locations > Reload")


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, type=click.IntRange(0, 65535), show_default=True)
def dev(host: str, port: int) -> None:
    """Start the Dagster UI and daemon on the same home; no other site's page can use it."""
    from autoprompt_assets.commands import serve

    # Ctrl-C and SIGTERM are how it ends: no failure.
    with suppress(KeyboardInterrupt):
        serve(host, port, "Dagster's UI: {url} (Ctrl-C ends it)")


@cli.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.pass_context
def journal(context: click.Context, as_json: bool) -> None:
    """What the journal holds, how often it answered, and what each experiment has paid."""
    from rich.console import Console

    from autoprompt_assets.commands import show_ledger
    from autoprompt_assets.engine.journal import read_ledger

    if context.invoked_subcommand is not None:
        return
    ledger = read_ledger(journal_url())
    if as_json:
        click.echo(json_text(ledger.as_json()))
    else:
        show_ledger(ledger, Console(highlight=False))


@journal.command()
@click.option("--older-than", metavar="AGE", help="Answers of that age: 12h, 30d, 8w.")
@click.option(
    "--experiment", metavar="NAME", help="Answers that this one was the first to pay for."
)
@click.option("--yes", is_flag=True, help="Delete them; else only say what would be deleted.")
def prune(older_than: str | None, experiment: str | None, yes: bool) -> None:
    """Delete answers; results are kept, but whatever asks for them again pays again."""
    from autoprompt_assets.commands import prune as delete_answers

    delete_answers(journal_url(), older_than, experiment, yes, _say)


@journal.command()
@click.option("--forget", metavar="MODEL", help="Have its next requests find out anew.")
def forms(forget: str | None) -> None:
    """What was learned of the form in which models take requests."""
    from autoprompt_assets.commands import forms as show_forms

    show_forms(journal_url(), forget, _say)


def main() -> None:
    """The console script."""
    # Until something better is in place, SIGTERM is what Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _open_what_is_closed()
    sys.stdout, sys.stderr = output_streams()
    try:
        cli.main(standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        _leave(error, 2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _leave("interrupted; what was answered is kept, run again to go on", 130)
    except (RunFailed, JournalError, MissingInput) as error:
        _leave(error, 1)
    except OutputFailed as error:
        # Nothing is tried again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        reason = error.strerror or type(error).__name__
        _leave(f"standard output cannot be written ({reason}); what was done is kept", 1)
    except OSError as error:
        from autoprompt_assets.resources.storage import plainly

        _leave(plainly(error), 1)
    except Exception as error:
        # Dagster's own interrupt, between steps: naming its class would load Dagster here.
        if "Interrupt" in type(error).__name__:
            _leave("interrupted; what was answered is kept, run again to go on", 130)
        raise


def _open_what_is_closed() -> None:
    """Give a closed stream a place: else the next file that is opened gets its number, and a
    worker that prints there writes into it.
    """
    told = sys.stdout is not None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if not told:
        _leave("standard output is closed; for a run without it write > /dev/null", 1)


def _say(line: str) -> None:
    click.echo(for_terminal(line))


def _leave(said: object, code: int) -> None:
    click.echo(for_terminal(str(said)), err=True)
    sys.exit(code)
