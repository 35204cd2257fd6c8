"""Where everything in the accuracy curve lies, in SVG units. Pure arithmetic."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.search import Decision

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 744, 26, 266

MOST_X_LABELS = 16
SPREAD = 14.0
CROWDED = 80
LABEL_ROOM = 40


@dataclass(frozen=True)
class ScorePoint:
    """One scored candidate as the chart is given it, in the order of the search.

    A dropped one has its estimate for a score, and no interval beside it.
    """

    iteration: int
    score: float
    ci95: tuple[float, float]
    selectable: bool
    chosen: bool
    label: str
    decision: Decision

    @property
    def dropped(self) -> bool:
        """Whether it has seen a part of the rows only."""
        return self.decision == "dropped"


@dataclass(frozen=True)
class Dot:
    """One candidate: its place, and the ends of its whisker."""

    x: float
    y: float
    high: float
    low: float
    mark: ScorePoint

    @property
    def anchor(self) -> str:
        """How a label above the dot is anchored so that it stays within the plot."""
        if self.x < LEFT + LABEL_ROOM:
            return "start"
        return "end" if self.x > RIGHT - LABEL_ROOM else "middle"


@dataclass(frozen=True)
class Tick:
    """One label on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Everything to draw. `best_so_far` is a polyline's points."""

    dots: tuple[Dot, ...]
    best_so_far: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    radius: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def draw(marks: Sequence[ScorePoint]) -> Chart:
    """The chart of `marks`, the baseline (iteration 0) first."""
    last = max(mark.iteration for mark in marks)
    floor, ceiling, step = _percent_range(marks)
    dots = _dots(marks, (RIGHT - LEFT) / (last + 1), floor, ceiling)
    return Chart(
        dots=dots,
        best_so_far=_best_so_far(dots),
        x_ticks=_x_ticks(last),
        y_ticks=tuple(
            Tick(_y(percent / 100, floor, ceiling), f"{percent}%")
            for percent in range(floor, ceiling + 1, step)
        ),
        radius=2.5 if len(marks) > CROWDED else 4.0,
    )


def _percent_range(marks: Sequence[ScorePoint]) -> tuple[int, int, int]:
    """Whole percents that hold every whisker, and the step between labels."""
    lowest = min(mark.ci95[0] for mark in marks) * 100
    highest = max(mark.ci95[1] for mark in marks) * 100
    span = highest - lowest
    step = 20 if span > 60 else 10 if span > 25 else 5
    # A bound such as 70.00000000000001 must not open another step.
    floor = min(math.floor(round(lowest, 6) / step) * step, 100 - step)
    ceiling = math.ceil(round(highest, 6) / step) * step
    return floor, max(ceiling, floor + step), step


def _y(score: float, floor: int, ceiling: int) -> float:
    share = (score * 100 - floor) / (ceiling - floor)
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _dots(marks: Sequence[ScorePoint], slot: float, floor: int, ceiling: int) -> tuple[Dot, ...]:
    """Candidates of one iteration stand side by side within its slot."""
    crowd = Counter(mark.iteration for mark in marks)
    placed: Counter[int] = Counter()
    dots = []
    for mark in marks:
        together = crowd[mark.iteration]
        aside = (placed[mark.iteration] - (together - 1) / 2) * min(SPREAD, slot * 0.7 / together)
        placed[mark.iteration] += 1
        dots.append(
            Dot(
                x=round(LEFT + (mark.iteration + 0.5) * slot + aside, 1),
                y=_y(mark.score, floor, ceiling),
                high=_y(mark.ci95[1], floor, ceiling),
                low=_y(mark.ci95[0], floor, ceiling),
                mark=mark,
            )
        )
    return tuple(dots)


def _best_so_far(dots: Sequence[Dot]) -> str:
    """The running best by the rule of selection: the highest score on all rows."""
    best = dots[0]
    points = [(best.x, best.y)]
    for dot in dots[1:]:
        if dot.mark.selectable and not dot.mark.dropped and dot.mark.score > best.mark.score:
            points += [(dot.x, best.y), (dot.x, dot.y)]
            best = dot
    points.append((float(RIGHT), best.y))
    return " ".join(f"{x},{y}" for x, y in points)


def _x_ticks(last: int) -> tuple[Tick, ...]:
    step = _label_step(last)
    slot = (RIGHT - LEFT) / (last + 1)
    return tuple(
        Tick(round(LEFT + (iteration + 0.5) * slot, 1), str(iteration))
        for iteration in range(0, last + 1, step)
    )


def _label_step(last: int) -> int:
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if last / (factor * scale) < MOST_X_LABELS:
                return factor * scale
        scale *= 10
