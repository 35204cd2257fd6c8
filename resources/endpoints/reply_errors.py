"""Which error of the designed tree a reply is: by its HTTP status, or by what its body says.

Gateways pass a provider's error on inside HTTP 200, beside an empty answer or within a choice; some
wrap it in a list (Gemini) or name it at the top (vLLM). The body's own code then counts as the
status would.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from autoprompt_assets.engine.llm import CUT_OFF, FILTERED, TOOL_CALLS, failures
from autoprompt_assets.resources.endpoints.error_body import ErrorBody
from autoprompt_assets.resources.endpoints.refusals import is_about_system

_WHOLE = frozenset(
    [
        *("", "stop", "end", "end_turn", "eos", "eos_token", "eos_found", "stop_sequence"),
        *("stop_token", "complete", "completed", "completion", "finish", "finished"),
        *("done", "success", "normal", "none", "null", "finish_reason_stop"),
    ]
)


_FILTERS = (
    *("content_filter", "content management policy", "content_policy", "content policy"),
    *("moderation", "was flagged", "been flagged", "safety system", "safety policy"),
    *("responsible_ai", "responsibleai", "data_inspection_failed", "prohibited_content"),
    *("inappropriate content", "sensitive content", "guardrail"),
)
_LENGTHS = (
    *("context_length_exceeded", "exceed_context_size", "maximum context length"),
    *("maximum model length", "max_model_len", "prompt is too long", "input is too long"),
    *("prompt too long", "input too long", "string_above_max_length", "request_too_large"),
    *("reduce the length", "maximum number of tokens allowed", "too many input tokens"),
)
MOST_DETAILS = 4000
"""Characters of what stands beside a message that are looked at."""
_MAY_FILTER = frozenset({200, 400, 403, 422, 451})
_CLASSES: Mapping[int, type[failures.CallError]] = {
    402: failures.QuotaExhausted,
    401: failures.AuthenticationFailed,
    403: failures.Forbidden,
    404: failures.ModelNotFound,
    **dict.fromkeys((408, 409, 425), failures.ServerFailed),
    413: failures.ContextTooLong,
    429: failures.RateLimited,
}
_KEYS = ("api key", "api_key", "apikey", "credentials", "access token", "auth token")
_REFUSED_KEYS = (
    *("not valid", "invalid", "incorrect", "expired", "revoked", "no auth", "missing"),
    *("leaked", "disabled", "deactivated"),
)
_ABOUT_RIGHTS = (
    *("permission", "scope", "limit", "region", "country", "territory", "ip address"),
    *("allowlist", "whitelist", "referer"),
)
"""What a 403 is about that speaks of a key and does not refuse it."""
_PER_DAY = re.compile(r"per[_ -]?day|\bdaily\b", re.IGNORECASE)
"""What a refusal for speed says of a quota that a minute's waiting does not fill again: Gemini's in
its details, OpenAI's, Groq's and OpenRouter's in the message."""
_PER_LESS = re.compile(r"per[_ -]?(?:min|sec|hour)", re.IGNORECASE)
"""A message that names such a limit, too, may be about that one."""
_FORM_CODES = frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter"})
_TEMPLATE = ("jinja", "template error", "chat template", "template_error")
_LIMIT_TOO_LARGE = re.compile(r"max_(?:completion_)?tokens\W.{0,40}too large", re.DOTALL)
_INVISIBLE = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)


def error_within(data: object) -> ErrorBody | None:
    """The error that a body of HTTP 200 holds, or `None` where it holds none."""
    for found in _errors(data):
        error = read_error(found)
        if error != ErrorBody():
            return error
    return None


def _errors(data: object) -> Iterator[object]:
    if isinstance(data, list):
        data = data[0] if data else None
    if not isinstance(data, dict):
        return
    yield data.get("error")
    yield data.get("errors")
    if _is_failure(data):
        yield {**data, "message": data.get("message") or "the body says that it failed"}
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict):
        yield from _errors_of(choice)


def _is_failure(data: Mapping[str, Any]) -> bool:
    """True for a body that calls itself an error, beside an answer or without one."""
    code, inner = data.get("code"), data.get("base_resp")
    if isinstance(inner, dict) and inner.get("status_code"):
        return True
    if data.get("success") is False or _name(data.get("status")) in ("error", "failed"):
        return True
    if _name(data.get("object")) == "error" or ErrorBody(code=_name(code)).status:
        return True
    return not data.get("choices") and "message" in data and not {"code", "type"}.isdisjoint(data)


def _errors_of(choice: Mapping[str, Any]) -> Iterator[object]:
    yield choice.get("error")
    message = choice.get("message")
    if isinstance(message, dict):
        yield message.get("error")
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        kinds = [part.get("type") for part in parts if isinstance(part, dict)]
        if message.get("role") == "error" or "error" in kinds:
            yield {"message": f"the answer is an error: {json.dumps(content)}", "code": 502}


def broken_end(choice: Mapping[str, Any]) -> str:
    """How an answer ended that is none for that; empty where it ended as answers do."""
    for name in ("finish_reason", "native_finish_reason"):
        finish = choice.get(name)
        if finish and not ends_answer(finish, native=name != "finish_reason"):
            return f"the answer ended with {name} {finish}"
    return ""


def ends_answer(finish: object, *, native: bool = False) -> bool:
    """Whether an answer that ended so is one, whole, cut off, filtered or a call of tools.

    What is not known is not taken for an answer, but for a provider's own words (`native`).
    """
    if not isinstance(finish, str):
        return native
    name = finish.lower().replace("-", "_")
    if native:
        return "error" not in name
    return name in _WHOLE or name in CUT_OFF or name in FILTERED or name in TOOL_CALLS


def read_error(data: object) -> ErrorBody:
    """An error in any of the forms that servers write it in; empty where it says nothing."""
    if isinstance(data, list):
        return read_error(data[0]) if data else ErrorBody()
    if isinstance(data, str | int | float) and not isinstance(data, bool) and data:
        return ErrorBody(message=str(data))
    if not isinstance(data, dict):
        return ErrorBody()
    told = ("message", "detail", "msg", "reason", "description")
    message = next((data[key] for key in told if data.get(key)), "")
    kind = data.get("type") or data.get("status")
    code, param = _name(data.get("code")), data.get("param")
    named = param.strip()[:100] if isinstance(param, str) else ""
    found = ErrorBody(str(message), code, _name(kind), _details(data), named)
    if found == ErrorBody() and any(data.values()):
        return ErrorBody(message=json.dumps(data))
    return found


def _name(value: object) -> str:
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip().lower()[:100] if plain else ""


def _details(data: Mapping[str, Any]) -> str:
    """What gateways put beside the message: reasons, and an inner error's code."""
    beside = [data.get(key) for key in ("metadata", "innererror", "details")]
    return " ".join(str(one)[:MOST_DETAILS] for one in beside if one)


def error_class(status: int, error: ErrorBody) -> type[failures.CallError]:
    """The class of an error with HTTP `status`, its own or the one that its body names.

    200 stands for a body that names none: what its words do not tell apart may pass.
    """
    words = error.words
    if is_about_form(status, error):
        return failures.RequestRefused
    if status in _MAY_FILTER and any(sign in words for sign in _FILTERS):
        return failures.ContentFiltered
    of_day = _PER_DAY.search(error.message) and not _PER_LESS.search(error.message)
    spent = status == 429 and bool(of_day or _PER_DAY.search(error.details))
    if spent or "insufficient_quota" in (error.code, error.kind):
        return failures.QuotaExhausted
    if status in (200, 400, 403) and _is_about_key(status, words):
        status = 401
    if status in _CLASSES:
        return _CLASSES[status]
    return _class_by_words(status, words)


def _class_by_words(status: int, words: str) -> type[failures.CallError]:
    if status < 500 and _is_about_length(words):
        return failures.ContextTooLong
    if status >= 500 or status == 200:
        return failures.RateLimited if _is_about_speed(words) else failures.ServerFailed
    return failures.RequestRefused


def is_about_form(status: int, error: ErrorBody) -> bool:
    """Whether it is the request's own fields or turns that are refused, not what they say.

    A server that fails while it fills in a chat template says so with its own status.
    """
    words = error.words
    if status in (200, 400, 422) and (error.code in _FORM_CODES or _LIMIT_TOO_LARGE.search(words)):
        return True
    told = any(sign in words for sign in _TEMPLATE)
    return status in (200, 500) and told and is_about_system(words)


def page_title(text: str) -> str | None:
    """The title of a web page, or else its text; `None` for any other text. Nothing is cut."""
    start = text.lstrip()[:200].lower()
    if not start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return None
    found = _TITLE.search(text)
    said = found[2] if found and found[2].strip() else _INVISIBLE.sub(" ", text)
    return " ".join(html.unescape(_TAG.sub(" ", said)).split())


def _is_about_speed(words: str) -> bool:
    return "rate limit" in words or "too many requests" in words


def _is_about_key(status: int, words: str) -> bool:
    if status == 403 and any(sign in words for sign in _ABOUT_RIGHTS):
        return False
    return any(key in words for key in _KEYS) and any(sign in words for sign in _REFUSED_KEYS)


def _is_about_length(words: str) -> bool:
    return any(sign in words for sign in _LENGTHS) or ("context" in words and "exceed" in words)
