"""The request of a candidate as its endpoint is sent it, with a placeholder for a row's input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.controls import for_terminal, json_text
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.llm.request import Request
from autoprompt_assets.engine.llm.roles import Models

Fit = Callable[[Request], Request]
"""Puts a request into the form in which its endpoint takes it."""


def _how(layout: Layout) -> str:
    names = layout.placeholders().values()
    if len(names) == 1:
        what = f"input for every {next(iter(names))}"
    else:
        what = f"values for every {', '.join(names)}"
    return (
        f"`request` is the body of the chat completion as it was sent. Put a row's {what} in the "
        "last message, and in no other."
    )


def request_template(models: Models, candidate: Candidate, fit: Fit) -> dict[str, Any]:
    """Messages (demos included), response format, model and sampling, in the order they are sent.

    Written as compact ASCII JSON with the last message filled, `request` has the bytes that the
    endpoint was sent about that row.
    """
    target, layout = models.target, models.layout
    is_choice = target.response_format is not None
    inputs = layout.placeholders()
    messages = candidate.messages(inputs, as_choice=is_choice, layout=layout)
    request = fit(target.request(messages, **candidate.parameters))
    return {
        "how": _how(layout),
        "endpoint": target.endpoint,
        "request": json.loads(request.payload),
    }


def prompt_text(models: Models, candidate: Candidate, fit: Fit) -> str:
    """The prompt for a person, and after it what its text alone does not say."""
    target, request = models.target, request_template(models, candidate, fit)["request"]
    del request["messages"]
    left_out = [f"{name} {json_text(value)}" for name, value in _plain(request)]
    if candidate.demos:
        left_out.append(f"the {len(candidate.demos)} demos as turns of their own")
    # No instruction holds what a terminal obeys; a demo may, as its row does.
    demos = tuple(map(_pictured, candidate.demos))
    if demos != candidate.demos:
        left_out.append("the control characters of the demos, of which pictures stand above")
    if target.response_format is not None and target.spec.choices:
        choices = for_terminal(", ".join(target.spec.choices))
        left_out.append(f"a JSON schema that allows only {choices}")
    text, said = replace(candidate, demos=demos).text(), "; ".join(left_out)
    return f"{text}\n\n---\nSent with: {said}.\nAs it was sent: best_request.json\n"


def _pictured(demo: Demo) -> Demo:
    return Demo(
        demo.inputs.mapped({name: for_terminal(one) for name, one in demo.inputs.items()}),
        for_terminal(demo.answer),
    )


def _plain(request: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in request.items() if name != "response_format"]
