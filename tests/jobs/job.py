"""One job: its folder, and a model whose answers depend on what the prompt says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from tests.support import ROOT

PAGE = ROOT / "autoprompt_assets" / "docs" / "jobs.md"
TARGET, WRITER, REVIEWER = "gpt-6-luna", "gpt-6.1-terra", "gpt-6-sol"

Row = Mapping[str, Any]
Json = dict[str, Any]
Message = Json
"""An assistant's message: its `content`, or its `tool_calls`."""


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


@dataclass(frozen=True)
class Job:
    """A section of the page, its rows, and how the models of the job answer.

    `rules` are sentences that a writer adds to the prompt one after another; `answer` gives the
    target model's message for a row, told which rules stand in the prompt. `key` is what a request
    holds of one row alone. `judge` gives the review model's text for an answer.
    """

    title: str
    rows: Sequence[Row]
    rules: tuple[str, ...]
    key: Callable[[Row], str]
    answer: Callable[[Row, frozenset[int]], Message]
    files: Mapping[str, bytes] = field(default_factory=dict)
    judge: Callable[[Row, str, frozenset[int]], str] | None = None

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "-", self.title.lower().replace("'", ""))

    @property
    def spec(self) -> str:
        return section(self.title)["experiment.yaml"]

    @property
    def first_text(self) -> str:
        """The text that a search tunes, as it stands in the file."""
        target = yaml.safe_load(self.spec)["roles"]["target"]
        turns = target.get("messages") or []
        system = next((turn["system"] for turn in turns if "system" in turn), "")
        return str(target.get("prompt") or system).strip()

    def folder(self) -> dict[str, bytes]:
        """Every file of the experiment by its name."""
        path = yaml.safe_load(self.spec)["dataset"]["path"]
        files = {name: text.encode() for name, text in section(self.title).items()}
        return {**files, path: table(self.rows, path), **self.files}


@cache
def section(title: str) -> dict[str, str]:
    """The files that the page shows under a heading, by name."""
    page = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    blocks = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return dict(blocks)


def figures() -> dict[str, tuple[float, float, str]]:
    """Of each job by the name in its link: first and best test score, and the verdict."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"\(#([\w-]+)\) \|.*\| ([\d.]+) → ([\d.]+) \| (\w+) \|", page)
    return {name: (float(first), float(best), verdict) for name, first, best, verdict in found}


def titles() -> list[str]:
    """The headings of the page, in its order."""
    return re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def table(rows: Sequence[Row], path: str) -> bytes:
    """Rows as JSON lines, or as a CSV file."""
    if path.endswith(".jsonl"):
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
