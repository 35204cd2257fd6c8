"""Rows of two small tasks for the embedded model: templates and the words that fill them.

Written before the model was asked about them, and kept as written. Two other tasks were dropped
before any search had been compared on them, as there was little to find: reviews (praise, blame,
mixed), where neither wordings nor demos helped on 30 rows, and messages to a shop (by intent),
where no wording did; demos were not tried there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoprompt_assets.engine.identity import uniform

Rows = Sequence[tuple[str, str]]

TOPICS: Mapping[str, Sequence[str]] = {
    "sport": (
        "{name} scored twice before half time.",
        "The goalkeeper of {town} saved two penalties on {day}.",
        "{name} won the race by {number} seconds.",
        "The match in {town} ended in a draw.",
        "After {number} sets the champion {name} lost the final.",
        "Our team trains in {town} every {day}.",
    ),
    "food": (
        "{name} baked {number} loaves of bread on {day}.",
        "Simmer the soup for {number} minutes and add salt.",
        "The best pancakes in {town} come with honey.",
        "{name} roasted a chicken with garlic and lemon.",
        "This cheese from {town} tastes of nuts.",
        "Every {day} we cook rice and beans for {number} guests.",
    ),
    "weather": (
        "Heavy rain is expected in {town} on {day}.",
        "It snowed for {number} hours in {town}.",
        "A storm with strong winds moves towards {town}.",
        "{day} will be sunny, with {number} degrees more than today.",
        "Fog covered {town} until noon.",
        "{name} was caught by thunder and hail on {day}.",
    ),
    "money": (
        "The bank in {town} raised its interest rates on {day}.",
        "{name} paid back the loan in {number} instalments.",
        "Shares of the company fell by {number} per cent.",
        "{name} saves part of every salary for a pension.",
        "Taxes in {town} rise again from {day} on.",
        "The invoice of {number} thousand euros is still unpaid.",
    ),
}
_ENGLISH, _FRENCH, _GERMAN, _SPANISH = "English", "French", "German", "Spanish"
LANGUAGES: Mapping[str, Sequence[str]] = {
    _ENGLISH: (
        "On Monday {name} takes the train to {town}.",
        "I have lost my keys somewhere in {town}.",
        "{name} has two brothers and a small dog.",
        "We will wait for {name} in front of the station in {town}.",
        "The weather in {town} was better than {name} thought.",
        "Could you tell {name} that the shop is closed?",
    ),
    _FRENCH: (
        "Lundi, {name} prend le train pour {town}.",
        "J'ai perdu mes clés quelque part dans {town}.",
        "{name} a deux frères et un petit chien.",
        "Nous attendrons {name} devant la gare de {town}.",
        "Le temps à {town} était meilleur que {name} ne pensait.",
        "Pourriez-vous dire à {name} que le magasin est fermé ?",
    ),
    _GERMAN: (
        "Am Montag nimmt {name} den Zug nach {town}.",
        "Ich habe meine Schlüssel irgendwo in {town} verloren.",
        "{name} hat zwei Brüder und einen kleinen Hund.",
        "Wir warten vor dem Bahnhof in {town} auf {name}.",
        "Das Wetter in {town} war besser, als {name} dachte.",
        "Könnten Sie {name} sagen, dass der Laden geschlossen ist?",
    ),
    _SPANISH: (
        "El lunes {name} toma el tren a {town}.",
        "He perdido mis llaves en algún lugar de {town}.",
        "{name} tiene dos hermanos y un perro pequeño.",
        "Esperaremos a {name} delante de la estación de {town}.",
        "El tiempo en {town} fue mejor de lo que {name} pensaba.",
        "¿Podría decirle a {name} que la tienda está cerrada?",
    ),
}
WORDS: Mapping[str, Sequence[str]] = {
    "name": "Anna,Bruno,Clara,David,Emma,Felix,Ines,Jonas,Laura,Marco,Nora,Oscar".split(","),
    "town": "Lyon,Bremen,Leeds,Toledo,Basel,Porto,Riga,Turin,Ghent,Malmö,Split,Cork".split(","),
    "day": "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday".split(","),
    "number": "two,three,four,six,seven,nine,ten,twelve,twenty".split(","),
}


def written(templates: Mapping[str, Sequence[str]], count: int) -> Rows:
    """`count` unique rows, as evenly over labels and templates as they go; always the same."""
    made: dict[str, str] = {}
    labels, number = list(templates), 0
    while len(made) < count:
        label = labels[number % len(labels)]
        options = templates[label]
        text = options[number // len(labels) % len(options)]
        for name, words in WORDS.items():
            word = words[int(uniform("word", number, name) * len(words))]
            text = text.replace(f"{{{name}}}", word)
        made.setdefault(text, label)
        number += 1
    return list(made.items())
