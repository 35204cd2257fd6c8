"""How people write the parts of an order: its number, date, sum, articles and haste.

Every function draws one of several wordings with the generator that it is given, of which only
``random()`` is used. Languages are "en" and "de".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import TypeVar

T = TypeVar("T")

GOODS = ("LMP", "CAB", "SWT", "DIM", "FRM", "SKT", "BLB", "RAL", "HNG", "TRF")
"""What the numbers of articles begin with."""
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
SIGNS = {
    "EUR": ("{} EUR", "EUR {}", "{} €", "{} Euro"),
    "USD": ("${}", "USD {}", "{} US dollars"),
    "GBP": ("£{}", "GBP {}", "{} pounds"),
    "CHF": ("CHF {}", "Fr. {}", "{} Swiss francs"),
}
NAMES = {
    "en": {"EUR": "euros", "USD": "US dollars", "GBP": "pounds sterling", "CHF": "Swiss francs"},
    "de": {"EUR": "Euro", "CHF": "Schweizer Franken"},
}
TAX = {"EUR": 190, "USD": 70, "GBP": 200, "CHF": 81}
"""Tax on a net sum, in thousandths."""
NUMBERS = {
    "en": "one two three four five six seven eight nine ten eleven twelve",
    "de": "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
}
HASTE = {
    "en": (
        "Please send it by express.",
        "This one is urgent, courier please, we pay the surcharge.",
        "Rush order: overnight shipping, please.",
        "Our line stands still without it, so use the fastest service you have.",
    ),
    "de": (
        "Bitte per Express.",
        "Es eilt sehr, bitte mit Kurier; den Zuschlag zahlen wir.",
        "Bitte über Nacht liefern lassen.",
    ),
}
LEISURE = {
    "en": (
        "Standard shipping is fine.",
        "No rush, and no express please: last time we paid for it for nothing.",
        "It is not urgent.",
    ),
    "de": (
        "Normaler Versand genügt.",
        "Es eilt nicht, Express ist nicht nötig.",
    ),
}


@dataclass(frozen=True)
class Order:
    """What a mail says. ``total`` is in hundredths and with tax; None is what it does not say."""

    number: int | None
    sent: date
    due: date | None
    currency: str | None
    total: int | None
    net: int | None
    """Where a mail gives the sum without its tax, in whole units of the currency."""
    express: bool
    items: tuple[tuple[str, int], ...]


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of ``options``."""
    return options[int(rng.random() * len(options))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def month(day: date, language: str) -> str:
    """The name of a date's month."""
    return MONTHS[language].split()[day.month - 1]


def weekday(day: date, language: str) -> str:
    """The name of a date's day of the week."""
    return DAYS[language].split()[day.weekday()]


def header_date(day: date) -> str:
    """As mails have it: ``Tue, 3 Mar 2026``."""
    return f"{weekday(day, 'en')[:3]}, {day.day} {month(day, 'en')[:3]} {day.year}"


def reference(rng: Random, number: int, language: str) -> str:
    """The customer's order number with what stands before it."""
    if language == "de":
        return pick(rng, (f"Bestellung {number}", f"Bestell-Nr. {number}", f"PO-{number}"))
    forms = ("PO-{}", "PO #{}", "PO {}", "purchase order {}", "our order no. {}", "P.O. {}")
    return pick(rng, forms).format(number)


def fixed_date(rng: Random, order: Order, language: str) -> str:
    """The day of delivery as a date; without a year it is the next such day.

    With slashes the month comes first where the sum is in US dollars, and the day elsewhere.
    """
    day = order.due
    assert day is not None
    if language == "de":
        named = f"{day.day}. {month(day, 'de')}"
        short = f"{day.day}.{day.month}."
        return pick(rng, (f"{day:%d.%m.%Y}", short, f"{named} {day.year}", named))
    forms = [
        f"{day:%Y-%m-%d}",
        f"{day.day} {month(day, 'en')} {day.year}",
        f"{month(day, 'en')} {day.day}",
        f"{month(day, 'en')[:3]} {day.day}, {day.year}",
    ]
    if order.currency == "USD":
        forms += [f"{day:%m/%d/%Y}", f"{day.month}/{day.day}"] * 2
    elif order.currency is not None:
        forms += [f"{day:%d/%m/%Y}", f"{day:%d.%m.%Y}"] * 2
    return pick(rng, forms)


def due_words(rng: Random, order: Order, language: str) -> str:
    """By when it is wanted: a date, or counted from the day on which the mail was sent.

    A day of the week is the first one after that day.
    """
    assert order.due is not None
    days = (order.due - order.sent).days
    if days <= 7:
        name = weekday(order.due, language)
        return f"bis {name}" if language == "de" else f"by {name}"
    if days in (14, 21):
        weeks = days // 7
        word = NUMBERS[language].split()[weeks - 1]
        return f"in {word} Wochen" if language == "de" else f"in {word} weeks"
    if days == 10:
        return "in zehn Tagen" if language == "de" else "in ten days"
    if (order.due + timedelta(days=1)).day == 1 and order.due.month == order.sent.month:
        return "bis Ende des Monats" if language == "de" else "by the end of this month"
    told = fixed_date(rng, order, language)
    return f"bis {told}" if language == "de" else f"{pick(rng, ('by', 'not later than'))} {told}"


def figure(hundredths: int, currency: str) -> str:
    """A sum as it is written where that money is: 1.234,50 or 1,234.50 or 1'234.50."""
    text = f"{hundredths // 100:,}.{hundredths % 100:02}"
    if currency == "EUR":
        return text.translate(str.maketrans(",.", ".,"))
    return text.replace(",", "'") if currency == "CHF" else text


def amount(rng: Random, hundredths: int, currency: str, language: str) -> str:
    """A sum with its currency."""
    forms = [one for one in SIGNS[currency] if language == "en" or "Swiss" not in one]
    return pick(rng, forms).format(figure(hundredths, currency))


def gross(net: int, currency: str) -> int:
    """A net sum of whole units with its tax, in hundredths: exact for multiples of ten."""
    return net * (1000 + TAX[currency]) // 10


def tax_words(currency: str, language: str) -> str:
    """What is added to a net sum."""
    rate = f"{TAX[currency] / 10:g}%"
    if language == "de":
        return f"netto zzgl. {rate.replace('.', ',')} MwSt"
    return f"net, plus {rate} {'sales tax' if currency == 'USD' else 'VAT'}"


def sum_words(rng: Random, order: Order, language: str) -> str:
    """The whole sum, or the one without tax and how much that is; empty without a sum."""
    if order.currency is None or order.total is None:
        return ""
    if order.net is None:
        return amount(rng, order.total, order.currency, language)
    told = amount(rng, order.net * 100, order.currency, language)
    return f"{told} {tax_words(order.currency, language)}"


def quantity(rng: Random, sku: str, count: int, language: str) -> str:
    """An article and how many pieces: in figures, in words, by the dozen or in packs."""
    sku = pick(rng, (sku, sku, sku, sku.lower(), sku.replace("-", " ")))
    pieces = "Stück" if language == "de" else "pcs"
    forms = [f"{count} x {sku}", f"{sku} ({count} {pieces})", f"{count} {pieces} {sku}"]
    if count in (12, 24):
        dozens = {12: ("a dozen", "ein Dutzend"), 24: ("two dozen", "zwei Dutzend")}[count]
        return f"{dozens[language == 'de']} {sku}"
    if count >= 30 and count % 10 == 0:
        packs, of = count // 10, "Packungen zu je 10" if language == "de" else "packs of 10"
        forms += [f"{packs} {of} {sku}"] * 2
    elif 1 < count <= 11:
        forms += [f"{NUMBERS[language].split()[count - 1]} {sku}"]
    return pick(rng, forms)
