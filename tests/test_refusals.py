"""What of a request's form a refusal is about, in the words of many servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autoprompt_assets.engine.llm import Misfit, RequestRefused, failures, request
from autoprompt_assets.resources.endpoints.replies import Reply
from tests.engine_support import asked
from tests.test_replies import READER

FIELDS: dict[str, Any] = {
    "top_p": 0.9,
    "seed": 1,
    "stop": ["."],
    "reasoning_effort": "minimal",
    "guided_x": 1,
}
REQUEST = asked("target").request(
    ({"role": "system", "content": "Be short."}, {"role": "user", "content": "Is it?"}), **FIELDS
)
NEWER = asked("target").request(REQUEST.messages, max_completion_tokens=5)
DEVELOPER = Misfit("system", "developer")
SYSTEM, RENAMED = Misfit("system"), Misfit("max_tokens", "max_completion_tokens")

KEPT = "what was answered is kept"


def refused(
    body: object, status: int = 400, request: request.Request = REQUEST
) -> failures.CallError:
    with pytest.raises(failures.CallError) as caught:
        READER.completion(
            Reply(status, {}, json.dumps(body).encode(), 0.1), request, asked("target"), 1
        )
    return caught.value


def openai(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def vllm(message: str) -> dict[str, Any]:
    return {
        "object": "error",
        "message": message,
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }


def pydantic(name: str, kind: str = "extra_forbidden") -> dict[str, Any]:
    said = "Extra inputs are not permitted" if kind == "extra_forbidden" else "Input should be less"
    return {"type": kind, "loc": ["body", name], "msg": said, "input": 1}


UNSUPPORTED, UNKNOWN = "unsupported_parameter", "unknown_parameter"
VALUE = "unsupported_value"
DEFAULT = "does not support 0 with this model. Only the default (1) value is supported."
ROLE = "'messages[0].role' does not support 'system' with this model."


@pytest.mark.parametrize(
    ("body", "misfit"),
    [
        (
            openai(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                UNSUPPORTED,
                "max_tokens",
            ),
            RENAMED,
        ),
        (
            openai(f"Unsupported value: 'temperature' {DEFAULT}", VALUE, "temperature"),
            Misfit("temperature"),
        ),
        (openai("Unsupported parameter: 'seed'", UNSUPPORTED, "seed"), Misfit("seed")),
        (
            openai("Unknown parameter: 'guided_x'.", "unknown_parameter", "guided_x"),
            Misfit("guided_x"),
        ),
        (openai("Unrecognized request argument supplied: guided_x"), Misfit("guided_x")),
        (openai("Unrecognized request arguments supplied: guided_x, seed"), Misfit("guided_x")),
        (openai("property 'seed' is unsupported, did you mean 'seeds'?"), Misfit("seed")),
        (openai("Argument not supported on this model: topP"), Misfit("top_p")),
        (openai("`temperature` is deprecated for this model."), Misfit("temperature")),
        (openai("invalid temperature: only 1 is allowed for this model"), Misfit("temperature")),
        (openai("gpt-5 does not support parameters: ['top_p']"), Misfit("top_p")),
        (openai("max_tokens: Extra inputs are not permitted"), RENAMED),
        ([openai('Unknown name "seed": Cannot find field.')], Misfit("seed")),
        ({"detail": [pydantic("seed")]}, Misfit("seed")),
        ({"object": "error", "message": {"detail": [pydantic("top_p")]}}, Misfit("top_p")),
        (vllm(str([{**pydantic("guided_x"), "loc": ("body", "guided_x")}])), Misfit("guided_x")),
        (openai(f"Unsupported value: {ROLE}", VALUE, "messages[0].role"), SYSTEM),
        (
            openai(
                f"Unsupported value: {ROLE} Supported values are: 'user', 'assistant' and "
                "'developer'.",
                VALUE,
                "messages[0].role",
            ),
            DEVELOPER,
        ),
        (vllm("System role not supported None"), SYSTEM),
        (vllm("Conversation roles must alternate user/assistant/user/assistant/..."), SYSTEM),
        (vllm("After the optional system message, conversation roles must alternate"), SYSTEM),
        ([openai("Developer instruction is not enabled for models/gemma-3-27b-it")], SYSTEM),
        (openai("This model does not support system messages."), SYSTEM),
        (vllm("Only user and assistant roles are supported!"), SYSTEM),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_field_or_turn_that_is_refused_is_named(
    body: object, misfit: Misfit, status: int
) -> None:
    error = refused(body, status)
    assert isinstance(error, RequestRefused)
    assert error.misfit == misfit


@pytest.mark.parametrize(
    "body",
    [
        openai("max_tokens is too large: 32000. This model supports 16384.", None, "max_tokens"),
        vllm(
            "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum "
            "context length is 4096 tokens and your request has 20 input tokens"
        ),
        openai("Invalid value: 'hgih'. Supported values: 'low'.", "invalid", "reasoning_effort"),
        # Others are offered: which one is meant is for the user to say.
        openai(
            "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. "
            "Supported values are: 'low', 'medium', and 'high'.",
            VALUE,
            "reasoning_effort",
        ),
        openai("Unsupported parameter: 'response_format'", UNSUPPORTED, "response_format"),
        openai("Unsupported parameter: 'stream'", UNSUPPORTED, "stream"),
        openai("temperature 1.5 is not supported: it must be between 0 and 1", None, "temperature"),
        {"detail": [pydantic("temperature", "less_than_equal")]},
        openai("'temperature' and 'top_p' cannot both be given"),
        openai("'messages.0' : property 'name' is unsupported"),
        openai("The model is not supported"),
    ],
)
def test_what_cannot_be_left_out_or_is_for_the_user_to_choose_stays_refused(body: object) -> None:
    error = refused(body)
    assert isinstance(error, RequestRefused)
    assert error.misfit is None


def test_the_reverse_is_learned_from_a_server_that_wants_the_older_name() -> None:
    error = refused(openai("Unrecognized request argument: max_completion_tokens"), 400, NEWER)
    assert isinstance(error, RequestRefused)
    assert error.misfit == Misfit("max_completion_tokens", "max_tokens")


@pytest.mark.parametrize(
    "message",
    ["Jinja Exception: System role not supported", "Template error: System role not supported"],
)
def test_a_chat_template_that_fails_with_500_is_a_refusal(message: str) -> None:
    error = refused({"error": {"code": 500, "message": message, "type": "server_error"}}, 500)
    assert isinstance(error, RequestRefused)
    assert error.misfit == SYSTEM


def test_a_refusal_says_its_reasons() -> None:
    error = refused(openai("Unsupported parameter: 'stream'", UNSUPPORTED, "stream"), 422)
    assert isinstance(error, RequestRefused)
    assert error.reason == (422, UNSUPPORTED, "stream")


QUOTA = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [
        {"quotaMetric": "g.com/" + "x" * 600, "quotaId": "GenerateContentInputTokensPerMinute"},
        {"quotaMetric": "g.com/y", "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"},
    ],
}


@pytest.mark.parametrize("listed", [True, False])
def test_a_quota_of_the_day_is_used_up_and_one_of_the_minute_is_not(listed: bool) -> None:
    minute = {**QUOTA, "violations": QUOTA["violations"][:1]}
    for details, kind in ((QUOTA, failures.QuotaExhausted), (minute, failures.RateLimited)):
        error = {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [details],
        }
        assert type(refused([{"error": error}] if listed else {"error": error}, 429)) is kind


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Country, region, or territory not supported", "unsupported_country_region_territory"),
        ("Key limit exceeded (total limit). Manage it at http://x/keys", None),
        (
            "You have insufficient permissions for this operation. Missing scopes: model.request. "
            "If you use a restricted API key, check that it has the necessary scopes.",
            None,
        ),
        ("Your IP address is not on the allowlist for this API key: not valid here", None),
    ],
)
def test_a_403_that_is_not_about_the_key_says_what_the_server_said(
    message: str, code: str | None
) -> None:
    error = refused(openai(message, code), 403)
    assert isinstance(error, failures.Forbidden)
    assert error.fatal
    assert str(error) == f"mine: HTTP 403: {message}; {KEPT}"


def test_a_key_that_is_quoted_in_part_is_masked() -> None:
    error = refused(openai("The key sk-te***********cdef has no permission"), 403)
    assert str(error) == f"mine: HTTP 403: The key *** has no permission; {KEPT}"
