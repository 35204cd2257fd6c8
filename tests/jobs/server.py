"""An OpenAI-compatible server that does one job: as well as the prompt that it is given says."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.jobs.job import REVIEWER, TARGET, WRITER, Job, Json, Message, said
from tests.loopback import Behaviour, LoopbackServer, digest

ROLES = {
    **{TARGET: "target", WRITER: "optimizer", REVIEWER: "review"},
    # Those of the shipped experiments.
    **{"gpt-4.1-mini": "target", "gpt-4.1": "optimizer"},
}


def strings(value: object) -> Iterator[str]:
    """Every text within a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def serve(job: Job, delay: float = 0.0, optimizer_delay: float = 0.0) -> LoopbackServer:
    """The server of a job; roles are told apart by their models."""
    server = LoopbackServer(Behaviour(delay=delay, optimizer_delay=optimizer_delay))
    keys = {job.key(row): row for row in job.rows}
    assert len(keys) == len(job.rows), f"{job.title}: two rows share a key"

    def row_in(texts: list[str]) -> dict[str, object]:
        found = [key for key in keys if any(key in text for text in texts)]
        assert found, f"{job.title}: no row in {texts}"
        return dict(keys[max(found, key=len)])

    def says(body: Json) -> tuple[str, Message]:
        role, texts = ROLES[body["model"]], list(strings(body["messages"]))
        known = frozenset(i for i, rule in enumerate(job.rules) if any(rule in t for t in texts))
        if role == "optimizer":
            return role, said(written(job, known, digest(body)))
        if role == "review":
            assert job.judge is not None
            return role, said(job.judge(row_in(texts), texts[-1], known))
        # Demos stand before it.
        last = next(m for m in reversed(body["messages"]) if m["role"] == "user")
        row = row_in(list(strings(last["content"])))
        message = job.answer(row, known)
        if body.get("response_format") and message.get("content"):
            message = {**message, "content": constrained(body, str(message["content"]))}
        return role, message

    server.says = says
    return server


def constrained(body: Json, content: str) -> str:
    """`content` in the form of the request's schema, where that has one field for an answer."""
    schema = body["response_format"]["json_schema"]["schema"]
    fields = schema["properties"]
    name = next((name for name, found in fields.items() if "enum" in found), None)
    if name is None:
        return content
    return json.dumps(dict.fromkeys(fields, "Looking closely.") | {name: content})


def written(job: Job, known: frozenset[int], key: str) -> str:
    """The first prompt with the rules that were shown, and one more."""
    absent = [i for i in range(len(job.rules)) if i not in known]
    more = {absent[int(key[:8], 16) % len(absent)]} if absent else set()
    rules = " ".join(job.rules[i] for i in sorted(known | more))
    return f"Thoughts: what went wrong shows what is missing.\n\n[[{job.first_text} {rules}]]"
