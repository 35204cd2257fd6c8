"""When two inputs are one input, and when they are near duplicates.

Two that look the same are one input: `appearance`. Two that differ in no more than case, white
space, quotes, kinds of dash, HTML entities, full width or the punctuation at their end are near
duplicates, and are kept in one split: `near`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from autoprompt_assets.engine.text import CONTROLS, INVISIBLE, unescaped

_JOINED = "\u0590-\u1cff\u2190-\u2bff\ua800-\uabff\U00010a00-\U00011fff\U0001f000-\U0001faff"
"""Letters and emoji that a joiner changes the look of: in Latin and its like it shows nothing."""
_UNSEEN = re.compile(
    # Flags of regions are a black flag and tags that do show.
    "(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|"
    # Both joiners, which are looked at apart.
    f"(?![\u200c\u200d])[{CONTROLS}{INVISIBLE}]"
)
_IDLE_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]+|[\u200c\u200d]+(?=[\u200c\u200d\\s]|$)")
_INVISIBLE = re.compile(f"[{CONTROLS}{INVISIBLE}]")
_LINE_END = re.compile("[^\\S\n]*(?:\r\n?|[\n\x85\u2028\u2029])")
_SPACES = re.compile("[^\\S\n\t]")
_SPACE = re.compile(r"\s+")
_LAST = "·⋯"
"""Ends of a sentence that are not of the category of all others (Po)."""
_FIRST = "¿¡"
_BLANK = "\u2800"
"""A Braille pattern without a dot: it shows nothing, and is no white space to Unicode."""
PLANES = 0x20000
"""Beyond the first two planes are ideographs, tags, private use and nothing, but no punctuation."""
_MARKS = "\"'`´′″‴‵‶‷⁗‚„〝〞〟「」『』ʹʺʻʼʽˈ׳״"


def appearance(text: str) -> str:
    """What a reader sees of `text`: equal for two inputs that look the same.

    Without control and invisible characters (a joiner stays where it shows, as in Persian and in
    emoji), with one kind of space and of line end, and none of either at its ends.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    seen = _IDLE_JOINER.sub("", _UNSEEN.sub(r"\1", text))
    seen = _LINE_END.sub("\n", unicodedata.normalize("NFC", seen))
    return _SPACES.sub(" ", seen).strip()


def near(text: str) -> str:
    """Equal for near duplicates; an input that is nothing but marks keeps them.

    A row's split is a hash of it, so it may join more than is alike, and must never part what is.
    """
    text = _INVISIBLE.sub("", unescaped(text))
    quotes, dashes = _quotes(), _dashes()
    bare = _folded(quotes.sub("", text))
    bare = dashes.sub("-", quotes.sub("", bare))
    stripped = bare.rstrip(_ends()).lstrip(_FIRST)
    return stripped or bare or _folded(quotes.sub('"', text))


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACE.sub("", _INVISIBLE.sub("", text)).replace(_BLANK, "")


@cache
def _quotes() -> re.Pattern[str]:
    return re.compile(f"[{re.escape(_MARKS + _punctuation()['Pi'] + _punctuation()['Pf'])}]")


@cache
def _dashes() -> re.Pattern[str]:
    return re.compile(f"[{re.escape('-−⁃' + _punctuation()['Pd'])}]+")


@cache
def _ends() -> str:
    return _LAST + _punctuation()["Po"]


@cache
def _punctuation() -> dict[str, str]:
    """The characters of each category of punctuation, by its Unicode name."""
    found: dict[str, list[str]] = {}
    for char in map(chr, range(PLANES)):
        category = unicodedata.category(char)
        if category[0] == "P":
            found.setdefault(category, []).append(char)
    return {category: "".join(chars) for category, chars in found.items()}
