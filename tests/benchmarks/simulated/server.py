"""Serves simulated models on 127.0.0.1, as an OpenAI-compatible server of all landscapes at once.

    python -m tests.benchmarks.simulated.server [--port PORT]

`/<landscape>/<seed>[/<run>]/v1/chat/completions` is a model of one landscape: the optimizer's if
the model's name holds "optimizer", else the target's. Each prefix has a ledger of what it was
asked, read by GET and set to zero by POST at `/<prefix>/ledger` (and `/ledger` for all together):
`run` is any word that keeps one strategy's account apart from another's.

Equal requests get equal answers. Only an optimizer that is asked above temperature 0 is sampled, as
a real one is: the n-th time that one prefix asks the same, since its ledger was last set to zero,
is the n-th draw.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.identity import content_hash
from tests.benchmarks.server import Framed, parser_of, response, serve, started
from tests.benchmarks.simulated import forms
from tests.benchmarks.simulated.landscape import Landscape, landscape
from tests.benchmarks.simulated.proposer import propose
from tests.benchmarks.simulated.reading import Json, Reader, answer, content_of

TARGET, OPTIMIZER = "sim-target", "sim-optimizer"
SIDE_ANSWER = "Short cases, each of one topic, with one label."
MODULE = "tests.benchmarks.simulated.server"
CHAT, LEDGER = "v1/chat/completions", "ledger"
Ledger = dict[str, dict[str, int]]


class Model:
    """Both roles of one landscape, for one prefix, with its ledger."""

    def __init__(self, subject: Landscape) -> None:
        self._landscape, self._reader = subject, Reader(subject)
        self.reset()

    def reset(self) -> None:
        """Nothing was asked yet."""
        self.ledger: dict[str, Counter[str]] = {}
        self._asked: Counter[str] = Counter()

    def complete(self, body: Json) -> Json:
        """The reply to one chat request; `n` choices where it asks for several."""
        optimizing = "optimizer" in body["model"]
        reply = self._optimizer if optimizing else self._target
        contents = [reply(body) for _ in range(body.get("n") or 1)]
        usage = self._charge(body, contents)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
            }
            for index, content in enumerate(contents)
        ]
        head = {"id": "chatcmpl-simulated", "object": "chat.completion", "created": 1764000000}
        return head | {"model": body["model"], "choices": choices, "usage": usage}

    def _target(self, body: Json) -> str:
        messages = body["messages"]
        prompt, row = self._reader.read(messages)
        fields = {name: value for name, value in body.items() if name not in ("messages", "n")}
        label = answer(self._landscape, prompt, row, fields)
        # DSPy names the fields in the system's turn.
        first = content_of(messages[0]) + content_of(messages[-1])
        return forms.write_answer(first, body.get("response_format"), label)

    def _optimizer(self, body: Json) -> str:
        messages, form = body["messages"], body.get("response_format")
        text = "\n".join(map(content_of, messages))
        if not forms.asks_for_prompt(text, form):
            return forms.write_prompt(text, form, SIDE_ANSWER)
        sample = 0
        if body.get("temperature") != 0:
            key = content_hash(body, 16)
            sample = self._asked[key]
            self._asked[key] += 1
        return forms.write_prompt(text, form, propose(self._landscape, messages, sample))

    def _charge(self, body: Json, contents: list[str]) -> dict[str, int]:
        """A token is a word here."""
        asked = sum(len(content_of(message).split()) for message in body["messages"])
        said = sum(len(content.split()) for content in contents)
        account = self.ledger.setdefault(body["model"], Counter())
        account.update(calls=1, prompt_tokens=asked, completion_tokens=said)
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }


class Service:
    """All prefixes; made as they are first asked."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}

    def reply(self, method: str, path: str, body: bytes) -> tuple[bytes, object]:
        """The status and the JSON that answer one HTTP request."""
        try:
            prefix, end = split_path(path)
            if end == LEDGER:
                return b"200 OK", self._account(prefix, reset=method == "POST")
            if end != CHAT or method != "POST":
                return b"404 Not Found", failure(f"nothing is served at {path!r}")
            return b"200 OK", self._model(prefix).complete(json.loads(body))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            return b"400 Bad Request", failure(f"{type(error).__name__}: {error}")

    def _model(self, prefix: str) -> Model:
        if prefix not in self._models:
            name, seed, *_ = prefix.split("/")
            self._models[prefix] = Model(landscape(name, int(seed)))
        return self._models[prefix]

    def _account(self, prefix: str, *, reset: bool) -> Ledger:
        """What was charged, by model, before the reset if there is one."""
        models = [self._model(prefix)] if prefix else list(self._models.values())
        total: dict[str, Counter[str]] = {}
        for model in models:
            for name, account in model.ledger.items():
                total.setdefault(name, Counter()).update(account)
            if reset:
                model.reset()
        return {name: dict(account) for name, account in total.items()}


def split_path(path: str) -> tuple[str, str]:
    """(`additive/3/run`, `v1/chat/completions`), or (..., `ledger`)."""
    parts = path.partition("?")[0].strip("/").split("/")
    cut = parts.index("v1") if "v1" in parts else len(parts) - 1
    return "/".join(parts[:cut]), "/".join(parts[cut:])


def failure(message: str) -> Mapping[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


class Connection(Framed):
    """Answers what a client asks, one request after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(self, request: bytes, body: int) -> None:
        method, path, _ = request.split(b" ", 2)
        status, found = self._service.reply(method.decode(), path.decode(), request[body:])
        self.transport.write(response(status, json.dumps(found).encode()))


@dataclass(frozen=True)
class SimulatedServer:
    """A server in a process of its own; `root` is its address."""

    root: str
    pid: int

    def base_url(self, name: str, seed: int, run: str = "") -> str:
        """Where an OpenAI client reaches a landscape; `run` keeps accounts apart."""
        return "/".join(part for part in (self.root, name, str(seed), run, "v1") if part)

    def ledger(self, base_url: str = "", *, reset: bool = False) -> Ledger:
        """Calls and tokens by model, under one base URL or in all."""
        url = f"{base_url.removesuffix('/v1') or self.root}/{LEDGER}"
        data = b"{}" if reset else None
        with urllib.request.urlopen(url, data=data, timeout=10) as reply:
            found: Ledger = json.load(reply)
        return found


@contextmanager
def simulating() -> Iterator[SimulatedServer]:
    """A server that ends with the context."""
    with started(MODULE) as (root, pid):
        yield SimulatedServer(root, pid)


def main() -> None:
    service = Service()
    asyncio.run(serve(lambda: Connection(service), parser_of(MODULE).parse_args()))


if __name__ == "__main__":
    main()
