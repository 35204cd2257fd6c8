"""The shipped experiment `extraction`, and a reader of its mails that knows no generator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.jobs.job import Job, Message, Row, said
from tests.support import SHIPPED

FOLDER = SHIPPED / "extraction"
RULES = (
    "Write an order number as PO-20417, whatever stands before its digits.",
    "Write a date as 2026-03-14; with slashes the month is first if the money is US dollars.",
    "Write the total as a number, with tax.",
    "Write a currency as its ISO code.",
    "Write an article as LMP-204 and count single pieces.",
)
ALL = frozenset(range(len(RULES)))

_GOODS = "LMP|CAB|SWT|DIM|FRM|SKT|BLB|RAL|HNG|TRF"
_WORDS = {
    word: value
    for words in (
        "one two three four five six seven eight nine ten eleven",
        "ein zwei drei vier fünf sechs sieben acht neun zehn elf",
    )
    for value, word in enumerate(words.split(), 1)
} | {"a": 1}
_UNITS = {"dozen": 12, "dutzend": 12, "packs of 10": 10, "packungen zu je 10": 10}
_ARTICLE = re.compile(
    rf"(?:\b(?P<count>\d+|{'|'.join(_WORDS)}) "
    rf"(?:(?P<unit>x|pcs|Stück|{'|'.join(_UNITS)}) )?)?"
    rf"\b(?P<goods>{_GOODS})[- ](?P<digits>\d{{3}})\b(?: \((?P<after>\d+) (?:pcs|Stück)\))?",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\d(?: \| |\t|;)(.+?)(?: \| |\t|;)(.+)$", re.MULTILINE)
_NUMBER = re.compile(r"(?:PO[- ]#?|order (?:no\. )?|P\.O\. |Bestellung |Bestell-Nr\. )(\d{5})\b")
_AMOUNT = re.compile(r"(?<![\d.,'])(?<!bis )((?:\d{1,3}[.,'])?\d{1,3})[.,](\d\d)(?!\d|\.\d)")
_TAX = re.compile(r"(?:plus|zzgl\.) ([\d.,]+)%")
_MONEY = {
    "EUR": "EUR|€|[Ee]uros?",
    "USD": r"USD|\$|US dollars",
    "GBP": "GBP|£|pounds(?: sterling)?",
    "CHF": r"CHF|Fr\. (?=\d)|Swiss francs|Schweizer Franken",
}
_MONTHS = (
    *("January|Januar|Jan", "February|Februar|Feb", "March|März|Mar", "April|Apr", "May|Mai"),
    *("June|Juni|Jun", "July|Juli|Jul", "August|Aug", "September|Sep", "October|Oktober|Oct"),
    *("November|Nov", "December|Dezember|Dec"),
)
_NAME = "|".join(_MONTHS)
_DAYS = {"mo": 0, "tu": 1, "we": 2, "th": 3, "fr": 4, "sa": 5, "su": 6}
_DAYS |= {"di": 1, "mi": 2, "do": 3, "so": 6}
_FORMS = (
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)",
    r"\b(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4})",
    r"\b(?P<one>\d{1,2})/(?P<other>\d{1,2})(?:/(?P<year>\d{4}))?",
    rf"\b(?P<day>\d{{1,2}})\.? (?P<name>{_NAME})\b(?: (?P<year>\d{{4}}))?",
    rf"\b(?P<name>{_NAME}) (?P<day>\d{{1,2}})\b(?:, (?P<year>\d{{4}}))?",
    r"bis (?P<day>\d{1,2})\.(?P<month>\d{1,2})\.",
    r"\b(?:by|bis) (?P<weekday>[A-Z][a-z]+day|[A-Z][a-z]+tag|Mittwoch)",
    r"(?<!Zahlung )\bin (?P<span>\w+) (?P<per>weeks|Wochen|days|Tagen)",
    r"(?P<end>by the end of this month|bis Ende des Monats)",
)


@dataclass(frozen=True)
class Mail:
    """The parts of a mail: when it was sent, what it says, and what it quotes."""

    sent: date
    news: str
    quoted: str

    @classmethod
    def of(cls, text: str) -> Mail:
        head, _, body = text.partition("\n\n")
        day, name, year = re.findall(r"Date: \w+, (\d+) (\w+) (\d+)", head)[0]
        news, _, quoted = body.partition(" we wrote:\n")
        if quoted:
            news = news.rpartition("\n\nOn ")[0]
        return cls(date(int(year), _month(name), int(day)), news, quoted)

    @property
    def whole(self) -> str:
        return f"{self.news}\n{self.quoted}"


def read(text: str, known: frozenset[int] = ALL) -> dict[str, Any]:
    """The order of a mail, each field as well as the rules that are known say."""
    mail = Mail.of(text)
    sign, currency = _currency(mail.whole)
    return {
        "order_number": _number(mail.whole, 0 in known),
        "deliver_by": _due(mail, currency, 1 in known),
        "currency": currency if 3 in known else sign,
        "total": _total(mail.news, 2 in known),
        "express": _is_express(mail.news),
        "items": list(_items(mail, 4 in known)),
    }


def _number(text: str, is_known: bool) -> str | None:
    found = _NUMBER.search(text)
    if found is None:
        return None
    return f"PO-{found[1]}" if is_known else found[0]


def _currency(text: str) -> tuple[str | None, str | None]:
    for code, signs in _MONEY.items():
        if found := re.search(signs, text):
            return found[0], code
    return None, None


def _total(text: str, is_known: bool) -> float | str | None:
    found = _AMOUNT.search(text)
    if found is None:
        return None
    if not is_known:
        return found[0]
    value = int(re.sub(r"\D", "", found[1])) + int(found[2]) / 100
    tax = _TAX.search(text)
    return round(value * (1 + float(tax[1].replace(",", ".")) / 100), 2) if tax else value


def _is_express(text: str) -> bool:
    if re.search("no rush|not urgent|eilt nicht|standard|economy|normaler", text, re.IGNORECASE):
        return False
    fast = "express|courier|kurier|rush|overnight|über nacht|next day air|fastest"
    return re.search(fast, text, re.IGNORECASE) is not None


def _items(mail: Mail, is_known: bool) -> Iterator[dict[str, Any]]:
    counts: dict[str, tuple[str, int]] = {}
    text = _LINE.sub(lambda line: _as_phrase(line[1], line[2]), f"{mail.quoted}\n{mail.news}")
    for found in _ARTICLE.finditer(text):
        article = f"{found['goods'].upper()}-{found['digits']}"
        told = found["after"] or found["count"]
        if told is None:
            del counts[article]
            continue
        count = int(told) if told.isdecimal() else _WORDS[told.lower()]
        packed = _UNITS.get((found["unit"] or "").lower(), 1) if is_known else 1
        counts[article] = (
            article if is_known else found["goods"] + found["digits"],
            count * packed,
        )
    for name, count in counts.values():
        yield {"sku": name, "quantity": count}


def _as_phrase(one: str, other: str) -> str:
    return f"{one} x {other}" if one.isdecimal() else f"{other} x {one}"


def _due(mail: Mail, currency: str | None, is_known: bool) -> str | None:
    for form in _FORMS:
        if found := re.search(form, mail.whole):
            day = _date(found.groupdict(), mail.sent, currency == "USD")
            return day.isoformat() if is_known else found[0]
    return None


def _date(parts: dict[str, str | None], sent: date, month_first: bool) -> date:
    if weekday := parts.get("weekday"):
        days = (_DAYS[weekday[:2].lower()] - sent.weekday() - 1) % 7 + 1
        return sent + timedelta(days=days)
    if span := parts.get("span"):
        per = 7 if parts["per"] in ("weeks", "Wochen") else 1
        return sent + timedelta(days=per * _WORDS[span])
    if parts.get("end"):
        return (sent.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    if one := parts.get("one"):
        day, month = (parts["other"], one) if month_first else (one, parts["other"])
    else:
        day, month = parts["day"], parts.get("month") or str(_month(str(parts["name"])))
    assert day is not None
    assert month is not None
    year = parts.get("year")
    due = date(int(year or sent.year), int(month), int(day))
    return due if year or due > sent else due.replace(year=due.year + 1)


def _month(name: str) -> int:
    return next(i for i, names in enumerate(_MONTHS, 1) if name in names.split("|"))


class Shipped(Job):
    """The job of a shipped folder."""

    @property
    def spec(self) -> str:
        return (FOLDER / "experiment.yaml").read_text(encoding="utf-8")


def rows() -> list[dict[str, Any]]:
    text = (FOLDER / "orders.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _answer(row: Row, known: frozenset[int]) -> Message:
    return said(f"```json\n{json.dumps(read(row['mail'], known))}\n```")


def shipped() -> Shipped:
    """The experiment with a model that reads its mails as the prompt says."""
    return Shipped("Extraction as shipped", rows(), RULES, lambda row: str(row["mail"]), _answer)
