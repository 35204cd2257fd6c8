"""The endpoint `vllm`: a vLLM server, as `vllm serve` starts it on this machine or elsewhere."""

from __future__ import annotations

from typing import ClassVar

from autoprompt_assets.resources.endpoints.kind import HostedKind


class Vllm(HostedKind):
    """A vLLM server. It may want a key, and its prices are the user's to say."""

    word: ClassVar[str] = "vllm"
    hint: ClassVar[str] = "reads VLLM_BASE_URL"
    model: ClassVar[str] = "openai/gpt-oss-20b"
    keys: ClassVar[tuple[str, ...]] = ("VLLM_API_KEY",)
    address: ClassVar[str] = "VLLM_BASE_URL"
    url: ClassVar[str] = "http://127.0.0.1:8000/v1"
