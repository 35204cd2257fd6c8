"""The embedded model: llama.cpp in this process, behind its own OpenAI server on loopback."""

from __future__ import annotations

import os
from functools import cache

from autoprompt_assets.resources.endpoints.resolve import DEFAULT_MODELS, model_file

SLOTS = 4
SLOT_TOKENS = 2048
_SERVERS: list[object] = []  # a server stops when nothing refers to it


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
    parameters.model.path = str(model_file())
    parameters.model_alias = [DEFAULT_MODELS["local"]]
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
