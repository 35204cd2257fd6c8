"""Figures in a text: numbers, dates, times, ranges, versions, each read as what it is.

A run is digits with signs between them ("1,234.5", "2024-05-01", "10:30", "3/4", "1.2.3"). Read
one is told by its form alone:

| form | kind |
| --- | --- |
| 1,234.5 · 1'234 · 1 234 567 · 1,00,000 · 3,14 · 1.234,5 · 1.2e3 · 1.2×10^3 · 5 million | number |
| 3/4 · 1 1/2 · ½ · \\frac{3}{4} | number |
| 2024-05-01 · 5/1/2024 (month first) · 1.5.2024 · 1 May 2024 · 2024年5月1日 | date |
| 10:30 · 10:30 pm · 3:4 | time |
| 3-5 | range |
| 1.2.3 · 555-123-4567 | code |

"1,234" is a thousand, "3,14" a decimal comma, "1,2,3" a list. Digits behind a letter, ^ or _ are
no figures (m2, x^2, H2O), nor are those before letters that are no unit (3D, 2x). Linear in the
text's length.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autoprompt_assets.engine.grading.markup import without_commands
from autoprompt_assets.engine.grading.units import (
    ALSO_WORDS,
    CURRENCIES,
    SAME_UNIT,
    UNIT_WORDS,
    UNITS,
)
from autoprompt_assets.engine.text import HANGUL, SPACELESS, visible

Kind = Literal["number", "date", "time", "range", "code", "ordinal"]

SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "mn": 1e6}
LONGEST_NUMBER = 200
"""Characters of a text that may be one number with spaces in it."""
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Figure:
    """One figure: its parts (one for a number, year to day for a date, …) and its unit."""

    kind: Kind
    parts: tuple[float, ...]
    unit: str
    start: int
    end: int


_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile(r"(?<=[\w)])[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_THIN = re.compile(r"(?<=\d)(?:[\u00a0\u202f\u2009\u2007]|\\,|\{,\})(?=\d{3}(?!\d))")
_SPACED = re.compile(r"\D*\d{1,3}(?: \d{3})+(?:[.,]\d+)?\D*")
_SPACED_LONG = re.compile(r"(?<![\w.,])\d{1,3}(?: \d{3}){2,}(?!\d| \d)")
_MINUS_WORD = re.compile(r"(?<![\d)] )\b(?:minus|negative) (?=\d)", re.IGNORECASE)
_LATEX_FRACTION = re.compile(r"(-?) ?\\[dt]?frac ?\{?(\d+)\}? ?\{?(\d+)\}?")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_MONTH_DAY = re.compile(rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.IGNORECASE)
_DAY_MONTH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of )?{_MONTH},? (\d{{4}})\b", re.IGNORECASE
)
_CJK_DATE = re.compile(r"(\d{4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?日")

_RUN = re.compile(r"(?:\d++|(?<![\w.])\.\d++)(?:[.,:'/-]\d++)*+")
_LETTER = rf"[^\W\d_{SPACELESS}{HANGUL}]"
_IS_LETTER = re.compile(_LETTER)
_EXPONENT = re.compile(
    rf"[eE]([-+]?\d+)(?!{_LETTER})"
    r"| {0,2}(?:×|x|\*|·|\\times|\\cdot) {0,2}10 ?\^ ?\{?\(?([-+]?\d+)[)}]?"
)
_POWER = re.compile(r" ?\^ ?\{?\(?([-+]?\d+)[)}]?")
_FRACTION = re.compile(r" (\d{1,9})/(\d{1,9})(?![\d/])")
_OVER = re.compile(r" / (\d{1,9})(?![\d/])")
_SCALE = re.compile(rf"[ -]?({'|'.join(SCALES)})s?\b", re.IGNORECASE)
_GLUED = re.compile(rf"{_LETTER}+")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_UNIT = re.compile(rf" ?([{CURRENCIES}]|°? ?{_LETTER}{{1,12}}(?!{_LETTER}))")
_MERIDIEM = re.compile(r" ?([ap])\.?m\b\.?", re.IGNORECASE)
_BEHIND = re.compile(rf"(?:{_LETTER}|[\^_][{{(]?[-+]?)$")
_MINUS = re.compile(
    rf"(?:(?:^|[^\w.)]|[{SPACELESS}{HANGUL}])-(?:[{CURRENCIES}] ?)?|[{CURRENCIES}]-)$"
)
_CURRENCY = re.compile(rf"([{CURRENCIES}])[-+ ]?$")

_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
_APOSTROPHES = re.compile(r"\d{1,3}(?:'\d{3})+(?:[.,]\d+)?")
_EUROPEAN = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}")
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}|\d+,\d{4,}|0,\d+")
_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_CLOCK = re.compile(r"(\d{1,4}):(\d{1,4})(?::(\d{1,4}))?")
_RATIO = re.compile(r"(\d+)/(\d+)")
_SPAN = re.compile(r"([\d.,']+)-([\d.,']+)")
_CODE = re.compile(r"\d+(?:\.\d+){2,}|\d+(?:-\d+){2,}")


def written(text: str) -> str:
    """`text` with the spellings of figures made few: NFKC, plain signs, LaTeX, dates in words."""
    text = _VULGAR.sub(" ", _THIN.sub("'", text))
    text = _SUPERSCRIPT.sub(lambda match: "^" + match[0].translate(_SUPER), text)
    text = visible(text).replace("⁄", "/").replace("’", "'").replace("٫", ".").replace("٬", ",")
    text = re.sub("[\u2010-\u2013\u2212]", "-", text)
    text = re.sub(r"\\(?=[$%,])", "", without_commands(text)).replace("\\!", "")
    text = re.sub(r"(?<![A-Za-z0-9)}])_|(?<=\d)__?(?=[\s.,]|$)", " ", text)
    text = _MINUS_WORD.sub("-", _LATEX_FRACTION.sub(r" \1\2/\3 ", text))
    text = _CJK_DATE.sub(r"\1-\2-\3", text)
    text = _MONTH_DAY.sub(lambda m: f"{m[3]}-{_month(m[1])}-{m[2]}", text)
    text = _DAY_MONTH.sub(lambda m: f"{m[3]}-{_month(m[2])}-{m[1]}", text)
    if _SPACED.fullmatch(text.strip()[:LONGEST_NUMBER]):
        text = re.sub(r"(?<=\d) (?=\d{3})", "'", text)
    return _SPACED_LONG.sub(lambda match: match[0].replace(" ", "'"), text)


def figures(text: str) -> list[Figure]:
    """The figures of a text that `written` gave, in order; ordinals only where nothing else is."""
    found = list(_scan(text))
    return [figure for figure in found if figure.kind != "ordinal"] or [
        Figure("number", figure.parts, figure.unit, figure.start, figure.end) for figure in found
    ]


def numbers_of(figure: Figure) -> tuple[float, ...]:
    """The plain numbers that a figure gives: itself, or a range's two ends."""
    return figure.parts if figure.kind in ("number", "range") else ()


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].casefold()) + 1


def _scan(text: str) -> Iterator[Figure]:
    at = 0
    while run := _RUN.search(text, at):
        at = run.end()
        left = text[max(0, run.start() - 6) : run.start()]
        if _BEHIND.search(left):
            continue
        currency = _CURRENCY.search(left)
        unit = currency[1] if currency else ""
        read = _classify(run[0])
        if read is None or _is_pair(text, run):
            for part in re.finditer(r"[\d.']+", run[0]):
                value = _number(part[0].strip(".'"))
                if value is not None:
                    yield Figure("number", (value,), unit, run.start() + part.start(), at)
            continue
        kind, parts = read
        if _MINUS.search(left) and kind in ("number", "range"):
            parts = (-parts[0], *parts[1:])
        figure = _continued(text, Figure(kind, parts, unit, run.start(), at))
        if figure is not None:
            at = figure.end
            yield figure


def _is_pair(text: str, run: re.Match[str]) -> bool:
    """True for "(3,5)", two numbers where "3,5" alone is one with a decimal comma."""
    before, after = text[run.start() - 1 : run.start()], text[run.end() : run.end() + 1]
    inside = before in tuple("([{") and after in tuple(")]}")
    return inside and _DECIMAL_COMMA.fullmatch(run[0]) is not None


def _classify(run: str) -> tuple[Kind, tuple[float, ...]] | None:
    value = _number(run)
    if value is not None:
        return "number", (value,)
    date = _date(run)
    return ("date", date) if date is not None else _compound(run)


def _compound(run: str) -> tuple[Kind, tuple[float, ...]] | None:
    if clock := _CLOCK.fullmatch(run):
        return "time", tuple(float(part or 0) for part in clock.groups())
    if ratio := _RATIO.fullmatch(run):
        below = float(ratio[2])
        return "number", (float(ratio[1]) / below if below else math.inf,)
    if span := _SPAN.fullmatch(run):
        ends = tuple(_number(part) for part in span.groups())
        if ends[0] is not None and ends[1] is not None:
            return "range", (ends[0], ends[1])
    if _CODE.fullmatch(run):
        return "code", tuple(float(part) for part in re.split("[.-]", run))
    return None


def _number(run: str) -> float | None:
    if _GROUPED.fullmatch(run):
        return float(run.replace(",", ""))
    if _APOSTROPHES.fullmatch(run):
        return float(run.replace("'", "").replace(",", "."))
    if _EUROPEAN.fullmatch(run):
        return float(run.replace(".", "").replace(",", "."))
    if _DECIMAL_COMMA.fullmatch(run):
        return float(run.replace(",", "."))
    return float(run) if _PLAIN.fullmatch(run) else None


def _date(run: str) -> tuple[float, ...] | None:
    """Year, month, day. With slashes the month stands first, unless it can only be the day."""
    if found := _YEAR_FIRST.fullmatch(run):
        year, month, day = int(found[1]), int(found[3]), int(found[4])
    elif found := _YEAR_LAST.fullmatch(run):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        month_first = (found[2] == "/" and first <= 12) or second > 12
        month, day = (first, second) if month_first else (second, first)
    else:
        return None
    return (year, month, day) if 1 <= month <= 12 and 1 <= day <= 31 else None


def _continued(text: str, figure: Figure) -> Figure | None:
    """`figure` with what follows it read: exponent, fraction, scale, unit; `None` for none."""
    time = _with_half(text, figure)
    if time is not None or figure.kind != "number":
        return time or figure
    value, end = _scaled(text, figure.parts[0], figure.end)
    glued = _GLUED.match(text, end)
    name = glued[0] if glued else ""
    if name and _ORDINAL.match(text, end):
        return Figure("ordinal", (value,), "", figure.start, end)
    if name in SUFFIXES:
        return Figure("number", (value * SUFFIXES[name],), figure.unit, figure.start, end)
    if name and name not in UNITS and name not in UNIT_WORDS:
        return None
    unit, end = _unit(text, end)
    return Figure("number", (value,), figure.unit or unit, figure.start, end)


def _with_half(text: str, figure: Figure) -> Figure | None:
    """The time of day where "am" or "pm" follows a time or an hour."""
    may_be = figure.kind == "time" or (figure.kind == "number" and figure.parts[0] in range(13))
    half = _MERIDIEM.match(text, figure.end) if may_be else None
    if half is None:
        return None
    hour, *rest = (*figure.parts, 0.0, 0.0)[:3]
    hour = hour % 12 + (12 if half[1] in "pP" else 0)
    return Figure("time", (hour, *rest), "", figure.start, half.end())


def _unit(text: str, end: int) -> tuple[str, int]:
    """The unit or currency at `end`, and where it ends."""
    found = _UNIT.match(text, end)
    if found is None:
        return "", end
    name = found[1].replace(" ", "")
    if name.casefold() in UNIT_WORDS:
        return UNIT_WORDS[name.casefold()], found.end()
    known = name in CURRENCIES or name in UNITS
    if not known or (name in ALSO_WORDS and found[0].startswith(" ")):
        return "", end
    return SAME_UNIT.get(name, name), found.end()


def _scaled(text: str, value: float, end: int) -> tuple[float, int]:
    """The value with its exponent, power, fraction or scale word, and where that ends."""
    if found := _EXPONENT.match(text, end):
        return _power(10.0, found[1] or found[2], value), found.end()
    if found := _POWER.match(text, end):
        return _power(value, found[1], 1.0), found.end()
    if (found := _FRACTION.match(text, end)) and int(found[1]) < int(found[2]):
        part = int(found[1]) / int(found[2])
        return (value - part if value < 0 else value + part), found.end()
    if found := _OVER.match(text, end):
        return (value / int(found[1]) if int(found[1]) else math.inf), found.end()
    if found := _SCALE.match(text, end):
        return value * SCALES[found[1].casefold()], found.end()
    return value, end


def _power(base: float, exponent: str, times: float) -> float:
    try:
        return float(times * base ** int(exponent))
    except (OverflowError, ZeroDivisionError, ValueError):
        return math.inf
