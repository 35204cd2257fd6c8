"""Reads YAML within limits: every fault of the text is one line that says where and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from autoprompt_assets.engine.errors import InputError

MOST_CHARACTERS, MOST_NODES = 1_000_000, 100_000


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice: the first value would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a file holds.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; see `autoprompt list`") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the YAML file in it") from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "no such path can be"
        raise InputError(f"{path}: cannot be read ({problem}); mend its path or rights") from None
    data = parse_yaml(text, f"{path}:")
    if data is None:
        raise InputError(f"{path}: is empty; write an experiment, see README.md")
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {shown(data)}; write `key: value` lines, see README.md")
    return data


def parse_yaml(text: str, source: str) -> Any:
    """What `text` holds; `source` names it in errors.

    Raises:
        InputError: it is no YAML, or more than may be.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"{source} has {len(text):,} characters and may have {MOST_CHARACTERS:,}; rows belong "
            "into the dataset's file"
        )
    try:
        # Whoever asks may change what it is given.
        return deepcopy(_constructed(text))
    except _TooManyValues:
        problem = f"its aliases stand for more than {MOST_NODES:,} values; write out what is meant"
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        problem = f"line {line} holds an unprintable character; delete it"
    except yaml.YAMLError as error:
        problem = _yaml_problem(error)
    except ValueError:
        problem = "holds a date or number that cannot be; put it in quotes, or mend it"
    except RecursionError:
        problem = "is nested too deeply; write it flatter"
    raise InputError(f"{source} {problem}")


class _TooManyValues(Exception):
    """Aliases stand for more than `MOST_NODES` values."""


@lru_cache(maxsize=32)
def _constructed(text: str) -> Any:
    """What `text` holds: one run reads its experiment's file some twenty times."""
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is not None and _expanded(node, {}) > MOST_NODES:
        raise _TooManyValues
    return loader.construct_document(node) if node is not None else None


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values `node` stands for with every alias written out; counted once each."""
    if id(node) not in known:
        known[id(node)] = 1  # an alias of what it stands in is refused when the spec is read
        inner: Iterable[yaml.Node] = ()
        if isinstance(node, yaml.MappingNode):
            inner = (one for pair in node.value for one in pair)
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        known[id(node)] = 1 + sum(_expanded(one, known) for one in inner)
    return known[id(node)]


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = " ".join((getattr(error, "problem", None) or "is no YAML").split())
    if "'\\t'" in problem:
        return f"{where}a tab; indent with spaces"
    if problem.endswith("keep one"):
        return f"{where}{problem}"
    return f"{where}{problem}; mend the YAML there"


def shown(value: object, limit: int = 80) -> str:
    """`value` as YAML would hold it, on one line, cut at `limit` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = "a value that holds itself"
    text = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
