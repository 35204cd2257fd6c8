"""How often a sealed test has been read: rows that decided once are worth less the next time.

A reading is a distinct set of test rows, pair of candidates and grader. The first verdict on a set
is judged at .05, the n-th at .05/n (Bonferroni, over the verdicts so far), whoever asked for the
others: sets that share a tenth of their rows or more share their wear, across searches and
experiments. Nothing corrects for what was changed after an earlier verdict was seen.

Decided here:

* A set is its rows' inputs and targets, in any order. What two sets share is told by inputs alone,
  normalised: a new target, another spelling or another column's name makes no row fresh.
* Sets share directly or not at all. Where A shares with B and B with C, but A not with C, a verdict
  on C counts those on B and not those on A, which has none of C's rows.
* A candidate is what is sent: its texts and the turns that they are, images, tools, and the
  target's endpoint, model, sampling, choices and response format. The same texts on another model
  are another verdict. Which of the two is the first prompt does not matter: the test is two-sided,
  and exchanged sides give the same figures. A first prompt that stays the best is a pair with
  itself; its rows were read.
* A reading is registered before the first row is asked, for scores are shown as answers come in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import GraderSettings
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.llm import Asked, Models
from autoprompt_assets.engine.statistics.paired import LEVEL

SHARED = 10
"""Sets of which one has 1/10 of its rows or more in the other share their wear."""


@dataclass(frozen=True)
class RowSet:
    """Rows as a set; `key` stands for inputs and targets.

    `inputs` is a numpy array of 64-bit hashes of the normalised inputs, ascending, each once.
    """

    key: str
    inputs: Any = field(compare=False)

    @property
    def size(self) -> int:
        """How many inputs."""
        return len(self.inputs)

    def parts(self, size: int) -> Iterator[list[int]]:
        """The inputs, `size` at a time."""
        for start in range(0, self.size, size):
            yield self.inputs[start : start + size].tolist()

    @classmethod
    def of(cls, rows: Iterable[Example]) -> RowSet:
        """The set of `rows`; 16 bytes are held for each."""
        import numpy as np

        numbers = ((input_number(row.input_id), input_number(row.id)) for row in rows)
        both = np.fromiter(numbers, dtype=[("input", "<i8"), ("whole", "<i8")])
        whole = np.unique(both["whole"]).tobytes()
        return cls(hashlib.sha256(whole).hexdigest(), np.unique(both["input"]))


@dataclass(frozen=True)
class Reading:
    """What one verdict rests on; `pair` and `grader` are hashes."""

    rows: RowSet
    pair: str
    grader: str


class Readings(Protocol):
    """Where readings are kept for good."""

    async def register(self, reading: Reading) -> int:
        """The reading's number: which verdict on its rows it is, from 1.

        It is durable when this returns, and stays what it is: the same reading is never counted
        twice, however often and by whichever process it is asked for.

        Raises:
            JournalError: it could not be stored.
        """


def level_of(number: int) -> float:
    """The level at which the verdict of that number is judged."""
    return LEVEL / number


def share_wear(shared: int, size: int, other: int) -> bool:
    """True where two sets of these sizes share so many rows that a verdict on one wears both."""
    return shared > 0 and SHARED * shared >= min(size, other)


def pair_key(models: Models, first: Candidate, second: Candidate) -> str:
    """Of two candidates as the target is asked them, in any order."""
    asked = [_role(models.target), models.target.spec.form, models.chat.identity()]
    return content_hash([*asked, sorted([first.id, second.id])])


def grader_key(grader: GraderSettings, models: Models) -> str:
    """Of the settings that decide which answer is right; where a model judges, of how it does."""
    review = models.review if grader.most_reviews else None
    judge = [_role(review), review.spec.prompt] if review else None
    return content_hash([grader.identity(), judge])


def input_number(identity: str) -> int:
    """64 bits of the identity's hash, signed."""
    digest = hashlib.sha256(identity.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _role(role: Asked) -> dict[str, Any]:
    """What decides a model's answers, its prompt aside."""
    settings = role.spec.model_dump(
        mode="json", include={"temperature", "max_tokens", "extra", "choices"}
    )
    structured = role.structured if role.role == "review" else role.response_format is not None
    return {
        "endpoint": role.endpoint,
        "model": role.model,
        "structured": structured,
        **settings,
    }
