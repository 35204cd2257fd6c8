"""The landscapes of the benchmark. Their figures were fixed before any strategy was tuned.

Effects are log-odds of a right answer. Features are numbered: first one fix per category, then the
general sentences. A seed draws which sentences, topics and categories take which place, and moves
each effect by up to 15 %, so a strategy cannot learn a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

Value = float | str


@dataclass(frozen=True)
class Dial:
    """A request field that matters: the effect of each value; between numbers, a straight line."""

    field: str
    effects: tuple[tuple[Value, float], ...]


@dataclass(frozen=True)
class Shape:
    """What a landscape looks like before a seed has drawn its sentences."""

    name: str
    about: str
    base: float
    """Log-odds of a prompt that holds the core sentence alone."""
    fixes: tuple[float, ...]
    """The effect of each category's fix on the rows of that category."""
    weights: tuple[float, ...]
    """The effect of each general sentence on every row."""
    pairs: tuple[tuple[int, int, float], ...] = ()
    """What two features do together, besides what each does alone."""
    first: tuple[int, ...] = ()
    """The features that the first prompt holds."""
    shares: tuple[float, ...] = (1, 1, 1, 1, 1, 1)
    """How frequent the categories are, in proportion."""
    spread: float = 0.4
    """Categories' bases lie this far below and above `base`, evenly."""
    labels: int = 5
    demo_count: float = 0.2
    """Approached as demos grow in number; nearly reached at eight."""
    demo_own: float = 0.3
    """The effect of at least one clear demo on the rows of its category."""
    demo_clear: float = 0.7
    """The share of rows that are clear when shown as a demo."""
    with_demos: tuple[tuple[int, float], ...] = ()
    """What a feature does besides, where there are demos."""
    dial: Dial | None = None
    noise: float = 0.25
    """The share of (row, candidate) pairs whose luck is their own; else it is the row's."""
    per_word: float = 0.006
    """The cost of each word of the instruction beyond `FREE_WORDS`."""
    per_copy: float = 0.12
    """The cost of each copied row on all other rows."""
    coreless: float = 1.5
    """The cost of an instruction without the core sentence."""


FREE_WORDS = 60

TUNING = (
    Shape(
        name="additive",
        about="every helpful sentence helps on its own",
        base=-0.5,
        fixes=(1.6, 1.4, 1.3, 1.2, 1.5, 1.0),
        weights=(0.45, 0.3, 0.2, 0.0, 0.0, -0.4),
    ),
    Shape(
        name="tangled",
        about="two sentences that hurt alone help together; some helpful ones clash",
        base=-0.3,
        fixes=(1.3, 1.1, 1.0, 0.9, 0.8, 0.0),
        weights=(-0.35, -0.3, 0.5, 0.45, 0.0, -0.3, 0.3),
        pairs=((6, 7, 1.6), (8, 9, -0.9), (0, 12, -0.6), (1, 2, -0.5)),
    ),
    Shape(
        name="shown",
        about="demos matter most, and of those the clear ones of each category",
        base=-0.6,
        fixes=(0.5, 0.4, 0.0, 0.3, 0.0, 0.4),
        weights=(0.2, 0.0, 0.0, -0.3, -0.2, 0.15),
        demo_count=0.7,
        demo_own=1.4,
        demo_clear=0.4,
        labels=6,
    ),
    Shape(
        name="laden",
        about="the first prompt holds sentences that hurt",
        base=0.5,
        fixes=(1.0, 0.9, 0.8, 0.0, 0.0, 0.7),
        weights=(-0.6, -0.5, -0.35, 0.3, 0.0, -0.4, 0.2),
        first=(6, 7, 8, 10),
        pairs=((6, 9, -0.4),),
    ),
    Shape(
        name="warm",
        about="the temperature matters as much as the words",
        base=-0.4,
        fixes=(1.2, 1.0, 0.8, 0.9, 0.0, 0.0),
        weights=(0.3, 0.2, 0.0, -0.3, 0.0, 0.0),
        dial=Dial("temperature", ((0.0, 0.0), (0.3, 0.5), (0.6, 0.8), (1.0, 0.1), (1.5, -1.0))),
        demo_own=0.4,
    ),
)

FINAL = (
    Shape(
        name="lopsided",
        about="two categories are most of the rows, and one fix costs elsewhere",
        base=-0.4,
        fixes=(1.9, 1.5, 1.2, 0.8, 0.8, 0.8),
        weights=(0.35, -0.25, 0.0, 0.0, 0.25, -0.5, 0.0),
        pairs=((0, 6, -0.7), (1, 10, 0.4)),
        shares=(5, 4, 1, 1, 1, 1),
        first=(8,),
        spread=0.6,
        labels=4,
    ),
    Shape(
        name="valley",
        about="the best part lies beyond sentences that hurt until all of them stand together",
        base=-0.2,
        fixes=(0.9, 0.8, 0.7, 0.0, 0.0, 0.6),
        weights=(-0.3, -0.25, -0.25, 0.35, 0.3, 0.0, -0.2),
        pairs=((6, 7, 0.45), (7, 8, 0.65), (6, 8, 0.75), (9, 6, -0.5), (10, 0, -0.4)),
        noise=0.35,
    ),
    Shape(
        name="entwined",
        about="demos and sentences need each other",
        base=-0.5,
        fixes=(0.9, 0.7, 0.6, 0.0, 0.5, 0.0),
        weights=(-0.2, 0.25, 0.3, 0.0, -0.3, 0.0),
        demo_count=0.3,
        demo_own=0.9,
        demo_clear=0.5,
        with_demos=((6, 0.9), (7, -0.5)),
        first=(7,),
    ),
    Shape(
        name="wide",
        about="many sentences do nothing, and few do a little",
        base=0.0,
        fixes=(1.6, 0.0, 0.0, 1.3, 0.0, 0.9),
        weights=(0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.35),
        first=(7, 8),
        demo_count=0.1,
        demo_own=0.2,
        noise=0.3,
    ),
    Shape(
        name="effortful",
        about="more effort helps until it hurts, and the first prompt holds what hurts",
        base=-0.1,
        fixes=(1.1, 0.9, 0.0, 0.8, 0.7, 0.0),
        weights=(-0.5, -0.4, 0.3, 0.0, 0.2, -0.3),
        first=(6, 7),
        pairs=((8, 10, -0.4),),
        dial=Dial(
            "reasoning_effort",
            (("minimal", -0.4), ("low", 0.0), ("medium", 0.6), ("high", 0.3)),
        ),
    ),
)

NULL_TUNING = (
    Shape(
        name="still",
        about="nothing matters at all",
        base=0.3,
        fixes=(0.0,) * 6,
        weights=(0.0,) * 6,
        demo_count=0.0,
        demo_own=0.0,
        per_word=0.0,
        coreless=0.0,
    ),
)

NULL_FINAL = (
    Shape(
        name="restless",
        about="nothing matters, and most of the luck is the candidate's",
        base=0.0,
        fixes=(0.0,) * 6,
        weights=(0.0,) * 7,
        demo_count=0.0,
        demo_own=0.0,
        per_word=0.0,
        coreless=0.0,
        noise=0.8,
        labels=4,
    ),
    Shape(
        name="hostile",
        about="the first prompt is the best there is: all else does nothing or hurts",
        base=0.5,
        fixes=(0.0, -0.3, 0.0, 0.0, -0.4, 0.0),
        weights=(0.0, -0.15, -0.3, 0.0, -0.2, -0.1),
        pairs=((6, 9, -0.3),),
        demo_count=-0.15,
        demo_own=0.0,
    ),
)

SHAPES = {shape.name: shape for shape in (*TUNING, *FINAL, *NULL_TUNING, *NULL_FINAL)}
