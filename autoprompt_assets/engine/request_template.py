"""The request of a candidate as its endpoint is sent it, with a placeholder for a row's input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from autoprompt_assets.engine.asked import Models
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.llm import Request

Fit = Callable[[Request], Request]
"""Puts a request into the form in which its endpoint takes it."""
PLACEHOLDER = "{input}"
HOW = (
    f"`request` is the body of the chat completion as it was sent. Put a row's input for every "
    f"{PLACEHOLDER} in the last message, and in no other."
)


def request_template(models: Models, candidate: Candidate, fit: Fit) -> dict[str, Any]:
    """Messages (demos included), response format, model and sampling, in the order they are sent.

    Written as compact ASCII JSON with the last message filled, `request` has the bytes that the
    endpoint was sent about that row.
    """
    target, columns = models.target, models.columns
    is_choice = target.response_format is not None
    messages = candidate.messages(PLACEHOLDER, as_choice=is_choice, columns=columns)
    request = fit(target.request(messages, **candidate.parameters))
    return {"how": HOW, "endpoint": target.endpoint, "request": json.loads(request.payload)}


def prompt_text(models: Models, candidate: Candidate, fit: Fit) -> str:
    """The prompt for a person, and after it what its text alone does not say."""
    target, request = models.target, request_template(models, candidate, fit)["request"]
    del request["messages"]
    left_out = [
        f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in _plain(request)
    ]
    if candidate.demos:
        left_out.append(f"the {len(candidate.demos)} demos as turns of their own")
    if target.response_format is not None and target.spec.choices:
        left_out.append("a JSON schema that allows only " + ", ".join(target.spec.choices))
    said = "; ".join(left_out)
    return f"{candidate.text()}\n\n---\nSent with: {said}.\nAs it was sent: best_request.json\n"


def _plain(request: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in request.items() if name != "response_format"]
