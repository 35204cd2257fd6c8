"""Fresh questions in the textual form of the BIG-bench task "geometric_shapes".

Each row shows an SVG path and asks, with ten lettered options, what the path draws.
The form (wording, options, two decimals, pen lifts inside an outline, arcs) follows
the task "geometric_shapes" of BIG-bench (arXiv 2206.04615); no row is taken from it,
every shape comes from the geometry below. Lengths are SVG user units on a canvas of
100 by 100, with y pointing down; angles are degrees.

Only ``random.Random.random``, the four operations and square roots are used: they give
the same bits on every platform, which trigonometric functions do not.

Run ``python -m autoprompt_assets.experiments.shapes OUT.csv --rows 400 --seed 20240``.
"""

import argparse
import csv
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

Point = tuple[float, float]
Builder = Callable[[Random, bool], str | None]

SHAPES = (
    "circle",
    "heptagon",
    "hexagon",
    "kite",
    "line",
    "octagon",
    "pentagon",
    "rectangle",
    "sector",
    "triangle",
)
"""The ten answers, in the order of their letters (A) to (J)."""

WHOLE_SHARE = 0.2
UNBROKEN_SHARE = 0.25
LIFT_SHARE = 0.5
MIN_EDGE = 3.0
MIN_CORNER_SINE = 0.1


def question(path: str) -> str:
    """The full text of a row's input for the SVG path data ``path``."""
    options = "\n".join(f"({_letter(shape)}) {shape}" for shape in SHAPES)
    return f'This SVG path element <path d="{path}"/> draws a\nOptions:\n{options}'


def target(shape: str) -> str:
    """The right answer for ``shape``, as in ``(B)``."""
    return f"({_letter(shape)})"


def draw(shape: str, rng: Random) -> str:
    """SVG path data of one random ``shape``, one of SHAPES; units are SVG user units."""
    while True:
        path = _BUILDERS[shape](rng, rng.random() < WHOLE_SHARE)
        if path is not None:
            return path


def generate(rows: int, seed: int) -> list[tuple[str, str]]:
    """``rows`` unique (input, target) pairs in random order.

    The ten shapes are equally frequent; when ``rows`` is no multiple of ten, the first
    shapes of SHAPES have one row more. The same ``seed`` always gives the same rows.
    """
    rng = Random(seed)  # noqa: S311
    paths: dict[str, str] = {}
    for index in range(rows):
        shape = SHAPES[index % len(SHAPES)]
        path = draw(shape, rng)
        while path in paths:
            path = draw(shape, rng)
        paths[path] = shape
    shuffled = sorted((rng.random(), path) for path in paths)
    return [(question(path), target(paths[path])) for _, path in shuffled]


def write(out: Path, rows: int, seed: int) -> None:
    """Write ``generate(rows, seed)`` to the CSV file ``out`` (UTF-8, LF line ends)."""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("input", "target"))
        writer.writerows(generate(rows, seed))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: where to write, how many rows, which seed."""
    parser = argparse.ArgumentParser(description="Write a CSV of geometric-shape questions.")
    parser.add_argument("out", type=Path, help="the CSV file to write")
    parser.add_argument("--rows", type=int, default=400, help="number of rows (default 400)")
    parser.add_argument("--seed", type=int, default=20240, help="random seed (default 20240)")
    args = parser.parse_args(argv)
    write(args.out, args.rows, args.seed)


def _letter(shape: str) -> str:
    return chr(ord("A") + SHAPES.index(shape))


def _between(rng: Random, low: float, high: float, whole: bool) -> float:
    value = low + (high - low) * rng.random()
    return float(round(value)) if whole else value


def _unit(rng: Random, whole: bool) -> Point:
    """A unit vector: any direction, or, for whole-number shapes, along an axis."""
    while True:
        x, y = 2 * rng.random() - 1, 2 * rng.random() - 1
        square = x * x + y * y
        if 0.01 < square <= 1:
            break
    if whole:
        return (math.copysign(1, x), 0.0) if abs(x) > abs(y) else (0.0, math.copysign(1, y))
    length = math.sqrt(square)
    return x / length, y / length


def _point(rng: Random, whole: bool) -> Point:
    return _between(rng, 2, 98, whole), _between(rng, 2, 98, whole)


def _along(start: Point, direction: Point, length: float) -> Point:
    return start[0] + direction[0] * length, start[1] + direction[1] * length


def _left(direction: Point) -> Point:
    return -direction[1], direction[0]


def _distance(a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    return math.sqrt(dx * dx + dy * dy)


def _turn(a: Point, b: Point, c: Point) -> float:
    """Cross product of ``b - a`` and ``c - b``: its sign tells left from right turns."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _rounded(points: Sequence[Point]) -> list[Point]:
    return [(round(x, 2), round(y, 2)) for x, y in points]


def _inside(points: Sequence[Point]) -> bool:
    return all(1 <= value <= 99 for point in points for value in point)


def _crosses(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d meet, touching included."""
    parted = _turn(a, b, c) * _turn(a, b, d) > 0 or _turn(c, d, a) * _turn(c, d, b) > 0
    return not parted


def _is_sound(points: Sequence[Point]) -> bool:
    """Whether a rounded outline is on the canvas, simple, and without flat corners."""
    count = len(points)
    edges = [(points[i], points[(i + 1) % count]) for i in range(count)]
    if not _inside(points) or min(_distance(a, b) for a, b in edges) < MIN_EDGE:
        return False
    for (a, b), (_, c) in pairwise([*edges, edges[0]]):
        if abs(_turn(a, b, c)) < MIN_CORNER_SINE * _distance(a, b) * _distance(b, c):
            return False
    return not any(
        _crosses(*edges[i], *edges[j])
        for i in range(count)
        for j in range(i + 2, count)
        if (j + 1) % count != i
    )


def _at(point: Point) -> str:
    return f"{point[0]:.2f},{point[1]:.2f}"


def _outline(rng: Random, points: Sequence[Point], whole: bool) -> str | None:
    """Path data of a closed outline from a random corner, either way round.

    The benchmark often lifts the pen at a corner and sets it down again at the same
    place (``L x,y M x,y``), but never in its whole-number shapes.
    """
    corners = _rounded(points)
    if not _is_sound(corners):
        return None
    first = int(rng.random() * len(corners))
    corners = corners[first:] + corners[:first]
    if rng.random() < 0.5:
        corners.reverse()
    lifts = 0.0 if whole or rng.random() < UNBROKEN_SHARE else LIFT_SHARE
    parts = [f"M {_at(corners[0])}"]
    for corner in corners[1:]:
        parts.append(f"L {_at(corner)}")
        if rng.random() < lifts:
            parts.append(f"M {_at(corner)}")
    return " ".join([*parts, f"L {_at(corners[0])}"])


def _line(rng: Random, whole: bool) -> str | None:
    start, end = _rounded((_point(rng, whole), _point(rng, whole)))
    return None if _distance(start, end) < MIN_EDGE else f"M {_at(start)} L {_at(end)}"


def _angle_key(centre: Point, point: Point) -> float:
    """Grows with the angle of ``point`` seen from ``centre``, without trigonometry."""
    dx, dy = point[0] - centre[0], point[1] - centre[1]
    reach = abs(dx) + abs(dy)
    if reach == 0:
        return 0.0
    return 1 - dx / reach if dy >= 0 else 3 + dx / reach


def _polygon(count: int, rng: Random, whole: bool) -> str | None:
    """Random corners in a random box, joined in the order of their angle."""
    size = _between(rng, 20, 94, whole)
    left = _between(rng, 2, 98 - size, whole)
    top = _between(rng, 2, 98 - size, whole)
    points = [
        (_between(rng, left, left + size, whole), _between(rng, top, top + size, whole))
        for _ in range(count)
    ]
    centre = (math.fsum(x for x, _ in points) / count, math.fsum(y for _, y in points) / count)
    return _outline(rng, sorted(points, key=partial(_angle_key, centre)), whole)


def _rectangle(rng: Random, whole: bool) -> str | None:
    """Four right angles; the sides differ by three units or more, so never a square."""
    corner, direction = _point(rng, whole), _unit(rng, whole)
    width, height = _between(rng, 5, 80, whole), _between(rng, 5, 50, whole)
    if abs(width - height) < 3:
        return None
    second = _along(corner, direction, width)
    side = _left(direction)
    points = (corner, second, _along(second, side, height), _along(corner, side, height))
    return _outline(rng, points, whole)


def _kite(rng: Random, whole: bool) -> str | None:
    """Convex and symmetric; long and short sides differ by two units or more."""
    crossing, axis = _point(rng, whole), _unit(rng, whole)
    short, long = _between(rng, 3, 20, whole), _between(rng, 8, 55, whole)
    half = _between(rng, 4, 30, whole)
    top, bottom = _along(crossing, axis, long), _along(crossing, axis, -short)
    side = _left(axis)
    right, left = _along(crossing, side, half), _along(crossing, side, -half)
    if long < short or _distance(top, right) - _distance(bottom, right) < 2:
        return None
    return _outline(rng, (top, right, bottom, left), whole)


def _circle(rng: Random, whole: bool) -> str | None:
    """Two half-circle arcs between the ends of a diameter."""
    centre, direction = _point(rng, whole), _unit(rng, whole)
    radius = round(_between(rng, 4, 32, whole), 2)
    if not _inside([(x + r, y + r) for x, y in [centre] for r in (-radius, radius)]):
        return None
    ends = _rounded((_along(centre, direction, radius), _along(centre, direction, -radius)))
    turn = 0.0 if whole else 360 * rng.random()
    arc = f"A {radius:.2f},{radius:.2f} {turn:.2f} 1,0"
    return f"M {_at(ends[0])} {arc} {_at(ends[1])} {arc} {_at(ends[0])}"


def _sector(rng: Random, whole: bool) -> str | None:
    """A slice of about 20 to 160 degrees, so that the arc's ``0,1`` flags are right."""
    centre = _rounded([_point(rng, whole)])[0]
    first, second = _unit(rng, False), _unit(rng, False)
    if first[0] * second[1] - first[1] * second[0] < 0:
        first, second = second, first
    radius = round(_between(rng, 5, 32, whole), 2)
    start, end = _rounded((_along(centre, first, radius), _along(centre, second, radius)))
    flat = abs(first[0] * second[0] + first[1] * second[1]) > 0.94
    if flat or not _inside((centre, start, end)):
        return None
    turn = 0.0 if whole else 360 * rng.random()
    lift = f"M {_at(start)} " if not whole and rng.random() < 0.25 else ""
    arc = f"A {radius:.2f},{radius:.2f} {turn:.2f} 0,1 {_at(end)}"
    return f"M {_at(centre)} L {_at(start)} {lift}{arc} L {_at(centre)}"


_BUILDERS: dict[str, Builder] = {
    "circle": _circle,
    "heptagon": partial(_polygon, 7),
    "hexagon": partial(_polygon, 6),
    "kite": _kite,
    "line": _line,
    "octagon": partial(_polygon, 8),
    "pentagon": partial(_polygon, 5),
    "rectangle": _rectangle,
    "sector": _sector,
    "triangle": partial(_polygon, 3),
}

if __name__ == "__main__":
    main()
