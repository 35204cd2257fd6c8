"""Orders by mail, as a small firm gets them, and each as JSON of six fields.

The mails are made here and come from nobody. What a target holds stands in its mail, read by
these conventions, none of which the experiment's first prompt states:

* ``order_number``: the customer's own number as ``PO-20417``, however it is written; no number of
  a customer or an offer.
* ``deliver_by``: ``2026-03-14``. With slashes the month comes first where the money is US dollars,
  and the day elsewhere; without a year it is the next such day; a day of the week is the first one
  after the day on which the mail was sent, from which spans count, too.
* ``currency``: its code of ISO 4217.
* ``total``: what is to be paid, with tax, as a number; a discount for paying early stays in it.
* ``express``: true where a faster service is asked for, else false.
* ``items``: a list of ``sku`` as ``LMP-204`` and ``quantity`` in pieces, without what was taken
  back; the latest word counts.

What a mail does not say is null. Only ``random.Random.random`` is used: it gives the same bits on
every platform.

Run ``python -m autoprompt_assets.experiments.orders OUT.jsonl --rows 360 --seed 20260``.
"""

import argparse
import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from autoprompt_assets.experiments.order_mails import LAYOUTS
from autoprompt_assets.experiments.order_words import GOODS, Order, between, gross, pick

CURRENCIES = {"en": ("EUR", "USD", "USD", "GBP", "CHF"), "de": ("EUR", "CHF")}


def target(order: Order) -> dict[str, Any]:
    """The right answer for ``order``."""
    return {
        "order_number": None if order.number is None else f"PO-{order.number}",
        "deliver_by": None if order.due is None else order.due.isoformat(),
        "currency": order.currency,
        "total": None if order.total is None else order.total / 100,
        "express": order.express,
        "items": [{"sku": sku, "quantity": count} for sku, count in order.items],
    }


def draw(rng: Random, number: int, language: str) -> Order:
    """A random order with that number, or with none; some of its other parts may be missing."""
    sent = date(2026, 1, 5) + timedelta(days=between(rng, 0, 330))
    spans = (2, 3, 4, 10, 14, 21, *[between(rng, 8, 75) for _ in range(8)])
    due = sent + timedelta(days=pick(rng, spans))
    currency = pick(rng, CURRENCIES[language])
    net = between(rng, 6, 420) * 10 if rng.random() < 0.25 else None
    total = between(rng, 4_000, 480_000) if net is None else gross(net, currency)
    told = rng.random()
    counts = (1, 2, 3, 4, 5, 6, 8, 12, 12, 15, 24, 30, 50, 80)
    wanted = [f"{pick(rng, GOODS)}-{between(rng, 101, 989)}" for _ in range(between(rng, 1, 4))]
    return Order(
        number=number if rng.random() < 0.86 else None,
        sent=sent,
        due=due if rng.random() < 0.82 else None,
        currency=currency if told < 0.93 else None,
        total=total if told < 0.84 else None,
        net=net if told < 0.84 else None,
        express=rng.random() < 0.35,
        items=tuple((sku, pick(rng, counts)) for sku in dict.fromkeys(wanted)),
    )


def generate(rows: int, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Mails and their targets: every layout equally often, in an order without a pattern."""
    rng = Random(seed)  # noqa: S311
    made = []
    for i in range(rows):
        layout, language = LAYOUTS[i % len(LAYOUTS)]
        order = draw(rng, 20_000 + 7 * i + between(rng, 0, 6), language)
        made.append((rng.random(), layout(rng, order, language), target(order)))
    return [(mail, wanted) for _, mail, wanted in sorted(made, key=lambda one: one[0])]


def write(out: Path, rows: int, seed: int) -> None:
    """Write ``generate(rows, seed)`` to ``out`` as JSON Lines (UTF-8, LF line ends)."""
    with out.open("w", encoding="utf-8", newline="") as file:
        for mail, wanted in generate(rows, seed):
            file.write(json.dumps({"mail": mail, "order": wanted}, ensure_ascii=False) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: where to write, how many rows, which seed."""
    parser = argparse.ArgumentParser(description="Write a table of orders by mail.")
    parser.add_argument("out", type=Path, help="the JSON Lines file to write")
    parser.add_argument("--rows", type=int, default=360, help="number of rows (default 360)")
    parser.add_argument("--seed", type=int, default=20260, help="random seed (default 20260)")
    args = parser.parse_args(argv)
    write(args.out, args.rows, args.seed)


if __name__ == "__main__":
    main()
