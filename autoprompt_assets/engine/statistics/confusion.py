"""Which answer was given to which target, and the F1 of each: reported, and deciding nothing.

A score counts rows; where some labels are rare, macro F1, the mean of the labels' F1, shows what a
score hides. It is no mean over rows, so no paired test of ours holds for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_LABELS = 20
"""Different targets from which on there is no table."""
OTHER = "(other)"
"""An answer that is none of the labels, or none at all."""


@dataclass(frozen=True)
class Confusion:
    """Rows by target and answer; `counts` has a pair for each that was seen."""

    labels: tuple[str, ...]
    counts: dict[tuple[str, str], int]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str | None, bool]]) -> Confusion | None:
        """Of rows as target, answer and whether that is right.

        `None` where there are fewer than two labels or more than `MOST_LABELS`. A right answer is
        its target's label, whatever its words; a wrong one that of which it is the text, in any
        case.
        """
        seen = list(rows)
        labels = sorted({target for target, _, _ in seen})
        if not 2 <= len(labels) <= MOST_LABELS:
            return None
        known = {label.strip().casefold(): label for label in labels}
        counts = Counter(
            (target, target if right else known.get((answer or "").strip().casefold(), OTHER))
            for target, answer, right in seen
        )
        return cls(tuple(labels), dict(sorted(counts.items())))

    def answered(self, target: str, answer: str) -> int:
        """Rows of `target` that were answered by `answer`, a label or `OTHER`."""
        return self.counts.get((target, answer), 0)

    @property
    def answers(self) -> tuple[str, ...]:
        """The columns of the table."""
        return (*self.labels, OTHER)

    def f1(self, label: str) -> float:
        """The harmonic mean of precision and recall, 0 to 1; 0 where no row has them right."""
        right = self.answered(label, label)
        said = sum(self.answered(target, label) for target in self.labels)
        meant = sum(self.answered(label, answer) for answer in self.answers)
        return 2 * right / (said + meant) if said + meant else 0.0

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1."""
        return sum(map(self.f1, self.labels)) / len(self.labels)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        table = {
            target: {one: count for (t, one), count in self.counts.items() if t == target}
            for target in self.labels
        }
        f1 = {label: round(self.f1(label), 6) for label in self.labels}
        return {"macro_f1": round(self.macro_f1, 6), "f1": f1, "table": table}
