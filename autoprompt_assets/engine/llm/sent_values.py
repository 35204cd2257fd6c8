"""Headers and query parameters that a user has sent to a server: in the file, or, where they are
secret, in an environment variable that it names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, model_serializer, model_validator

from autoprompt_assets.engine.errors import type_word
from autoprompt_assets.engine.fields import Frozen, VariableName
from autoprompt_assets.engine.keys import looks_like_a_key, sendable

MOST_VALUES, LONGEST_NAME, LONGEST_VALUE = 32, 100, 2000
"""Headers, and query parameters, of one server, and characters of each that a file holds."""
RESERVED_HEADERS = frozenset(
    [
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        "upgrade",
    ]
)
"""Headers that the client sets itself: a request with two of them, or others, is another request.
"""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET_NAME = re.compile(
    r"authori[sz]|cookie|credential|key|passw|secret|signature|token|(^|[-_.])(auth|sas|sig)($|[-_.])",
    re.IGNORECASE,
)
_VARIABLE = re.compile(
    r"\$\{(?P<braces>\w+)\}|\$(?P<bare>[A-Z_][A-Z0-9_]*)(?!\w)|"
    r"^%(?P<percent>[A-Z_][A-Z0-9_]*)%$|^\{ *env *: *(?P<quoted>\w+) *\}$",
    re.ASCII,
)
"""A variable as shells and other programs' files fill it in."""
MEND = "write {env: NAME}, NAME being the environment variable that holds it"


class SentValue(Frozen):
    """What a header or a query parameter is sent with: the text `value`, or a secret, which the
    environment variable `env` holds. In a file: a text, or `{env: NAME}`.
    """

    value: str | None = None
    env: VariableName | None = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"value": value}
        named = isinstance(value, dict) and value.keys() == {"env"} and value["env"] is not None
        if isinstance(value, cls) or named:
            return value
        names = difflib.get_close_matches("env", [*value]) if _is_single(value) else []
        if names:
            raise ValueError(f"holds {names[0]!r}, no such field; did you mean 'env'?")
        # The value is not repeated: it may be a secret.
        mend = "write one" if isinstance(value, dict | list) else "put it in quotes"
        raise ValueError(
            f"is {type_word(value)} and no text; {mend} or, where it is a secret, {MEND}"
        )

    @model_serializer
    def _as_written(self) -> Any:
        return self.value if self.env is None else {"env": self.env}


def _is_single(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value)), str)


def _headers(headers: Mapping[str, SentValue]) -> Mapping[str, SentValue]:
    return _checked(headers, [*_header_names(headers), *_values(headers, "header")])


def _query(query: Mapping[str, SentValue]) -> Mapping[str, SentValue]:
    return _checked(query, [*_query_names(query), *_values(query, "parameter")])


Headers = Annotated[dict[str, SentValue], AfterValidator(_headers)]
Query = Annotated[dict[str, SentValue], AfterValidator(_query)]


def _checked(values: Mapping[str, SentValue], problems: list[str]) -> Mapping[str, SentValue]:
    if len(values) > MOST_VALUES:
        problems.append(f"holds {len(values)} and may hold {MOST_VALUES}; take some out")
    if problems:
        raise ValueError("\n".join(problems))
    return values


def _header_names(names: Iterable[str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for place, name in enumerate(names, 1):
        known = seen.setdefault(name.lower(), name)
        if not _TOKEN.fullmatch(name) or len(name) > LONGEST_NAME:
            # It is not repeated: somebody may have put the whole header there.
            yield (
                f"name {place} is no header's; use letters, digits and -, at most {LONGEST_NAME}, "
                "and put the value behind the colon"
            )
        elif name.lower() in RESERVED_HEADERS:
            yield f"{name!r} is set by the client itself; take it out"
        elif known != name:
            yield f"{known!r} and {name!r} are one header; keep one"


def _query_names(names: Iterable[str]) -> Iterator[str]:
    for place, name in enumerate(names, 1):
        if not name.strip() or not sendable(name) or len(name) > LONGEST_NAME:
            yield (
                f"name {place} is no parameter's; give it a name of at most {LONGEST_NAME} "
                "characters, without line breaks"
            )


def _values(values: Mapping[str, SentValue], what: str) -> Iterator[str]:
    for name, sent in values.items():
        text = sent.value
        if text is None or not _TOKEN.fullmatch(name):
            continue
        variable = _VARIABLE.search(text)
        if not text.strip():
            yield f"{name!r} is empty; fill it in, or take it out"
        elif len(text) > LONGEST_VALUE:
            yield f"{name!r} has {len(text)} characters and may have {LONGEST_VALUE}; shorten it"
        elif not sendable(text) or (what == "header" and text != text.strip()):
            yield (
                f"{name!r} holds a character that no {what} has (a line break, a control "
                "character, one beyond ASCII, or a blank at its end); write it without"
            )
        elif variable:
            yield _unfilled(name, variable)
        elif _SECRET_NAME.search(name):
            yield f"{name!r} is by its name a secret, and secrets never stand in files; {MEND}"
        elif looks_like_a_key(text):
            yield f"{name!r} looks like a key, and keys never stand in files; {MEND}"


def _unfilled(name: str, found: re.Match[str]) -> str:
    variable = next(filter(None, found.groups()))
    mend = f"write {{env: {variable}}}" if variable == variable.upper() else MEND
    whole = "" if found[0] == found.string.strip() else ", and all of the text into that variable"
    return f"{name!r} holds the variable {variable}, which nothing fills in; {mend}{whole}"
