"""What of a request's form a refusal is about: which field, or the system turn.

Servers say it in a code and a parameter (OpenAI), as what pydantic says of a body (vLLM, Mistral),
in words of their own (Groq, Together, Google, xAI, LiteLLM), or while filling in a chat template.
A field counts only where the request holds it, and only where the field itself is refused: a value
out of its range, or one beside which the server lists others, is for the user to choose.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.llm import SYSTEM, Misfit
from autoprompt_assets.resources.endpoints.error_body import ErrorBody

_SAMPLING = frozenset(
    (
        *("temperature", "top_p", "top_k", "min_p", "top_a", "typical_p", "seed", "stop"),
        *("presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias"),
        *("logprobs", "top_logprobs"),
    )
)
"""Fields of which a model that refuses a value has one value alone, its default."""
_REFUSED = (
    r"(?:not supported|unsupported|not permitted|deprecated|not recognized|unrecognized|unknown|"
    r"not available|extra inputs|extra_forbidden|cannot find field|only \S.{0,30}?"
    r"(?:allowed|supported))"
)
_REFUSES = (
    r"(?:unsupported|unknown|unrecognized|unexpected|extraneous|extra_forbidden|extra inputs|"
    r"(?:not|n't) support|not permitted)"
)
_RANGE = re.compile(
    r"between|\brange\b|less than|greater than|at most|at least|too (?:large|small|long|many)|"
    r"\bmaximum\b|\bminimum\b|should be (?:a |an )?(?:valid|less|greater)"
)
_VALUES = re.compile(
    r"supported values|unsupported value|invalid value|\bvalue\b.{0,60}not support"
)
_DEFAULT_ALONE = re.compile(r"only the default|only \S{1,20} is (?:allowed|supported)")
_SYSTEM = re.compile(
    r"system[\s'\"`]{0,3}(?:role|message|prompt|instruction|turn)s?\b.{0,30}"
    r"not (?:supported|enabled|allowed|accepted)|"
    r"n(?:o|')t support.{0,30}\bsystem\b|roles must alternate|"
    r"developer instruction is not enabled|only user(?:,| and) (?:assistant|model)\b.{0,20}roles?|"
    r"unexpected role\W{1,3}system"
)
_ROLE = re.compile(r"messages\W{0,2}\d+\W{0,2}role")
_DEVELOPER = re.compile(r"(?:use|only|instead|expected?|supported values?)\b.{0,40}\bdeveloper\b")


def misfit(error: ErrorBody, parameters: Collection[str]) -> Misfit | None:
    """What of its form a request is refused for that has the fields `parameters`, if it is that."""
    words = error.words
    if is_about_system(words) or (_ROLE.match(error.parameter) and SYSTEM in words):
        return Misfit(SYSTEM, "developer" if _DEVELOPER.search(words) else "")
    coded = error.code in ("unsupported_parameter", "unknown_parameter", "unsupported_value")
    named = re.split(r"[.\[]", error.parameter)[0]
    if not (coded and named in parameters):
        named = _refused_by_words(words, parameters)
    if not named or (not _wants_default(named, words) and _is_about_value(words)):
        return None
    if named in LIMITS:
        return Misfit(named, LIMITS[1 - LIMITS.index(named)])
    return Misfit(named)


def is_about_system(words: str) -> bool:
    """Whether lower-case words say that there may be no system turn, or none at its place."""
    return _SYSTEM.search(words) is not None


def _refused_by_words(words: str, parameters: Collection[str]) -> str:
    """The field that is said to be refused first; empty where none is."""
    found = []
    for name in parameters:
        shown = rf"(?<![\w.]){re.escape(name)}(?!\w)|(?<!\w){re.escape(_plain(name))}(?!\w)"
        pattern = rf"(?:{shown}).{{0,60}}?{_REFUSED}|{_REFUSES}.{{0,100}}?(?:{shown})"
        match = re.search(pattern, words, re.DOTALL)
        at = re.search(shown, words)
        if match and at:
            found.append((at.start(), name))
    return min(found)[1] if found else ""


def _plain(name: str) -> str:
    """A field's name as it stands, in lower case, where it is written in camel case."""
    return name.replace("_", "")


def _is_about_value(words: str) -> bool:
    return _RANGE.search(words) is not None or _VALUES.search(words) is not None


def _wants_default(name: str, words: str) -> bool:
    """Whether the field has one value alone, which it has where it is left out."""
    if _DEFAULT_ALONE.search(words):
        return True
    return name in _SAMPLING and _RANGE.search(words) is None
