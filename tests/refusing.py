"""Models that take requests in a form of their own, as a loopback server's `refuses`."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def refusal(message: str, code: str | None = None, param: str | None = None) -> Json:
    return {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def reasoning(body: Json) -> Json | None:
    """OpenAI's reasoning models."""
    if "max_tokens" in body:
        return refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        )
    if body.get("temperature", 1) != 1:
        return refusal(
            f"Unsupported value: 'temperature' does not support {body['temperature']} with this "
            "model. Only the default (1) value is supported.",
            "unsupported_value",
            "temperature",
        )
    return None


def without_system(body: Json) -> Json | None:
    """Gemma's chat template, as vLLM serves it."""
    if any(message["role"] == "system" for message in body["messages"]):
        return {**refusal("System role not supported"), "type": "BadRequestError"}
    return None


def no_schemas(body: Json) -> Json | None:
    """A server without structured output: nothing that can be left out."""
    if "response_format" in body:
        message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported."
        return refusal(message, None, "response_format")
    return None
