"""What every part of an experiment file is made of, and values that need a check of their own."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticKnownError

from autoprompt_assets.engine.keys import address_problem, holds_credentials, owner

RESERVED_EXTRA = (
    *("model", "messages", "temperature", "max_tokens", "response_format", "stream"),
    *("n", "api_key"),
)
"""Request fields with a place of their own, or that the project sets itself."""
SECRET_EXTRA = re.compile(
    r"(extra|default)_(headers|query|body)|headers|authorization|(.*_)?(api_?key|secret|password)",
    re.IGNORECASE,
)
"""Names under which clients of other libraries are given keys. No request field is called so, and a
request is written down.
"""
LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of one limit, an answer's tokens; reasoning models want the newer one. Budgets rest
on it, so it is never left out of a request."""
NEWER_LIMIT = LIMITS[1]
REVIEW_NAMES = frozenset(["response", "answer"])
"""What the review prompt holds beside the columns: the model's answer, and the target."""
UNSUPPORTED_EXTRA = (
    *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    *("modalities", "audio", "web_search_options"),
)
"""Request fields that ask for answers other than text."""


class Frozen(BaseModel):
    """The base of every part of an experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _no_switch(value: Any) -> Any:
    # YAML reads `yes` as true, and pydantic would take that for 1.
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


def _without_credentials(value: Any) -> Any:
    # The error does not repeat the value: it may hold the secret.
    if isinstance(value, str) and holds_credentials(value):
        raise ValueError("holds credentials; take out what stands before the @")
    return value


def _web_address(value: Any) -> Any:
    # Nor does this one: a key may stand in a query.
    problem = address_problem(value) if isinstance(value, str) else ""
    if problem:
        raise ValueError(problem)
    return value


_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_LIKE_A_KEY = re.compile(r"(?=[A-Z]*[0-9])[A-Z0-9]{16}")


def _variable_name(value: Any, info: ValidationInfo) -> Any:
    # A key written here by mistake is not repeated either; many would do as a variable's name.
    if isinstance(value, str) and (not _NAME.fullmatch(value) or _LIKE_A_KEY.search(value)):
        raise ValueError(
            "is no name of an environment variable in capital letters; name one, such as MY_KEY, "
            "and never write the key itself"
        )
    words = info.context.keys if info.context else {}
    what = owner(value, words) if isinstance(value, str) else None
    if what is not None:
        raise ValueError(f"names {value}, {what}; give this endpoint a variable of its own")
    return value


Whole = Annotated[int, BeforeValidator(_no_switch)]
Number = Annotated[float, BeforeValidator(_no_switch)]
Location = Annotated[str, BeforeValidator(_without_credentials)]
WebAddress = Annotated[str, BeforeValidator(_web_address)]
"""A base URL: what requests are sent to stands below it, and what they carry beside it."""
VariableName = Annotated[str, BeforeValidator(_variable_name)]
