"""Text as a reader sees it: one form for equal spellings, and where words begin and end."""

from __future__ import annotations

import html
import re
import unicodedata

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese characters, for a character class."""
HANGUL = "\uac00-\ud7a3"
"""Korean syllables, for a character class: particles are written onto the word before them."""

MOST_ESCAPES = 4
"""How often one text may have been escaped as HTML."""
LONGEST_LIST = 60
"""Characters on each side of a figure that are looked at to tell a list from a long figure."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
"""What Unicode calls default ignorable (zero-width, direction, variation and tag characters, soft
hyphens, fillers), for a character class."""
CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
"""Control characters but tab and line ends, for a character class."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_CONTROLS = re.compile(f"[{CONTROLS}]")
_IS_SPACELESS = re.compile(f"[{SPACELESS}]")
_IS_HANGUL = re.compile(f"[{HANGUL}]")
_ATTACHED = re.compile(
    f"(?<=[{SPACELESS}{HANGUL}])(?=[A-Za-z0-9(])|(?<=[A-Za-z0-9)])(?=[{SPACELESS}{HANGUL}])"
)
_FIGURES = re.compile(r"\d++(?:[.,:/'’]\d++)*+")


def visible(text: str) -> str:
    """`text` in NFKC without its zero-width and direction marks."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def plain(text: str) -> str:
    """`text` as `visible` gives it, without control characters and with HTML entities decoded."""
    return visible(_CONTROLS.sub("", unescaped(text)))


def unescaped(text: str) -> str:
    """`text` with its HTML entities decoded, also where they were escaped more than once."""
    for _ in range(MOST_ESCAPES):
        decoded = html.unescape(text) if "&" in text else text
        if decoded == text:
            break
        text = decoded
    return text


def fold(text: str, ignore_case: bool) -> str:
    """`text` as `visible` gives it with its white space collapsed, for comparing."""
    text = " ".join(visible(text).split())
    return visible(text.casefold()) if ignore_case else text


def bare(text: str) -> str:
    """`text` without the emphasis, quotes and full stop around it."""
    return text.strip(" \t\r\n*_`'\"“”‘’「」.。!！")


def is_spaceless(character: str) -> bool:
    """True for a character of a script that puts no spaces between words."""
    return _IS_SPACELESS.match(character) is not None


def spaced(text: str) -> str:
    """`text` with a space where Latin letters or digits touch Chinese, Korean and their like."""
    return _ATTACHED.sub(" ", text)


def holds_words(text: str, words: str) -> bool:
    """True where `words` stand in `text` as whole words; both are folded.

    A figure is a word as a whole: 5 stands in "(5)", "5.", "5%" and "3-5", and not in "5.7",
    "-5", "1,500" or "5:30". In a script without spaces a word may begin and end anywhere; a
    Korean one of two syllables or more may go on in a particle.
    """
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if _begins(text, at) and _ends(text, at, end) and _whole_figures(text, at, end):
            return True
        at = text.find(words, at + 1)
    return False


def _is_word(character: str) -> bool:
    # A combining mark belongs to the character before it, in every script.
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _begins(text: str, at: int) -> bool:
    if at == 0 or not _is_word(text[at - 1]):
        return True
    return is_spaceless(text[at - 1]) or is_spaceless(text[at])


def _ends(text: str, at: int, end: int) -> bool:
    if end == len(text) or not _is_word(text[end]):
        return True
    if unicodedata.category(text[end])[0] == "M":
        return False
    particle = end - at > 1 and _IS_HANGUL.match(text[end - 1]) and _IS_HANGUL.match(text[end])
    return bool(particle) or is_spaceless(text[end]) or is_spaceless(text[end - 1])


def _whole_figures(text: str, at: int, end: int) -> bool:
    """False where a digit at an edge of `text[at:end]` goes on beyond it as the same figure."""
    if text[at].isdecimal() and at > 0:
        left = text[at - 1]
        before = text[at - 2 : at - 1]
        if left in ".,:/'’" and (before.isdecimal() or (left == "." and not before.isalnum())):
            return _is_listed(text, at, end)
        if left in "-−–" and not (before.isalnum() or before == ")"):
            return False
    if text[end - 1].isdecimal() and text[end : end + 1] in tuple(".,:/'’"):
        return not text[end + 1 : end + 2].isdecimal() or _is_listed(text, at, end)
    return True


def _is_figure(character: str) -> bool:
    return character.isdecimal() or character in ".,:/'’"


def _is_listed(text: str, at: int, end: int) -> bool:
    """True in "3,5,7": commas between figures of which not all have three digits."""
    start = at
    while start > max(0, at - LONGEST_LIST) and _is_figure(text[start - 1]):
        start -= 1
    run = _FIGURES.match(text, start, end + LONGEST_LIST)
    if run is None or run.end() < end:
        return False
    parts = run[0].split(",")
    grouped = all(len(part) == 3 for part in parts[1:])
    return len(parts) > 2 and not grouped and text[at:end] in parts


def quantity(number: int, noun: str) -> str:
    """`1 call`, `2 calls`; for nouns whose plural takes an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def were(number: int, noun: str) -> str:
    """`1 row was`, `2 rows were`; see `quantity`."""
    return f"{quantity(number, noun)} {'was' if number == 1 else 'were'}"


def size_of(text: str) -> int:
    """UTF-8 bytes, lone surrogates included."""
    return len(text.encode("utf-8", "surrogatepass"))
