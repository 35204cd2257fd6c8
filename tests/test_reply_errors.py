"""Which error a reply is, whatever its status says: bodies of OpenAI, gateways and providers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autoprompt_assets.engine.llm import Completion, failures
from autoprompt_assets.resources.endpoints.replies import Reply
from tests.support import KEY
from tests.test_replies import QUESTION, READER, TARGET

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def read(body: object, status: int = 200) -> Completion:
    text = body if isinstance(body, str) else json.dumps(body)
    return READER.completion(Reply(status, {}, text.encode(), 0.1), QUESTION, TARGET, 1)


def answered(content: object, finish: str | None = "stop", **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}],
        "usage": USAGE,
    }


def failed(**error: Any) -> dict[str, Any]:
    return {"error": error}


NO_AUTH = "No auth credentials found"
FLAGGED = "Your chosen model requires moderation and your input was flagged"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            answered(None) | failed(message="Provider returned error", code=429),
            failures.RateLimited,
        ),
        (
            answered("a") | failed(message="Provider returned error", code="502"),
            failures.ServerFailed,
        ),
        (answered("") | failed(message="upstream"), failures.ServerFailed),
        (answered(None) | {"error": "upstream"}, failures.ServerFailed),
        (answered(None, error={"message": "upstream", "code": 503}), failures.ServerFailed),
        (answered(None, error={"message": "slow down", "code": 429}), failures.RateLimited),
        (failed(message=NO_AUTH, code=401), failures.AuthenticationFailed),
        (failed(message="Incorrect API key provided", code=None), failures.AuthenticationFailed),
        (failed(message="no", code="invalid_api_key"), failures.AuthenticationFailed),
        (failed(message="no", type="authentication_error"), failures.AuthenticationFailed),
        (failed(message="Rate limit exceeded", code=429), failures.RateLimited),
        (failed(message="Rate limit exceeded"), failures.RateLimited),
        (failed(message="no", type="rate_limit_error"), failures.RateLimited),
        (failed(message="no", status="RESOURCE_EXHAUSTED"), failures.RateLimited),
        (failed(message="no", code="insufficient_quota", type="requests"), failures.QuotaExhausted),
        (failed(message="Insufficient credits", code=402), failures.QuotaExhausted),
        (failed(message="no such model", code="model_not_found"), failures.ModelNotFound),
        (failed(message="overloaded", type="overloaded_error"), failures.ServerFailed),
        (failed(message="no", code="content_filter"), failures.ContentFiltered),
        (failed(message=FLAGGED, code=403), failures.ContentFiltered),
        (failed(message="no", code="context_length_exceeded", type="x"), failures.ContextTooLong),
        (failed(message="context_length_exceeded", code=400), failures.ContextTooLong),
        (failed(message="no", code=400), failures.RequestRefused),
        ({"object": "error", "message": "no", "type": "BadRequestError"}, failures.RequestRefused),
        ({"errors": [{"message": "upstream"}]}, failures.ServerFailed),
        (answered("half") | {"errors": [{"message": "upstream"}]}, failures.ServerFailed),
        (answered("I") | {"code": 500, "message": "Internal error"}, failures.ServerFailed),
        (answered("I") | {"code": "429", "message": "slow down"}, failures.RateLimited),
        (answered("I") | {"status": "error"}, failures.ServerFailed),
        (answered("I") | {"success": False}, failures.ServerFailed),
        (answered("I") | {"base_resp": {"status_code": 1002}}, failures.ServerFailed),
        (answered("I") | failed(reason="overloaded"), failures.ServerFailed),
        (answered("I") | failed(odd=7), failures.ServerFailed),
        (answered([{"type": "error", "text": "down"}]), failures.ServerFailed),
        ([failed(message="slow down", code=429)], failures.RateLimited),
    ],
)
def test_an_error_within_200_is_the_error_that_it_says(
    body: object, error: type[failures.CallError]
) -> None:
    with pytest.raises(failures.CallError) as caught:
        read(body)
    assert type(caught.value) is error
    assert "HTTP 200" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "finish"),
    [
        *(("half an", "error"), ("half an", "abort"), ("half", "failed"), ("half", "OTHER")),
        *((None, "insufficient_system_resource"), ("half", "network_error")),
        ("half", "MALFORMED_FUNCTION_CALL"),
    ],
)
def test_an_end_that_is_none_of_an_answer_s_leaves_none(content: str | None, finish: str) -> None:
    with pytest.raises(
        failures.MalformedResponse, match=f"mine: the answer ended with .* {finish}$"
    ):
        read(answered(content, finish))
    with pytest.raises(
        failures.MalformedResponse, match="the answer ended with native_finish_reason e"
    ):
        read(answered(content, native_finish_reason="error"))


@pytest.mark.parametrize("nothing", [None, "", {}, [], False, 0, {"message": None, "code": None}])
def test_an_answer_beside_no_error_is_an_answer(nothing: object) -> None:
    assert read(answered("a", error=nothing) | {"error": nothing}).text == "a"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, failed(message=FLAGGED, code=403), failures.ContentFiltered),
        (400, failed(message="x", code="content_filter"), failures.ContentFiltered),
        (422, failed(message="blocked by our content policy"), failures.ContentFiltered),
        (451, failed(message="flagged by moderation"), failures.ContentFiltered),
        (
            400,
            failed(message="x", innererror={"code": "ResponsibleAIPolicy"}),
            failures.ContentFiltered,
        ),
        (
            400,
            [failed(message="API key not valid. Pass one.", code=400)],
            failures.AuthenticationFailed,
        ),
        (401, failed(message="no"), failures.AuthenticationFailed),
        (403, failed(message="no"), failures.Forbidden),
        (403, failed(message="Incorrect API key provided"), failures.AuthenticationFailed),
        (400, failed(message="prompt is too long: 9 tokens > 8 maximum"), failures.ContextTooLong),
        (400, failed(message="x", code="context_length_exceeded"), failures.ContextTooLong),
        (413, {"message": "Payload Too Large"}, failures.ContextTooLong),
        (422, {"detail": "this model's maximum context length is 8"}, failures.ContextTooLong),
        (400, failed(message="Unsupported parameter: top_k"), failures.RequestRefused),
        (400, failed(message="Invalid value for api_version"), failures.RequestRefused),
        (429, failed(message="x", code="insufficient_quota"), failures.QuotaExhausted),
        (429, failed(message="flagged by moderation"), failures.RateLimited),
        (429, failed(message="Rate limit exceeded: free-models-per-day"), failures.QuotaExhausted),
        (
            429,
            failed(message="reached on requests per day (RPD): Limit 200"),
            failures.QuotaExhausted,
        ),
        (429, failed(message="You may ask 10 times per minute, 99 per day"), failures.RateLimited),
        (429, failed(message="reached on tokens per min (TPM): Limit 200"), failures.RateLimited),
        (529, "<html>busy</html>", failures.ServerFailed),
        (307, "", failures.RequestRefused),
    ],
)
def test_a_status_and_its_body_give_one_error(
    status: int, body: object, error: type[failures.CallError]
) -> None:
    with pytest.raises(failures.CallError) as caught:
        read(body, status)
    assert type(caught.value) is error


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([THINKING, {"type": "text", "text": "Paris"}], "Paris", "hm"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}], "a", "hm"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "a"}], "a", "hm"),
        ([{"type": "text", "text": "Par"}, {"type": "text", "text": "is"}], "Paris", None),
        (["Par", "is"], "Paris", None),
        ([{"type": "text", "text": {"value": "Paris"}}], "Paris", None),
        ([{"type": "reasoning.text", "text": "hm"}, {"type": "text", "text": "a"}], "a", "hm"),
        ([THINKING], "", "hm"),
        ([], "", None),
        ("<think>hm</think>\n\nParis", "Paris", "<think>hm</think>"),
        ("<think>hm", "", "<think>hm"),
        ("hm\n</think>Paris", "Paris", "hm\n</think>"),
        ("a\0b", "a\ufffdb", None),
    ],
)
def test_reasoning_in_the_content_is_no_answer(
    content: object, text: str, reasoning: str | None
) -> None:
    completion = read(answered(content))
    assert (completion.text, completion.reasoning) == (text, reasoning)
    assert json.loads(completion.message)["content"] == content


def test_a_refusal_may_be_a_part() -> None:
    assert read(answered([{"type": "refusal", "refusal": "I can't"}])).refusal == "I can't"


@pytest.mark.parametrize("part", [5, None, ["a"]])
def test_a_content_of_no_known_form_is_malformed(part: object) -> None:
    for content in ([part], {"text": "a"}, 7):
        with pytest.raises(failures.MalformedResponse):
            read(answered(content))


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"content": "Let me see.", "tool_calls": [{"id": "a"}]},
        {"content": None, "function_call": {"name": "f"}},
        {"content": [{"type": "tool_use", "name": "f"}]},
    ],
)
@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_tool_calls_end_the_run_and_are_no_answer(message: dict[str, Any], finish: str) -> None:
    """Not journaled, or a run that is tried again would end at the same answer."""
    with pytest.raises(failures.ToolsCalled, match="tool calls and was given no tools"):
        read({"choices": [{"message": message, "finish_reason": finish}]})


@pytest.mark.parametrize("finish", ["tool_calls", "function_call", "tool_use"])
def test_a_call_of_tools_may_be_told_by_its_end_alone(finish: str) -> None:
    with pytest.raises(failures.ToolsCalled):
        read(answered(None, finish))


def test_no_tool_calls_are_none() -> None:
    message: dict[str, Any] = {"content": "a", "tool_calls": [], "function_call": None}
    assert not read({"choices": [{"message": message}]}).calls_tools


@pytest.mark.parametrize("finish", ["length", "MAX_TOKENS", "max_tokens", "model_length"])
def test_a_limit_of_tokens_has_many_names(finish: str) -> None:
    assert read(answered("It is probably", finish)).cut_off
    assert read(answered("", finish)).cut_off


def test_an_older_servers_end_is_read() -> None:
    assert read(answered("half", None, finish_details={"type": "max_tokens"})).cut_off
    assert read(answered("half", None, stop_reason="length")).cut_off
    assert not read(answered("a", "stop", stop_reason="length")).cut_off


@pytest.mark.parametrize("body", [{"code": 0}, {"code": 200, "message": "ok"}, {"status": "ok"}])
def test_a_body_that_says_it_went_well_holds_an_answer(body: dict[str, Any]) -> None:
    assert read(answered("a", native_finish_reason="STOP") | body | {"success": True}).text == "a"


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY", "RECITATION", "refusal"])
def test_a_filter_has_many_names(finish: str) -> None:
    assert read(answered("It is", finish)).filtered


@pytest.mark.parametrize("finish", [None, "", "stop", "STOP", "end_turn", "eos"])
def test_any_other_end_is_an_end(finish: str | None) -> None:
    completion = read(answered("a", finish))
    assert not completion.cut_off
    assert not completion.filtered


@pytest.mark.parametrize("before", ["\n\n  ", "\ufeff"])
def test_what_stands_before_the_body_is_passed_over(before: str) -> None:
    assert read(before + json.dumps(answered("Paris"))).text == "Paris"


def test_a_key_that_is_quoted_is_masked_wherever_it_stands() -> None:
    body = answered(f"key {KEY}", error=None)
    body["choices"][0]["message"] |= {"refusal": KEY, "audio": [KEY]}
    body["usage"] = {"note": KEY}
    assert KEY not in repr(read(body))
    with pytest.raises(failures.MalformedResponse) as ended:
        read(answered("a", f"stop {KEY}"))
    assert KEY not in str(ended.value)
    for status in (200, 400, 500):
        for pad in range(250, 420, 7):
            with pytest.raises(failures.CallError) as caught:
                read(failed(message="x" * pad + KEY), status)
            assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize("pad", range(20, 310, 3))
def test_a_key_is_masked_before_an_error_is_cut(pad: int) -> None:
    quoted = "x" * pad + KEY
    for body in (
        answered("a", quoted),
        answered("a", native_finish_reason=f"error {quoted}"),
        answered([{"type": "error", "text": quoted}]),
        answered("a") | failed(odd=quoted),
    ):
        with pytest.raises((failures.ServerFailed, failures.MalformedResponse)) as caught:
            read(body)
        assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize("depth", [90, 500, 980, 985, 990, 100_000])
def test_a_reply_nested_beyond_reason_is_malformed(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for body in (
        f'{{"choices": [{{"message": {{"content": "a", "x": {deep}}}}}]}}',
        f'{{"choices": [{{"message": {{"content": "a"}}}}], "usage": {deep}}}',
    ):
        if depth == 90:
            assert read(body).text == "a"
            continue
        with pytest.raises(failures.MalformedResponse):
            read(body)
