"""The layouts of mails that order something: letters, a form, a table, a note, a change of mind."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

from autoprompt_assets.experiments.order_words import (
    GOODS,
    HASTE,
    LEISURE,
    NAMES,
    Order,
    between,
    due_words,
    fixed_date,
    header_date,
    pick,
    quantity,
    reference,
    sum_words,
)

Layout = Callable[[Random, Order, str], str]
"""Makes the mail of an order, in a language."""

FIRMS = (
    *("Alder & Finch", "Kessler Licht GmbH", "Brightwater Hotels", "Nordhaus AG", "Atelier Roux"),
    *("Pike Street Books", "Hofer Bühnenbau", "Marlow School", "Studio Okafor", "Café Sonntag"),
    *("Harbour Clinic", "Wyss Elektro", "Tall Pine Lodge", "Galerie Brandt", "Dunmore Theatre"),
)
PEOPLE = (
    *("Jo Adler", "Priya Nair", "Tom Kessler", "Maya Lindqvist", "Sam Okafor", "Ines Roux"),
    *("Karin Hofer", "Ben Marlow", "Lea Wyss", "Daniel Brandt", "Aoife Dunmore", "Max Keller"),
)
ASIDES = {
    "en": (
        "Your offer Q-{0} from last month still stands, I hope.",
        "Our customer no. is C-{0}.",
        "If anything is unclear, call me on extension {0}.",
        "As usual we take 2% off if we pay within ten days.",
        "The samples you sent were lovely, by the way.",
        "Goods in are open from 8 to 16.",
    ),
    "de": (
        "Ihr Angebot Q-{0} gilt hoffentlich noch.",
        "Unsere Kundennummer ist C-{0}.",
        "Bei Fragen: Durchwahl {0}.",
        "Wie immer ziehen wir bei Zahlung in zehn Tagen 2% Skonto ab.",
        "Annahme ist von 8 bis 16 Uhr.",
    ),
}
SUBJECTS = {
    "en": ("Order", "New order", "order for you", "Purchase order"),
    "de": ("Bestellung", "Neue Bestellung"),
}
GREETINGS = {
    "en": ("Hi there,", "Dear Sir or Madam,", "Hello,", "Hi team,", "Good morning,"),
    "de": ("Guten Tag,", "Sehr geehrte Damen und Herren,", "Hallo zusammen,"),
}
OPENINGS = {
    "en": ("Could you send us {}?", "We would like to order {}.", "Please let us have {}."),
    "de": ("Wir bestellen {}.", "Bitte liefern Sie uns {}.", "Wir brauchen {}."),
}
CLOSINGS = {
    "en": ("Thanks,", "Kind regards,", "Best,", "Many thanks"),
    "de": ("Mit freundlichen Grüßen", "Viele Grüße", "Danke und Gruß"),
}
SOON = {
    "en": ("As soon as you can, please.", "Whenever it suits you."),
    "de": ("So bald wie möglich, bitte.",),
}
DATES = {
    "en": ("We need it {}.", "Delivery {}, please.", "Wanted {}."),
    "de": ("Wir brauchen alles {}.", "Liefertermin: {}."),
}
REFERENCES = {
    "en": ("Please quote {} on the invoice.", "This is {}.", "Ref.: {}."),
    "de": ("Unser Zeichen: {}.", "Bitte auf der Rechnung angeben: {}."),
}
SUMS = {
    "en": ("The total should be {}.", "That makes {}.", "By my reckoning we owe you {}."),
    "de": ("Das macht {}.", "Gesamtbetrag: {}.", "Wir rechnen mit {}."),
}


def letter(rng: Random, order: Order, language: str) -> str:
    """Sentences in almost any order, the articles within one of them or as a list."""
    told = [quantity(rng, sku, count, language) for sku, count in order.items]
    if rng.random() < 0.5:
        both = " und " if language == "de" else " and "
        opening = pick(rng, OPENINGS[language]).format(_joined(told, both))
    else:
        these = "Bitte liefern Sie:" if language == "de" else "Please send us the following:"
        opening = "\n".join([these, *[f"- {one}" for one in told], ""])
    text = " ".join(_sentences(rng, order, language))
    return _mail(rng, order, language, [pick(rng, GREETINGS[language]), "", opening, text])


def form(rng: Random, order: Order, language: str) -> str:
    """Lines of a name and a value; what is missing has a dash, or no line."""
    dash = pick(rng, ("-", "n/a", "", None))
    number = None if order.number is None else reference(rng, order.number, language)
    due = None if order.due is None else pick(rng, (due_words, fixed_date))(rng, order, language)
    names = NAMES[language]
    money = sum_words(rng, order, language) or None
    held = [
        (pick(rng, ("Your reference", "Order", "PO")), number),
        (pick(rng, ("Delivery", "Wanted", "Needed on site")), due),
        (pick(rng, ("Total", "Amount", "Sum")), money),
        ("Shipping", pick(rng, ("express", "EXPRESS", "next day air")) if order.express else
         pick(rng, ("standard", "economy", dash))),
    ]  # fmt: skip
    if money is None and order.currency is not None:
        held.append(("Invoice in", names[order.currency]))
    lines = [f"{name}: {value or dash}" for name, value in held if value or dash is not None]
    items = [f"  {quantity(rng, sku, count, language)}" for sku, count in order.items]
    note = [f"Note: {one}" for one in _aside(rng, language)]
    head = ["ORDER FORM", *lines[:1], "Articles:", *items]
    return _mail(rng, order, language, [*head, *lines[1:], *note])


def table(rng: Random, order: Order, language: str) -> str:
    """The articles as a table, as it looks when it is pasted into a mail."""
    bar = pick(rng, (" | ", "\t", ";"))
    sku_first = rng.random() < 0.5
    heads = ("Article", "Qty") if sku_first else ("Qty", "Article")
    rows = [
        bar.join((str(place), *((sku, str(count)) if sku_first else (str(count), sku))))
        for place, (sku, count) in enumerate(order.items, 1)
    ]
    lines = [pick(rng, GREETINGS[language]), "see below.", "", bar.join(("Pos", *heads)), *rows, ""]
    return _mail(rng, order, language, [*lines, *_sentences(rng, order, language)])


def brief(rng: Random, order: Order, language: str) -> str:
    """A note from a phone, without sentences."""
    told = ", ".join(quantity(rng, sku, count, language) for sku, count in order.items)
    parts = [told]
    if order.number is not None:
        parts.insert(int(rng.random() * 2), reference(rng, order.number, language))
    if order.due is not None:
        parts.append(due_words(rng, order, language))
    if order.total is not None:
        parts.append(f"{sum_words(rng, order, language)}{'' if order.net else ' all in'}")
    elif order.currency is not None:
        parts.append(f"bill in {NAMES[language][order.currency]}")
    if order.express:
        parts.append(pick(rng, ("RUSH", "express pls!", "courier pls, urgent")))
    elif rng.random() < 0.4:
        parts.append(pick(rng, ("no rush", "standard post ok")))
    mail = "\n".join([f"From: {pick(rng, PEOPLE)}", f"Date: {header_date(order.sent)}", ""])
    return f"{mail}\n{pick(rng, ('; ', '. ', chr(10), ' / ')).join(parts)}\nSent from my phone"


def change(rng: Random, order: Order, language: str) -> str:
    """A later mail that alters the order quoted beneath it: its last word counts."""
    earlier = order.sent - timedelta(days=between(rng, 1, 4))
    sku, count = pick(rng, order.items)
    before = count + between(rng, 1, 9)
    gone = f"{pick(rng, GOODS)}-{between(rng, 990, 999)}"
    quoted = [
        quantity(rng, one, before if one == sku else pieces, language)
        for one, pieces in order.items
    ]
    quoted.insert(int(rng.random() * (len(quoted) + 1)), f"{between(rng, 2, 9)} x {gone}")
    due = [] if order.due is None else [f"We need it by {fixed_date(rng, order, language)}."]
    old_sum = _money(rng, _dearer(rng, order), language) if order.total is not None else []
    body = [
        f"Please send us {_joined(quoted, ' and ')}.",
        " ".join(_shuffled(rng, [*_number_sentence(rng, order, language), *due, *old_sum])),
    ]
    drop = pick(rng, ("please leave out {}", "we no longer need {}", "cancel {}")).format(gone)
    news = [f"Sorry, a change to my order below: {count} x {sku} instead of {before}, and {drop}."]
    if order.total is not None:
        news.append(f"The new total is {sum_words(rng, order, language)}.")
    else:
        news += _money(rng, order, language)
    news += _haste(rng, order, language)
    quote = "\n".join(f"> {line}" for line in body)
    mail = _mail(rng, order, language, [pick(rng, GREETINGS[language]), "", " ".join(news)])
    return f"{mail}\n\nOn {header_date(earlier)} we wrote:\n{quote}"


LAYOUTS: tuple[tuple[Layout, str], ...] = (
    *((letter, "en"), (letter, "de"), (form, "en")),
    *((table, "en"), (brief, "en"), (change, "en")),
)


def _mail(rng: Random, order: Order, language: str, lines: list[str]) -> str:
    name = pick(rng, PEOPLE)
    subject = pick(rng, SUBJECTS[language])
    head = [f"From: {name}, {pick(rng, FIRMS)}", f"Date: {header_date(order.sent)}"]
    body = "\n".join(lines).strip()
    end = [pick(rng, CLOSINGS[language]), name]
    return "\n".join([*head, f"Subject: {subject}", "", body, "", *end])


def _sentences(rng: Random, order: Order, language: str) -> list[str]:
    """All that is said beside the articles, in any order."""
    parts = [
        *_number_sentence(rng, order, language),
        *_due_sentence(rng, order, language),
        *_money(rng, order, language),
        *_haste(rng, order, language),
        *_aside(rng, language),
    ]
    return _shuffled(rng, parts)


def _joined(parts: list[str], both: str) -> str:
    return ", ".join(parts[:-1]) + both + parts[-1] if len(parts) > 1 else parts[0]


def _shuffled(rng: Random, parts: list[str]) -> list[str]:
    return sorted(parts, key=lambda _: rng.random())


def _number_sentence(rng: Random, order: Order, language: str) -> list[str]:
    if order.number is None:
        return []
    told = reference(rng, order.number, language)
    return [pick(rng, REFERENCES[language]).format(told)]


def _due_sentence(rng: Random, order: Order, language: str) -> list[str]:
    if order.due is None:
        return [pick(rng, SOON[language])] if rng.random() < 0.5 else []
    return [pick(rng, DATES[language]).format(due_words(rng, order, language))]


def _money(rng: Random, order: Order, language: str) -> list[str]:
    if order.currency is None:
        return []
    if order.total is None:
        name = NAMES[language][order.currency]
        return [f"Rechnung bitte in {name}." if language == "de" else f"Please bill us in {name}."]
    return [pick(rng, SUMS[language]).format(sum_words(rng, order, language))]


def _haste(rng: Random, order: Order, language: str) -> list[str]:
    if order.express:
        return [pick(rng, HASTE[language])]
    return [pick(rng, LEISURE[language])] if rng.random() < 0.4 else []


def _aside(rng: Random, language: str) -> list[str]:
    if rng.random() < 0.4:
        return []
    return [pick(rng, ASIDES[language]).format(between(rng, 1_000, 9_999))]


def _dearer(rng: Random, order: Order) -> Order:
    """The order with the sum that it had before it was changed."""
    assert order.total is not None
    return replace(order, total=order.total + between(rng, 500, 9_000), net=None)
