"""Tables of the benchmarks, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown that is aligned, so that it reads as text, too; the first column is words."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    texts = [
        " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    rule = " | ".join("-" * (w - 1) + (":" if i else "-") for i, w in enumerate(widths))
    body = "\n".join(f"| {text} |" for text in (texts[0], rule, *texts[1:]))
    return f"**{title}**\n\n{body}\n"
