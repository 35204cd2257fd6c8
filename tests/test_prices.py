"""What is charged decides and is the same each time; what was paid is told beside it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from upath import UPath

from autoprompt_assets.engine.budget import BudgetSpec, refuse_unpriced
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.evaluation import charged
from autoprompt_assets.engine.llm import Completion, PriceSpec
from autoprompt_assets.engine.price import Price
from autoprompt_assets.resources.endpoints import (
    DEFAULT_MODELS,
    DEFAULT_WRITERS,
    Endpoint,
    price_of,
)
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import SearchStore
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, toy_project
from tests.test_chat import REPLY, ask, scripted, spec_of, use

TIERED = Price(((0, 1.0), (100, 3.0)), ((0, 2.0), (100, 4.0)), ((0, 0.1), (100, 0.3)))
MODELS = ["gpt-4.1-mini", "gpt-5.4", "gpt-5.4-mini", *DEFAULT_WRITERS.values()]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def openai(model: str) -> Endpoint:
    return Endpoint("openai", "http://a/v1", "OPENAI_API_KEY", True, model, "http://a/v1")


def listed(model: str) -> Price:
    found = price_of(openai(model), None)
    assert found is not None
    return found


@pytest.mark.parametrize("prompt", [0, 1, 1000, 272_000, 272_001, 900_000])
@pytest.mark.parametrize("model", [*MODELS, DEFAULT_MODELS["openai"]])
def test_a_call_costs_what_the_list_says_tiers_and_cache_included(model: str, prompt: int) -> None:
    price, said = listed(model), 500
    whole = calc_price(
        Usage(input_tokens=prompt, output_tokens=said), model, provider_id="openai"
    ).total_price
    assert price.list_usd(prompt, said) == pytest.approx(float(whole))
    half = prompt // 2
    usage = Usage(input_tokens=prompt, output_tokens=said, cache_read_tokens=half)
    cached = calc_price(usage, model, provider_id="openai").total_price
    assert price.paid_usd(prompt, said, half) == pytest.approx(float(cached))
    assert half == 0 or price.paid_usd(prompt, said, half) < price.list_usd(prompt, said)


def test_what_is_put_into_a_cache_may_cost_more_than_the_list_price() -> None:
    price = listed(DEFAULT_MODELS["openai"])
    assert price.written is not None
    usage = Usage(input_tokens=1000, output_tokens=1, cache_write_tokens=400)
    total = calc_price(usage, DEFAULT_MODELS["openai"], provider_id="openai").total_price
    assert price.paid_usd(1000, 1, 0, 400) == pytest.approx(float(total))


@pytest.mark.parametrize("longest", [1, 100, 101, 1000])
def test_calls_cost_no_more_than_their_bound_in_any_tier(longest: int) -> None:
    for prompts in ([longest] * 7, [1, longest], [longest // 2 + 1] * 3):
        usd = sum(TIERED.list_usd(prompt, 9) for prompt in prompts)
        most = TIERED.most_usd(sum(prompts), 9 * len(prompts), longest)
        assert usd <= most + 1e-12
    assert TIERED.most_usd(7 * longest, 63, longest) == pytest.approx(
        7 * TIERED.list_usd(longest, 9)
    )


def test_a_price_comes_back_from_json_as_it_was() -> None:
    for price in (TIERED, Price.flat(1, 2), Price.flat(0.1, 0.2, 0.05)):
        assert Price.from_json(json.loads(json.dumps(price.as_json()))) == price


def test_a_price_is_the_user_s_before_the_list_s_and_free_within_the_process() -> None:
    said = PriceSpec(prompt=10, completion=0, cached=1)
    assert price_of(openai("gpt-4.1-mini"), said) == Price.flat(10, 0, 1)
    local = Endpoint("local", None, None, False, "SmolLM2", "local:1")
    assert price_of(local, None) == Price.flat(0, 0)
    assert price_of(openai("no-such-model"), None) is None
    mine = Endpoint("mine", "http://a/v1", "MINE", True, "gpt-4.1-mini", "http://a/v1")
    assert price_of(mine, None) is None


def paid(monkeypatch: pytest.MonkeyPatch, usage: dict[str, Any], **role: Any) -> Completion:
    with scripted((200, json.dumps({**REPLY, "usage": usage}), {})) as (url, _):
        use(monkeypatch, url)
        return ask(spec_of(model="gpt-4.1-mini", **role))


@pytest.mark.parametrize(
    ("said", "cached"),
    [
        ({}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 800}}, 800),
        ({"prompt_cache_hit_tokens": 800, "prompt_cache_miss_tokens": 200}, 800),
        ({"cache_read_input_tokens": 800}, 800),
        ({"prompt_tokens_details": None}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 5000}}, 1000),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": True}}, 0),
        ({"prompt_tokens_details": [1]}, 0),
    ],
)
def test_cached_tokens_are_paid_at_their_own_price_and_charged_at_the_list_s(
    said: dict[str, Any], cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = paid(monkeypatch, {"prompt_tokens": 1000, "completion_tokens": 10, **said})
    assert found.cache_tokens == (cached, 0)
    assert found.usd == pytest.approx(((1000 - cached) * 0.4 + cached * 0.1 + 10 * 1.6) / 1e6)
    spend = charged((found, None), listed("gpt-4.1-mini"))
    assert (spend.calls, spend.unpriced) == (1, 0)
    assert spend.usd == pytest.approx((1000 * 0.4 + 10 * 1.6) / 1e6)


def test_a_user_s_price_without_one_for_the_cache_holds_for_all_prompt_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 500},
    }
    price = {"prompt": 10, "completion": 0}
    assert paid(monkeypatch, usage, price=price).usd == pytest.approx(0.01)
    assert paid(monkeypatch, usage, price={**price, "cached": 1}).usd == pytest.approx(0.0055)


def test_a_price_that_nobody_said_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted((200, json.dumps(REPLY), {})) as (url, _):
        use(monkeypatch, url)
        found = ask(spec_of(model="no-such-model"))
    assert found.usd is None
    assert charged((found,), None).unpriced == 1


def test_a_search_reckons_with_the_prices_that_it_began_with(tmp_path: Path) -> None:
    records = SearchStore(UPath(tmp_path))
    assert records.read_prices() is None
    first = {"target": TIERED, "review": None}
    records.write_prices(first)
    records.write_prices({"target": Price.flat(9, 9), "review": TIERED})
    assert records.read_prices() == first


def test_a_budget_in_dollars_is_refused_where_a_price_is_not_known() -> None:
    spec = spec_of(model="no-such-model")
    limited = spec.model_copy(update={"budget": BudgetSpec(usd=1.0)})
    models = LLMResource().models(limited)
    with pytest.raises(InputError, match=r"price of roles\.target's model 'no-such-model' is not"):
        refuse_unpriced(limited.budget, models)
    refuse_unpriced(spec.budget, models)
    refuse_unpriced(limited.budget, models.priced({"target": TIERED}))


def test_default_models_have_a_price() -> None:
    for model in (DEFAULT_MODELS["openai"], *DEFAULT_WRITERS.values()):
        assert listed(model).cached is not None


@pytest.mark.slow
def test_a_search_that_goes_on_is_charged_at_its_own_prices_whatever_the_list_says(
    tmp_path: Path,
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        first = project.run_json("toy")
        (prices,) = (project.home / "results").rglob("prices.json")
        dearer = {
            role: {name: [[at, 10 * rate] for at, rate in tiers] for name, tiers in price.items()}
            for role, price in json.loads(prices.read_bytes()).items()
        }
        for path in list(prices.parent.iterdir()):
            if path.name not in ("prices.json", "spec.json"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        prices.write_text(json.dumps(dearer), encoding="utf-8")
        asked = len(server.ledger)
        again = project.run_json("toy")
        checked = project.run("check", "toy").stdout
    assert len(server.ledger) == asked
    assert again["usd"] == pytest.approx(10 * first["usd"], rel=1e-3)
    assert (again["usd_paid"], again["best"]["iteration"]) == (0, first["best"]["iteration"])
    assert again["best"]["answer"]["usd"] == pytest.approx(10 * first["best"]["answer"]["usd"])
    assert json.loads(prices.read_bytes()) == dearer
    at_most = re.search(r"the whole search, at most: .*\$(\d+\.\d+)", checked)
    assert at_most is not None
    assert float(at_most[1]) > 2


@pytest.mark.slow
def test_what_was_paid_is_told_beside_the_list_price(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.cached = 4
        project = toy_project(tmp_path, server.base_url)
        outcome = project.run_json("toy")
        shown = project.run("run", "toy").stdout
    assert outcome["cached_tokens"] > 0
    assert 0 < outcome["usd_paid"] < outcome["usd"]
    assert " at list prices; paid now: $0.0000" in " ".join(shown.split())
