"""What the users of other clients do: a client, some workers, one question after another.

    python -m tests.benchmarks.peers NAME BASE_URL --calls N --concurrency N [--warmup N]

Runs in the peers' own environment (see `environment.py`) and prints figures as JSON. Packages are
loaded where they are used, and untyped: the product's environment, which checks types, lacks them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.measure import INSTRUCTION, MODEL, Meter, question, tell

KEY = "sk-benchmark"
Messages = list[dict[str, str]]
Run = Callable[[str, int, int], Awaitable[int]]


async def spread(
    ask: Callable[[Messages], Awaitable[str]],
    failure: type[Exception],
    calls: int,
    concurrency: int,
) -> int:
    """Ask every question from `concurrency` workers; the number of calls that failed."""
    numbers, failed = iter(range(calls)), 0

    async def work() -> None:
        nonlocal failed
        for number in numbers:
            system = {"role": "system", "content": INSTRUCTION}
            try:
                answer = await ask([system, {"role": "user", "content": question(number)}])
            except failure:
                failed += 1
            else:
                assert answer

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return failed


async def plain_aiohttp(base_url: str, calls: int, concurrency: int) -> int:
    """The floor: a POST and its JSON, without retries or models of the reply."""
    aiohttp: Any = importlib.import_module("aiohttp")
    url, headers = f"{base_url}/chat/completions", {"Authorization": f"Bearer {KEY}"}
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(messages: Messages) -> str:
            body = {"model": MODEL, "messages": messages}
            async with session.post(url, json=body) as reply:
                reply.raise_for_status()
                return str((await reply.json())["choices"][0]["message"]["content"])

        return await spread(ask, aiohttp.ClientError, calls, concurrency)


async def openai_default(base_url: str, calls: int, concurrency: int) -> int:
    return await _openai(base_url, calls, concurrency)


async def openai_aiohttp(base_url: str, calls: int, concurrency: int) -> int:
    openai: Any = importlib.import_module("openai")
    return await _openai(base_url, calls, concurrency, http_client=openai.DefaultAioHttpClient())


async def _openai(base_url: str, calls: int, concurrency: int, **options: Any) -> int:
    openai: Any = importlib.import_module("openai")
    async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY, **options) as client:

        async def ask(messages: Messages) -> str:
            reply = await client.chat.completions.create(model=MODEL, messages=messages)
            return str(reply.choices[0].message.content)

        return await spread(ask, openai.APIError, calls, concurrency)


async def litellm(base_url: str, calls: int, concurrency: int) -> int:
    # Its price list would be fetched from the Internet on import.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    package: Any = importlib.import_module("litellm")
    errors: Any = importlib.import_module("openai")
    package.suppress_debug_info = True

    async def ask(messages: Messages) -> str:
        reply = await package.acompletion(
            model=f"openai/{MODEL}", messages=messages, api_base=base_url, api_key=KEY
        )
        return str(reply.choices[0].message.content)

    # Its exceptions are subclasses of the openai package's.
    return await spread(ask, errors.APIError, calls, concurrency)


PEERS: dict[str, Run] = {
    "plain-aiohttp": plain_aiohttp,
    "openai-aiohttp": openai_aiohttp,
    "openai-default": openai_default,
    "litellm": litellm,
}


async def measure(run: Run, base_url: str, calls: int, concurrency: int, warmup: int) -> None:
    # Also with no calls: that loads what would else be loaded at the first of the measured ones.
    await run(base_url, warmup, concurrency)
    with Meter() as meter:
        failed = await run(base_url, calls, concurrency)
    tell(meter.figures(calls, failed))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("base_url")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--warmup", type=int, default=0)
    chosen = vars(parser.parse_args())
    asyncio.run(measure(PEERS[chosen.pop("name")], **chosen))


if __name__ == "__main__":
    main()
