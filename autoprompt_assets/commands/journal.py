"""What `autoprompt journal` and `autoprompt journal prune` print and refuse."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.errors import shown as quoted
from autoprompt_assets.engine.journal import (
    Account,
    AtWork,
    Ledger,
    Selection,
    delete,
    forget_forms,
    hit_rate,
    pruning,
    read_forms,
    read_ledger,
    read_selection,
    searches_of,
)
from autoprompt_assets.engine.text import quantity

_UNITS_S = {"h": 3600, "d": 86400, "w": 7 * 86400}


def show_ledger(ledger: Ledger, out: Console) -> None:
    """Size, ages and hit rate in lines, then a table of the experiments."""
    whole = ledger.as_json()
    out.print(Text(f"journal: {ledger.place}"), soft_wrap=True)
    answers = f"{quantity(ledger.answers, 'answer')} in {_megabytes(ledger.size)}"
    if ledger.answers:
        answers += f", made from {_day(whole['oldest'])} to {_day(whole['newest'])}"
    out.print(Text(answers), soft_wrap=True)
    calls = (
        f"calls: {whole['made']} made, {whole['replayed']} replayed, "
        f"hit rate {_percent(whole['hit_rate'])}; paid: {_price(whole['usd'], whole['unpriced'])}"
    )
    out.print(Text(calls), soft_wrap=True)
    out.print(Text(f"sealed tests: {quantity(ledger.readings, 'verdict')} counted"), soft_wrap=True)
    if ledger.accounts:
        out.print(_table(ledger.accounts))


def prune(
    url: str, older_than: str | None, experiment: str | None, yes: bool, say: Callable[[str], None]
) -> None:
    """Say what would be deleted and what it cost; with `yes` delete it.

    Raises:
        InputError: a flag is wrong, or a search that it concerns is at work.
        JournalError: the journal cannot be read or written.
    """
    selection = _selection(url, older_than, experiment)
    chosen = read_selection(url, selection)
    if not chosen:
        say("there is nothing to delete")
        return
    count = sum(one.answers for one in chosen)
    price = _price(sum(one.usd for one in chosen), sum(one.unpriced for one in chosen))
    which = ", ".join(f"{_name(one.experiment)} {one.answers}" for one in chosen)
    if not yes:
        say(f"would delete {quantity(count, 'answer')}, which cost {price}: {which}")
        say("give --yes to delete them; whatever asks for them again pays again")
        return
    with pruning(url) as at_work:
        _refuse_at_work(url, {account.experiment for account in chosen}, at_work)
        say(f"deletes {quantity(count, 'answer')}, which cost {price}: {which}")
        before = read_ledger(url).size
        after = delete(url, selection)
    say(f"deleted; the journal takes {_megabytes(after)} now, {_megabytes(before)} before")


def forms(url: str, forget: str | None, say: Callable[[str], None]) -> None:
    """Say in which form each model takes requests, or forget what is known of one.

    Raises:
        InputError: nothing is known of the model to forget.
        JournalError: the journal cannot be read or written.
    """
    learned: dict[tuple[str, str], set[str]] = {}
    for endpoint, model, form in read_forms(url):
        learned.setdefault((endpoint, model), set()).update(form.changes().values())
    if forget is None:
        for (endpoint, model), changes in sorted(learned.items()):
            say(f"{model} at {endpoint}: {', '.join(sorted(changes)) or 'as they are built'}")
        if learned:
            say("--forget MODEL has it found out anew by that model's next requests")
        else:
            say("nothing is known yet of the form in which any model takes requests")
        return
    known = sorted({model for _, model in learned})
    if forget not in known:
        there = f"of {', '.join(known)} it is" if known else "nor is it of any"
        raise InputError(f"--forget = {quoted(forget)}: nothing is known of it; {there}")
    count = forget_forms(url, forget)
    say(
        f"forgotten: the next requests to {forget} find out anew ({quantity(count, 'kind')} "
        "of request)"
    )


def _selection(url: str, older_than: str | None, experiment: str | None) -> Selection:
    if older_than is None and experiment is None:
        raise InputError(
            "journal prune: says nothing of what to delete; give --older-than 30d, or "
            "--experiment NAME, or both"
        )
    before = None if older_than is None else time.time() - _seconds(older_than)
    if experiment is not None:
        known = [account.experiment for account in read_ledger(url).accounts if account.answers]
        if experiment not in known:
            there = f"there are {', '.join(map(_name, known))}" if known else "it holds none at all"
            raise InputError(
                f"--experiment = {quoted(experiment)}: the journal holds no answers of it; {there}"
            )
    return Selection(experiment, before)


def _seconds(age: str) -> int:
    found = re.fullmatch(r"0*([1-9][0-9]{0,5})([hdw])", age, re.ASCII)
    if found is None:
        raise InputError(
            f"--older-than = {quoted(age)}: is no age; write a whole number from 1 and h, d or w "
            "(hours, days, weeks), such as 30d"
        )
    return int(found[1]) * _UNITS_S[found[2]]


def _refuse_at_work(url: str, concerned: set[str], at_work: Sequence[AtWork]) -> None:
    searches = searches_of(url)
    others = {
        search
        for experiment, found in searches.items()
        if experiment not in concerned
        for search in found
    }
    # A search that the journal does not know yet may be of any experiment.
    busy = [one for one in at_work if one.search and one.search not in others]
    known = {_process(one) for one in busy}
    names = [f"search {one.search}{one.who}" for one in busy] + [
        f"a run of {_name(experiment)}{one.who}"
        for experiment in sorted(concerned)
        for one in at_work
        if one.runs(experiment) and not (one.who and _process(one) in known)
    ]
    if names:
        verb = "are" if len(names) > 1 else "is"
        raise InputError(
            f"journal prune: {', '.join(names)} {verb} at work on these answers; let that end, or "
            "stop it, then prune again"
        )


def _process(one: AtWork) -> str:
    return one.who.partition(", since ")[0]


def _table(accounts: Sequence[Account]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("experiment", overflow="fold")
    for heading in ("searches", "answers", "made", "replayed", "hit rate", "tokens", "paid"):
        table.add_column(heading, justify="right", overflow="fold")
    for one in accounts:
        counts = (one.searches, one.answers, one.made, one.replayed)
        tokens = one.prompt_tokens + one.completion_tokens
        figures = (
            *(f"{count:,}" for count in counts),
            _percent(hit_rate(one.made, one.replayed)),
            f"{tokens:,}",
            f"{'≥ ' if one.unpriced else ''}${one.usd:.4f}",
        )
        table.add_row(Text(for_terminal(_name(one.experiment))), *figures)
    return table


def _name(experiment: str) -> str:
    return experiment or "(none)"


def _price(usd: float, unpriced: int) -> str:
    return f"${usd:.4f}" + (
        f" and {quantity(unpriced, 'call')} without a known price" if unpriced else ""
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def _day(time_said: str) -> str:
    return time_said[:16].replace("T", " ") + " UTC"
