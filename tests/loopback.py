"""An OpenAI-compatible HTTP server on 127.0.0.1, whose replies depend on the request alone."""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import json
import math
import re
import signal
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from aiohttp import web

Json = dict[str, Any]
FAULTS = ("429", "500", "reset", "malformed", "hang")
# Each sentence holds its own phrase and no other, so that adding one moves one feature.
FEATURES = {
    "step by step": "Work step by step.",
    "count": "Count every segment.",
    "vertices": "List the vertices.",
    "coordinates": "Write down the coordinates.",
    "check": "Check the result before answering.",
}
VARIANT = re.compile(r"\s*Variant [0-9a-f]{8}\.")
# A prompt in its tags, then its score.
HISTORY = re.compile(
    r"^<(?P<tag>prompt(?:-\d+)?)>\n(?P<text>.*?)\n</(?P=tag)>\nScore: (?P<score>[01]\.\d\d)$",
    re.MULTILINE | re.DOTALL,
)

# One text of a conversation that is to be written anew, as it stands.
WRITTEN = re.compile(
    r"^The text to be written: \w+\n<(?P<tag>text(?:-\d+)?)>\n(?P<text>.*?)\n</(?P=tag)>$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Behaviour:
    """What the server does; shares are between 0 and 1. `altered` maps request keys to replies."""

    seed: int = 0
    delay: float = 0.0
    optimizer_delay: float = 0.0
    answers: Mapping[str, str] = field(default_factory=dict)
    altered: Mapping[str, str] = field(default_factory=dict)
    faults: float = 0.0
    unauthorized: bool = False
    hang: bool = False
    null_content: float = 0.0
    only_status: int | None = None
    unusable_proposals: int = 0


def load_answers(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["input"]: row["target"] for row in csv.DictReader(file)}


def digest(value: object) -> str:
    # ASCII escapes keep lone surrogates, which JSON allows, from stopping the hash.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def uniform(*parts: object) -> float:
    return int(digest(parts)[:13], 16) / 16**13


def pick(options: Sequence[str], *parts: object) -> str:
    return options[int(uniform(*parts) * len(options))]


def accuracy_of(instruction: str, demos: int) -> float:
    """The expected share of right answers of the simulated target model."""
    accuracy = 0.35 + 0.02 * min(demos, 8) - (0.10 if len(instruction) > 2000 else 0.0)
    return min(0.97, accuracy + 0.10 * sum(p in instruction.lower() for p in FEATURES))


def texts(body: Json, *roles: str) -> list[str]:
    return [
        str(m.get("content") or "") for m in body["messages"] if not roles or m["role"] in roles
    ]


def role_of(body: Json, answers: Mapping[str, str]) -> str:
    whole = "\n".join(texts(body))
    # An exact question comes first: an instruction under test may hold any marker.
    if any(text in answers for text in texts(body, "user")[-1:]):
        return "target"
    # An optimizer may be shown past mistakes in the review's own words, so brackets win.
    if "[[" in whole:
        return "optimizer"
    return "review" if "Model Response:" in whole and "Ground Truth:" in whole else "target"


def enum_of(body: Json) -> tuple[Json, str, list[str]]:
    """The schema's properties, with the name and values of the first one that is an enum."""
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema") or {}
    properties: Json = schema.get("properties") or {}
    name = next((name for name, found in properties.items() if "enum" in found), "")
    return properties, name, properties[name]["enum"] if name else []


def target_reply(behaviour: Behaviour, body: Json, key: str) -> str:
    seed, answers = behaviour.seed, behaviour.answers
    last = "".join(texts(body, "user")[-1:])
    # A client may wrap the question in words of its own.
    question = max((known for known in answers if known in last), key=len, default="")
    tools = [tool["function"] for tool in body.get("tools") or ()]
    own = [str(tool.get("description")) for tool in tools]
    instruction = "\n".join([*texts(body, "system", "developer"), *own])
    properties, name, values = enum_of(body)
    options = values or sorted(set(answers.values())) or ["unknown"]
    answer = answers.get(question, "") or pick(options, seed, "unknown", key)
    # A request's own seed makes it a replicate, which may differ a little.
    noise = uniform(seed, "noise", instruction, last, body.get("seed")) * 0.1 - 0.05
    accuracy = accuracy_of(instruction, len(texts(body, "assistant"))) + noise
    if uniform(seed, "row", question or last) >= accuracy or answer not in options:
        answer = pick([o for o in options if o != answer] or ["unknown"], seed, "wrong", key)
    if name:
        return json.dumps(dict.fromkeys(properties, "Thinking...") | {name: answer})
    lead = pick(("Thinking...", "Looking closely...", "Working it out..."), seed, "lead", key)
    return f"{lead} The answer is {answer}."


def review_reply(behaviour: Behaviour, body: Json, key: str) -> str:
    whole = "\n".join(texts(body))
    marks = sorted((whole.rfind(mark), mark) for mark in ("Model Response:", "Ground Truth:"))
    (first, mark), (second, other) = marks
    shown = {mark: whole[first + len(mark) : second], other: whole[second + len(other) :]}
    # Whatever follows the truth's first line is the client's template, tags included.
    bare = re.sub(r"</?[\w-]+>", "\n", shown["Ground Truth:"])
    truth = bare.strip().split("\n")[0].strip(" `'\"*")
    # Whole words only: "no" does not occur in "unknown".
    pattern = rf"(?<!\w){re.escape(truth)}(?!\w)"
    right = bool(truth) and re.search(pattern, shown["Model Response:"]) is not None
    if body.get("response_format"):
        return json.dumps({"reason": "The two were compared.", "correct": right})
    return str(right)


def best_prompt(history: str) -> str:
    """The prompt with the highest score, the latest of equals."""
    scored = [(float(m["score"]), m.start(), m["text"].strip()) for m in HISTORY.finditer(history)]
    own = WRITTEN.search(history)
    fallback = own["text"] if own else "Solve the problem."
    return max(scored)[2] if scored else fallback


def optimizer_reply(behaviour: Behaviour, body: Json, key: str) -> str:
    thoughts, seed = "Thoughts: the better prompts name what to look at.", behaviour.seed
    # A client that asks again says so in a user message; counting calls would not be pure.
    if len(texts(body, "user")) <= behaviour.unusable_proposals:
        return f"{thoughts} I have no new prompt {key[:8]}."
    prompt = VARIANT.sub("", best_prompt("\n".join(texts(body, "system", "developer", "user"))))
    present = [phrase for phrase in FEATURES if phrase in prompt.lower()]
    absent = [phrase for phrase in FEATURES if phrase not in present]
    if absent and (not present or uniform(seed, "add", key) < 0.75):
        prompt = f"{prompt} {FEATURES[pick(absent, seed, 'phrase', key)]}"
    else:
        phrase = pick(present, seed, "phrase", key)
        prompt = re.sub(rf"(?i) *(?:{re.escape(FEATURES[phrase])}|{phrase})", "", prompt).strip()
    return f"{thoughts}\n\n[[{prompt} Variant {digest([seed, key])[:8]}.]]"


def called(function: Json, content: str) -> Json:
    """A message that calls a tool with the answer of `content` as its first argument."""
    name = next(iter(function["parameters"]["properties"]), "answer")
    lead, _, answer = content.partition(" The answer is ")
    arguments = json.dumps({name: answer.removesuffix(".")})
    call = {"name": function["name"], "arguments": arguments}
    calls = [{"id": "call_1", "type": "function", "function": call}]
    return {"role": "assistant", "content": lead, "tool_calls": calls}


def content_of(behaviour: Behaviour, body: Json, key: str) -> str | None:
    replies = {"target": target_reply, "review": review_reply, "optimizer": optimizer_reply}
    empty = uniform(behaviour.seed, "null", key) < behaviour.null_content
    reply_to = replies[role_of(body, behaviour.answers)]
    return None if empty else behaviour.altered.get(key) or reply_to(behaviour, body, key)


def completion(behaviour: Behaviour, body: Json, key: str, message: Json | None = None) -> Json:
    """The whole reply: a pure function of the behaviour and the request body, or of `message`."""
    content = message.get("content") if message else content_of(behaviour, body, key)
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or sys.maxsize
    finish = "length" if math.ceil(len(content or "") / 4) > limit else "stop"
    content = content and content[: limit * 4]
    reply = {**(message or {"role": "assistant"}), "content": content}
    if message is None and body.get("tools") and content and finish == "stop":
        reply = called(body["tools"][0]["function"], content)
    if reply.get("tool_calls"):
        finish = "tool_calls"
    asked, said = (math.ceil(len(text) / 4) for text in ("".join(texts(body)), content or ""))
    return {
        "id": f"chatcmpl-{digest([behaviour.seed, key])[:24]}",
        "object": "chat.completion",
        # A clock would make equal requests unequal.
        "created": 1_700_000_000 + int(key[:6], 16),
        "model": body["model"],
        "choices": [{"index": 0, "message": reply, "finish_reason": finish}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def failure(request: web.Request, fault: str) -> web.Response:
    if fault == "malformed":
        return web.Response(text='{"id": "chatcmpl-', content_type="application/json")
    if fault == "reset" and request.transport is not None:
        # Zero linger turns the close into a reset instead of an orderly end.
        linger = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.get_extra_info("socket").setsockopt(*linger)
        request.transport.abort()
        return web.Response()
    headers = {"Retry-After": "0"} if fault == "429" else {}
    detail = {"message": f"simulated {fault}", "type": "simulated", "code": None}
    return web.json_response({"error": detail}, status=int(fault), headers=headers)


class LoopbackServer:
    """Serves from a thread of its own; entering it again after exit takes the same port."""

    host = "127.0.0.1"

    def __init__(self, behaviour: Behaviour, port: int = 0, log: Path | None = None) -> None:
        self.behaviour, self.port, self.log = behaviour, port, log
        self.ledger: list[Json] = []
        self.slow: Callable[[Json], bool] = lambda body: False
        self.refuses: Callable[[Json], Json | None] = lambda body: None
        self.counts_as: Callable[[Json], Json | None] = lambda usage: usage
        """What each reply says of its usage, where not what it was."""
        self.cached = 0
        """Prompt tokens that each reply says came from a cache."""
        self.says: Callable[[Json], tuple[str, Json] | None] = lambda body: None
        """The role that is asked and the message it gives, where `behaviour` does not decide."""
        self._seen: Counter[str] = Counter()
        self.peak_in_flight = self.in_flight = self.answered = 0

    def __enter__(self) -> Self:
        listener = socket.create_server((self.host, self.port), backlog=1024)
        self.port = listener.getsockname()[1]
        self.base_url = f"http://{self.host}:{self.port}/v1"
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/openai/deployments/{name}/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        # Without cancellation a client that went away would still count as in flight.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._runner.setup())
        self._call(web.SockSite(self._runner, listener).start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def counts(self) -> Counter[str]:
        return Counter(entry["role"] for entry in self.ledger)

    def repeats(self) -> int:
        return self._seen.total() - len(self._seen)

    def _fault(self, key: str) -> str | None:
        behaviour, attempt = self.behaviour, self._seen[key]
        self._seen[key] += 1
        status = 401 if behaviour.unauthorized else behaviour.only_status
        if status is not None:
            return str(status)
        missed = uniform(behaviour.seed, "fault", key, attempt) >= behaviour.faults
        return None if missed else pick(FAULTS, behaviour.seed, "kind", key, attempt)

    async def _chat(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        behaviour, key = self.behaviour, digest(body)
        fault = self._fault(key)
        told = self.says(body)
        role = told[0] if told else role_of(body, behaviour.answers)
        delay = behaviour.delay + (behaviour.optimizer_delay if role == "optimizer" else 0.0)
        refusal = self.refuses(body)
        entry = {"path": request.path, "model": body["model"], "key": key, "fault": fault}
        entry["refused"] = refusal is not None
        entry["authorization"] = request.headers.get("authorization")
        entry["query"] = request.query_string
        entry["headers"] = {name.lower(): value for name, value in request.headers.items()}
        self.ledger.append(entry | {"role": role, "body": body})
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.ledger[-1]) + "\n")
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            hangs = behaviour.hang or fault == "hang" or self.slow(body)
            await asyncio.sleep(math.inf if hangs else delay)
            if fault is not None:
                return failure(request, fault)
            if refusal is not None:
                return web.json_response({"error": refusal}, status=refusal.get("status", 400))
            self.answered += 1
            reply = completion(behaviour, body, key, told and told[1])
            if self.cached:
                reply["usage"]["prompt_tokens_details"] = {"cached_tokens": self.cached}
            reply["usage"] = self.counts_as(reply["usage"])
            return web.json_response(reply)
        finally:
            self.in_flight -= 1

    async def _models(self, request: web.Request) -> web.Response:
        if self.behaviour.unauthorized:
            return failure(request, "401")
        models = [{"id": name, "object": "model"} for name in ("gpt-4.1", "gpt-4.1-mini")]
        return web.json_response({"object": "list", "data": models})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--port", type=int, default=0)
    for option in fields(Behaviour):
        flag = f"--{option.name.replace('_', '-')}"
        if option.default is False:
            parser.add_argument(flag, action="store_true")
        elif option.name not in ("answers", "altered"):
            kind = float if option.type == "float" else int
            parser.add_argument(flag, type=kind, default=option.default)
    chosen = vars(parser.parse_args())
    table, ledger, port = (chosen.pop(name) for name in ("csv", "ledger", "port"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with LoopbackServer(Behaviour(answers=load_answers(table), **chosen), port, ledger) as server:
        print(server.base_url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
