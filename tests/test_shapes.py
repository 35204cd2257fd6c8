"""The generated geometric-shape questions: their form, their geometry, their repeatability."""

import csv
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from autoprompt_assets.experiments import shapes

SHIPPED = Path(shapes.__file__).parent / "geometric-shapes" / "shapes.csv"
CORNERS = {
    "triangle": 3,
    "kite": 4,
    "rectangle": 4,
    "pentagon": 5,
    "hexagon": 6,
    "heptagon": 7,
    "octagon": 8,
}
NUMBER = r"\d{1,3}\.\d\d"
PAIR = rf"{NUMBER},{NUMBER}"
ARC = rf"A {PAIR} {NUMBER}"
OUTLINES = {
    "circle": rf"M {PAIR} {ARC} 1,0 {PAIR} {ARC} 1,0 {PAIR}",
    "line": rf"M {PAIR} L {PAIR}",
    "sector": rf"M {PAIR} L {PAIR} (M {PAIR} )?{ARC} 0,1 {PAIR} L {PAIR}",
}
OPTIONS = "".join(
    f"\n({letter}) {shape}" for letter, shape in zip("ABCDEFGHIJ", shapes.SHAPES, strict=True)
)

Point = tuple[float, float]


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        return [(row["input"], row["target"]) for row in csv.DictReader(file)]


def path_of(text: str) -> str:
    found = re.search(r'd="([^"]*)"', text)
    assert found
    return found[1]


def shape_of(target: str) -> str:
    return shapes.SHAPES["ABCDEFGHIJ".index(target[1])]


def paths(rows: list[tuple[str, str]], shape: str) -> list[str]:
    return [path_of(text) for text, target in rows if shape_of(target) == shape]


def numbers(path: str) -> list[Point]:
    return [(float(x), float(y)) for x, y in re.findall(rf"({NUMBER}),({NUMBER})", path)]


def corners(path: str) -> list[Point]:
    """Where the pen goes; a pen lift must set the pen down where it already is."""
    points: list[Point] = []
    for command, pair in re.findall(rf"([ML]) ({PAIR})", path):
        point = numbers(pair)[0]
        if command == "M" and points:
            assert point == points[-1]
        else:
            points.append(point)
    assert points[0] == points[-1]
    return points[:-1]


def sides(points: list[Point]) -> list[Point]:
    following = points[1:] + points[:1]
    return [(b[0] - a[0], b[1] - a[1]) for a, b in zip(points, following, strict=True)]


def sine(u: Point, v: Point) -> float:
    return (u[0] * v[1] - u[1] * v[0]) / math.hypot(*u) / math.hypot(*v)


def crossing(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> bool:
        return (q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


def test_regenerating_gives_the_shipped_file(tmp_path: Path) -> None:
    again = tmp_path / "again.csv"
    shapes.main([str(again), "--rows", "400", "--seed", "20240"])
    assert again.read_bytes() == SHIPPED.read_bytes()
    assert b"\r" not in again.read_bytes()


def test_rows_are_unique_and_balanced(rows: list[tuple[str, str]]) -> None:
    assert len({text for text, _ in rows}) == len(rows) == 400
    assert Counter(shape_of(target) for _, target in rows) == dict.fromkeys(shapes.SHAPES, 40)


def test_a_row_count_off_the_tens_stays_nearly_balanced() -> None:
    counts = Counter(target for _, target in shapes.generate(23, seed=1))
    assert len(counts) == 10
    assert max(counts.values()) - min(counts.values()) == 1


def test_another_seed_gives_other_rows(rows: list[tuple[str, str]]) -> None:
    assert not set(rows) & set(shapes.generate(100, seed=7))


def test_form_is_that_of_the_benchmark(rows: list[tuple[str, str]]) -> None:
    polygon = rf"M {PAIR}( L {PAIR}( M {PAIR})?)+ L {PAIR}"
    for text, target in rows:
        outline = OUTLINES.get(shape_of(target), polygon)
        head = rf'This SVG path element <path d="{outline}"/> draws a\nOptions:'
        assert re.fullmatch(head + re.escape(OPTIONS), text), text


def test_both_number_styles_and_pen_lifts_occur(rows: list[tuple[str, str]]) -> None:
    for shape in CORNERS:
        drawn = paths(rows, shape)
        whole = [path for path in drawn if not re.search(r"\.(?!00)", path)]
        assert 0 < len(whole) < len(drawn)
        assert all(path.count("M") == 1 for path in whole)
        assert any(path.count("M") > 1 for path in drawn)


@pytest.mark.parametrize("shape", CORNERS)
def test_polygons_are_simple_with_the_named_number_of_corners(
    rows: list[tuple[str, str]], shape: str
) -> None:
    for path in paths(rows, shape):
        points = corners(path)
        count = len(points)
        assert count == len(set(points)) == CORNERS[shape]
        edges = sides(points)
        assert all(abs(sine(edges[i - 1], edges[i])) > 0.09 for i in range(count)), path
        ring = [(points[i], points[(i + 1) % count]) for i in range(count)]
        for i in range(count):
            for j in range(i + 2, count):
                if (j + 1) % count != i:
                    assert not crossing(*ring[i], *ring[j]), path


def test_rectangles_have_right_angles_and_are_no_squares(rows: list[tuple[str, str]]) -> None:
    for path in paths(rows, "rectangle"):
        edges = sides(corners(path))
        assert all(abs(sine(edges[i - 1], edges[i])) > 0.99999 for i in range(4)), path
        assert abs(math.hypot(*edges[0]) - math.hypot(*edges[1])) > 2.9, path


def test_kites_have_two_unequal_pairs_of_adjacent_equal_sides(
    rows: list[tuple[str, str]],
) -> None:
    for path in paths(rows, "kite"):
        edges = sides(corners(path))
        lengths = [math.hypot(*edge) for edge in edges]
        if abs(lengths[0] - lengths[1]) > 0.03:
            lengths = lengths[1:] + lengths[:1]
        assert lengths[0] == pytest.approx(lengths[1], abs=0.03), path
        assert lengths[2] == pytest.approx(lengths[3], abs=0.03), path
        assert abs(lengths[0] - lengths[2]) > 1.9, path
        assert len({sine(edges[i - 1], edges[i]) > 0 for i in range(4)}) == 1, path


def test_lines_have_two_distinct_ends(rows: list[tuple[str, str]]) -> None:
    assert all(math.dist(*numbers(path)) > 2.9 for path in paths(rows, "line"))


def test_circles_close_over_a_diameter(rows: list[tuple[str, str]]) -> None:
    for path in paths(rows, "circle"):
        start, (rx, ry), middle, (rx2, ry2), end = numbers(path)
        assert start == end
        assert rx == ry == rx2 == ry2
        assert math.dist(start, middle) == pytest.approx(2 * rx, abs=0.02), path


def test_sectors_have_a_minor_clockwise_arc_about_their_first_point(
    rows: list[tuple[str, str]],
) -> None:
    for path in paths(rows, "sector"):
        points = numbers(path)
        centre, start, (rx, ry), end, last = points[0], points[1], *points[-3:]
        assert last == centre
        assert rx == ry
        out, back = ((p[0] - centre[0], p[1] - centre[1]) for p in (start, end))
        assert math.hypot(*out) == pytest.approx(rx, abs=0.02)
        assert math.hypot(*back) == pytest.approx(rx, abs=0.02)
        assert sine(out, back) > 0.3, path
