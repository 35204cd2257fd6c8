"""What a user may tell every strategy, and what every strategy tells of itself.

A strategy is one file: its settings, a subclass of `StrategySettings` that says here what it needs
and costs at most, and what it makes, which is asked and told. One line in `registry` names it.
"""

from __future__ import annotations

import inspect
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, JsonValue

from autoprompt_assets.engine.fields import Frozen, Whole
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.lint import longest_instruction
from autoprompt_assets.engine.optimizers.protocol import Context, Optimizer, Sizes, Work
from autoprompt_assets.engine.plugins import package_of, plugins
from autoprompt_assets.engine.text import size_of

GROUP = "autoprompt.optimizers"
"""The entry points by which packages add strategies."""
BYTES_PER_CHARACTER = 4


class StrategySettings(Frozen):
    """The base of every strategy's settings; a subclass names itself: `strategy: Literal["word"]`.

    What follows the fields is for a strategy to say otherwise; `make` is all that it must.
    """

    if TYPE_CHECKING:
        strategy: str
    # From 100 upstream partitions on, Dagster no longer tells what is stale downstream of them.
    iterations: Whole = Field(3, ge=1, le=99)
    candidates: Whole = Field(1, ge=1, le=50)
    """Candidates per iteration."""
    seed: Whole = 0
    race: bool = True
    """Drop a candidate once it will not beat the best so far; false asks every row of each."""
    longest: Whole | None = Field(None, ge=1)
    """Characters that a text may have; four times the first prompt's, or 4000, if more."""
    keep: tuple[str, ...] = ()
    """Texts that every prompt must hold where the first does, such as the name of a field to answer
    in."""

    asks: ClassVar[bool] = False
    """It asks the optimizer model where there is one; else no such model is looked for."""
    invents: ClassVar[bool] = True
    """It makes instructions other than the file's and those that the optimizer model writes."""
    prompt_names: ClassVar[frozenset[str]] = frozenset(["prompt_scores_str", "examples"])
    """What a prompt of the optimizer model may hold; as in `opro`, so that a file whose strategy
    changes may keep its prompt."""

    @property
    def total(self) -> int:
        """The candidates of a whole search, at most."""
        return self.iterations * self.candidates

    @property
    def given(self) -> Mapping[str, str]:
        """Instructions of the file that it may try, by the field below `optimizer`."""
        return {}

    @property
    def tuned(self) -> Mapping[str, tuple[JsonValue, ...]]:
        """The request fields that its candidates may set, and the values."""
        return {}

    @property
    def repeats(self) -> str:
        """The id of the search whose candidates it proposes again, and no others; or empty."""
        return ""

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """What an experiment lacks for it, a line each.

        `writer` is the prompt of the role `optimizer`, `None` without the role; `train` is the
        split's share, or count, of train rows.
        """
        yield from ()

    def most(self, writes: bool) -> Work:
        """What it does at most beside its candidates; `writes`: there is an optimizer model."""
        return Work()

    def usual(self, writes: bool) -> Work:
        """What it will likely do, for an estimate."""
        return self.most(writes)

    def instruction_bytes(self, first: str, answer: int | None) -> int:
        """UTF-8 bytes of the longest text that it may propose.

        `first` is the first prompt's. `answer` is what an answer of the optimizer model may have,
        `None` where none is asked. No instruction has more than what the check lets pass.
        """
        limit = BYTES_PER_CHARACTER * longest_instruction(first, self.longest)
        own = limit if self.invents else 0
        return max(own, min(limit, answer or 0), *map(size_of, (first, *self.given.values())))

    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """UTF-8 bytes of the first question of a conversation, at most; the rest is reckoned."""
        return 0

    @abstractmethod
    def make(self, context: Context) -> Optimizer:
        """The strategy, told nothing yet."""

    def identity(self) -> dict[str, Any]:
        """What decides a search's path, as JSON: the settings, and a package's version and code.

        So a search goes on under the code that it was begun with only.
        """
        point = plugins(GROUP).get(self.strategy)
        settings = self.model_dump(mode="json")
        if point is None:
            return settings
        try:
            code = content_hash(inspect.getsource(sys.modules[type(self).__module__]), 12)
        except OSError:  # it was installed without its source
            code = ""
        return {**settings, "package": package_of(point), "code": code}

    def needs_writer(self, writer: str | None) -> Iterator[str]:
        """The problem of an experiment without the role `optimizer`, for `problems`."""
        if writer is None:
            yield f"optimizer {self.strategy!r} needs roles.optimizer; add it, or use 'demos'"

    def needs_rows(self, train: float, why: str) -> Iterator[str]:
        """The problem of an experiment without train rows, for `problems`."""
        if train == 0:
            yield f"dataset.split.train is 0; raise it, optimizer {self.strategy!r} {why}"


class Writes(StrategySettings):
    """Has the optimizer model write instructions, in conversations of `parts.writing`."""

    asks: ClassVar[bool] = True
    invents: ClassVar[bool] = False

    attempts: Whole = Field(3, ge=1, le=10)
    """Questions to the optimizer model for one candidate before it is given up."""

    def most(self, writes: bool) -> Work:
        """See `StrategySettings`: a conversation for each candidate."""
        return Work(self.total, self.attempts) if writes else Work()

    @abstractmethod
    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """See `StrategySettings`; 0 would say that no question has a byte."""


class Shows(StrategySettings):
    """Shows demos from train rows, and tries wordings of the file."""

    invents: ClassVar[bool] = False

    demos: Whole = Field(8, ge=1, le=64)
    """The most demos that a candidate may show."""
    wordings: tuple[str, ...] = ()
    """Texts to try beside the first prompt's: of a conversation, in place of the first that is
    tuned.
    """

    @property
    def given(self) -> Mapping[str, str]:
        """See `StrategySettings`."""
        return {f"wordings.{number}": text for number, text in enumerate(self.wordings)}
