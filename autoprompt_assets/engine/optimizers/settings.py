"""The strategies of an experiment file, and what each may be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from autoprompt_assets.engine.fields import (
    LIMITS,
    RESERVED_EXTRA,
    UNSUPPORTED_EXTRA,
    Frozen,
    Whole,
)


def _is_temperature(value: JsonValue) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and 0 <= float(str(value)) <= 2)


def _is_count(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_TUNABLE: dict[str, tuple[Callable[[JsonValue], bool], str]] = {
    "temperature": (_is_temperature, "from 0 to 2"),
    **dict.fromkeys(LIMITS, (_is_count, "a whole number above 0")),
}


class _Strategy(Frozen):
    # From 100 upstream partitions on, Dagster no longer tells what is stale downstream of them.
    iterations: Whole = Field(3, ge=1, le=99)
    candidates: Whole = Field(1, ge=1, le=50)
    """Candidates per iteration."""
    seed: Whole = 0
    race: bool = True
    """Drop a candidate once it will not beat the best so far; false asks every row of each."""
    longest: Whole | None = Field(None, ge=1)
    """Characters that an instruction may have; four times the first prompt's, or 4000, if more."""
    keep: tuple[str, ...] = ()
    """Texts that every instruction must hold, such as the name of a field to answer in."""

    @property
    def tuned(self) -> frozenset[str]:
        """The request fields that the strategy tunes."""
        return frozenset()


class _Writes(_Strategy):
    attempts: Whole = Field(3, ge=1, le=10)
    """Questions to the optimizer model for one candidate before it is given up."""


class _Shows(_Strategy):
    demos: Whole = Field(8, ge=1, le=64)
    """The most demos that a candidate may show."""
    wordings: tuple[str, ...] = ()
    """Instructions to try beside the first prompt."""


class _Reflects(_Writes):
    minibatch: Whole = Field(5, ge=1, le=100)
    """Train rows that a prompt is tried on before the optimizer model rewrites it."""


class _History(_Writes):
    history: Whole = Field(20, ge=1, le=1000)
    """Prompts that the optimizer model is shown, the best ones."""
    exemplars: Whole = Field(3, ge=0, le=50)
    """Train rows that it is shown where its prompt holds {examples}."""


class _Joint(_Shows):
    attempts: Whole = Field(3, ge=1, le=10)
    """Questions to the optimizer model for one instruction before it is given up."""
    instructions: Whole = Field(4, ge=0, le=50)
    """Instructions that the optimizer model writes, where there is one."""
    demo_sets: Whole = Field(8, ge=1, le=100)
    """Sets of demos that are drawn from train rows."""
    parameters: dict[str, tuple[JsonValue, ...]] = Field(default_factory=dict)
    """Request fields to tune and the values to try: `temperature: [0, 0.7]`."""

    @property
    def tuned(self) -> frozenset[str]:
        """See `_Strategy`."""
        return frozenset(self.parameters)

    @field_validator("parameters")
    @classmethod
    def _tunable(
        cls, parameters: dict[str, tuple[JsonValue, ...]]
    ) -> dict[str, tuple[JsonValue, ...]]:
        if set(LIMITS) <= parameters.keys():
            raise ValueError(f"{' and '.join(LIMITS)} are one limit; tune one of them")
        for key, values in parameters.items():
            if key in (*RESERVED_EXTRA, *UNSUPPORTED_EXTRA) and key not in _TUNABLE:
                raise ValueError(f"{key!r} cannot be tuned; take it out")
            if not values:
                raise ValueError(f"{key!r} has no values; give some, or take it out")
            usable, wanted = _TUNABLE.get(key, (lambda value: True, ""))
            if not all(map(usable, values)):
                raise ValueError(f"{key!r} has a value that is not {wanted}; mend it")
        return parameters


class OproSpec(_History):
    """The optimizer model sees the prompts tried with their scores and writes a new one."""

    strategy: Literal["opro"]


class GepaSpec(_Reflects):
    """The optimizer model sees what went wrong on train rows and rewrites a prompt."""

    strategy: Literal["gepa"]


class DemosSpec(_Shows):
    """Few-shot demos from train rows, and wordings from a list; asks no model."""

    strategy: Literal["demos"]


class MiproSpec(_Joint):
    """Instructions, sets of demos and request parameters, searched together."""

    strategy: Literal["mipro"]


class AutoSpec(_History, _Reflects, _Joint):
    """Gives each step to the strategy that has gained most, of those that the roles allow."""

    strategy: Literal["auto"] = "auto"
    iterations: Whole = Field(12, ge=1, le=99)


class RescoreSpec(_Strategy):
    """The candidates of an earlier search again, under this file's grader."""

    strategy: Literal["rescore"]
    search: str = Field(pattern=r"^[0-9a-f]{12}$")


OptimizerSpec = Annotated[
    OproSpec | GepaSpec | MiproSpec | DemosSpec | AutoSpec | RescoreSpec,
    Field(discriminator="strategy"),
]
