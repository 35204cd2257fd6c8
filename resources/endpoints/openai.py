"""The endpoint `openai`: OpenAI's API, or a gateway that takes its key."""

from __future__ import annotations

from typing import ClassVar

from autoprompt_assets.engine.price import Price
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, SentField
from autoprompt_assets.resources.endpoints.kind import HostedKind
from autoprompt_assets.resources.endpoints.prices import list_price


class OpenAI(HostedKind):
    """OpenAI's API. Its list prices count where its key is sent."""

    word: ClassVar[str] = "openai"
    hint: ClassVar[str] = "needs OPENAI_API_KEY"
    model: ClassVar[str] = "gpt-6-luna"
    writer: ClassVar[str] = "gpt-6.1-terra"
    keys: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY")
    headers: ClassVar[tuple[SentField, ...]] = (
        SentField("OpenAI-Organization", env="OPENAI_ORG_ID", optional=True),
        SentField("OpenAI-Project", env="OPENAI_PROJECT_ID", optional=True),
    )
    address: ClassVar[str] = "OPENAI_BASE_URL"
    url: ClassVar[str] = "https://api.openai.com/v1"
    home: ClassVar[str] = url
    key_required: ClassVar[bool] = True

    def price(self, endpoint: Endpoint) -> Price | None:
        """As the list says; `None` where another server is asked."""
        return list_price(endpoint.model, "openai") if endpoint.key_env == self.keys[0] else None
