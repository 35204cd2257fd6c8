"""A table of tickets with several columns, nested values among them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoprompt_assets.engine.dataset import DatasetSpec

TICKETS: list[dict[str, object]] = [
    {
        "ticket": f"T{n}",
        "customer": f"c{n % 40}",
        "lang": ("en", "de")[n % 2],
        "subject": f"Subject {n}",
        "body": f"Body {n}, {{subject}}",
        "meta": {"tier": ("gold", "free")[n % 2], "age": n, "score": 1.50},
        "label": ("billing", "shipping")[n % 2],
    }
    for n in range(200)
]
BOTH: Mapping[str, object] = {"inputs": ["subject", "body", "meta.tier"], "target": "label"}


def written(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "t.jsonl") -> str:
    if name.endswith(".jsonl"):
        text = "\n".join(map(json.dumps, rows)).replace('"score": 1.5}', '"score": 1.50}')
    else:
        cells = [
            {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
            for row in rows
        ]
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(cells)
        text = file.getvalue()
    (folder / name).write_text(text, encoding="utf-8")
    return name


def spec(path: str, **settings: object) -> DatasetSpec:
    return DatasetSpec.model_validate({"path": path, **BOTH, **settings})
