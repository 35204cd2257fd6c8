"""The request of a candidate as its endpoint is sent it, with a placeholder for a row's input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.controls import for_terminal, json_text
from autoprompt_assets.engine.llm.request import Request
from autoprompt_assets.engine.llm.roles import Models

Fit = Callable[[Request], Request]
"""Puts a request into the form in which its endpoint takes it."""


def _how(chat: Chat, candidate: Candidate) -> str:
    earlier = set(chat.columns)
    names = chat.layout.placeholders()
    filled = [sign for name, sign in names.items() if name not in earlier]
    if len(filled) == 1:
        what = f"input for every {filled[0]}"
    else:
        what = f"values for every {', '.join(filled)}"
    turns = len(chat.parts(candidate.texts)[1])
    where = "the last message, and in no other" if turns == 1 else f"the last {turns} messages"
    said = "`request` is the body of the chat completion as it was sent."
    said += f" Put a row's {what} in {where}." if filled else ""
    for name in earlier:
        said += f" The message {names[name]} stands for those that the column {name} lists."
    return said


def request_template(models: Models, candidate: Candidate, fit: Fit) -> dict[str, Any]:
    """Messages (demos included), response format, model and sampling, in the order they are sent.

    Written as compact ASCII JSON with the last message filled, `request` has the bytes that the
    endpoint was sent about that row.
    """
    target, chat = models.target, models.chat
    messages = candidate.messages(chat.placeholders(), as_choice=target.is_choice, chat=chat)
    request = fit(target.request(messages, **candidate.fields(chat)))
    return {
        "how": _how(chat, candidate),
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
    if target.is_choice:
        choices = for_terminal(", ".join(target.spec.choices))
        left_out.append(f"a JSON schema that allows only {choices}")
    elif target.response_format is not None:
        left_out.append("the JSON schema of roles.target.response_format")
    if models.chat.tools:
        calls = ", ".join(tool["function"]["name"] for tool in models.chat.tools)
        left_out.append(f"the tools {calls}")
    text, said = replace(candidate, demos=demos).text(), "; ".join(left_out)
    return f"{text}\n\n---\nSent with: {said}.\nAs it was sent: best_request.json\n"


def _pictured(demo: Demo) -> Demo:
    return Demo(
        demo.inputs.mapped({name: for_terminal(one) for name, one in demo.inputs.items()}),
        for_terminal(demo.answer),
    )


def _plain(request: dict[str, Any]) -> list[tuple[str, Any]]:
    apart = ("response_format", "tools")
    return [(name, value) for name, value in request.items() if name not in apart]
