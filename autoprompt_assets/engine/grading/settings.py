"""What a user may say of a grader: when an answer is right."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from autoprompt_assets.engine.fields import Frozen, Number


class ExactGrader(Frozen):
    """Right when the whole answer equals the target, white space at the ends aside."""

    kind: Literal["exact"]
    ignore_case: bool = False


class ChoiceGrader(Frozen):
    """Right when the option that the answer settles on is the target's: "(B)", "B.", "It is B"."""

    kind: Literal["choice"]


class ContainsGrader(Frozen):
    """Right when the target stands anywhere in the answer as a word, words or a whole figure."""

    kind: Literal["contains"]
    ignore_case: bool = True


class NumberGrader(Frozen):
    """Right when the number (date, time, range) that the answer gives is the target.

    `tolerance` is how far a number may be off.
    """

    kind: Literal["number"]
    tolerance: Number = Field(0.0, ge=0)


class RegexGrader(Frozen):
    """Right when the pattern's first group (or whole match), last found, equals the target."""

    kind: Literal["regex"]
    pattern: str
    ignore_case: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error}); mend it") from error
        return pattern


class JsonGrader(Frozen):
    """Right when the answer's JSON equals the target's, or what stands at its `field` does.

    `field` is a key, or a path of keys and list indices: `a.0.b`.
    """

    kind: Literal["json"]
    field: str | None = None


class ModelGrader(Frozen):
    """The review model judges. Its prompt may hold {input}, {response} and {answer}."""

    kind: Literal["model"]


GraderSpec = Annotated[
    ExactGrader
    | ChoiceGrader
    | ContainsGrader
    | NumberGrader
    | RegexGrader
    | JsonGrader
    | ModelGrader,
    Field(discriminator="kind"),
]
