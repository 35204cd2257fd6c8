"""Stored rows as Arrow batches, and what checks, reports and data frames read of them alike.

Nothing here holds more than some thousand rows: a frame gathers what it wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from upath import UPath

from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.resources.storage.files import damaged

if TYPE_CHECKING:
    import pyarrow as pa

    from autoprompt_assets.resources.storage.evaluations import EvaluationFiles

SIDES = ("baseline", "best")


def merge_rows(
    first: Iterable[pa.RecordBatch], second: Iterable[pa.RecordBatch], path: UPath
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Two files' batches side by side, each pair of the same rows; both have the column `id`.

    Raises:
        InputError: the second file, which stands at `path`, holds other rows than the first.
    """
    others = iter(second)
    for batch in first:
        other = next(others, None)
        if other is None or not other.column("id").equals(batch.column("id")):
            raise damaged(path)
        yield batch, other
    if next(others, None) is not None:
        raise damaged(path)


def compare_rows(
    before: EvaluationFiles, after: EvaluationFiles, shared: Sequence[str], own: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Two evaluations of the same rows, some thousand rows at a time.

    The columns: `id`, those of `shared`, which both have alike, and each of `own` as `baseline_…`
    and `best_…`.

    Raises:
        InputError: a file is missing or damaged.
    """
    import pyarrow as pa

    names = ["id", *shared, *(f"{side}_{name}" for name in own for side in SIDES)]
    both = merge_rows(before.batches("id", *shared, *own), after.batches("id", *own), after.rows)
    for first, second in both:
        columns = [first.column(name) for name in ("id", *shared)]
        columns += [one.column(name) for name in own for one in (first, second)]
        yield pa.record_batch(columns, names=names)


def winners(batch: pa.RecordBatch) -> pa.Array:
    """Which side did better: "baseline", "best" or "neither"; of `compare_rows` with the values.

    Null where either is unmeasured: the comparison leaves such a row out.
    """
    import pyarrow.compute as pc

    before, after = batch.column("baseline_value"), batch.column("best_value")
    unequal = pc.if_else(pc.greater(after, before), "best", "baseline")
    return pc.if_else(pc.equal(after, before), "neither", unequal)


def disagreements(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows on which one side did better than the other; of `compare_rows` with the values."""
    import pyarrow.compute as pc

    return batch.filter(pc.not_equal(batch.column("baseline_value"), batch.column("best_value")))


def graded_answers(texts: pa.Array, choices: Sequence[str]) -> pa.Array:
    """Replies as they are graded: the choice that each names, or the text where it names none."""
    import pyarrow as pa

    if not choices:
        return texts
    encoded = texts.dictionary_encode()
    known = tuple(choices)
    read = [read_choice(text, known) or text for text in encoded.dictionary.to_pylist()]
    return pa.array(read, pa.string()).take(encoded.indices)
