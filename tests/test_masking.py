"""A key that a server quotes, in whatever form and place, is in nothing that is shown or stored."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Completion, failures
from autoprompt_assets.resources.endpoints import Endpoint
from autoprompt_assets.resources.endpoints.masking import MASK, KeyMask
from autoprompt_assets.resources.endpoints.replies import Reader, Reply
from tests.support import KEY
from tests.test_chat import REPLY, ask, scripted, spec_of, use
from tests.test_replies import QUESTION, TARGET

ODD = 'sk-A/b+c&"0123<4>5678\\9=='
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as JSON": lambda key: json.dumps(key)[1:-1],
    "as PHP's JSON": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "in a path": quote,
    "in a query": lambda key: quote(key, safe=""),
    "in a form": quote_plus,
    "in lower-case escapes": lambda key: re.sub("%..", lambda one: one[0].lower(), quote(key)),
    "on a page": html.escape,
    "in entities": lambda key: "".join(f"&#x{ord(char):X};" for char in key),
    "in some entities": lambda key: re.sub(r"[/+=-]", lambda one: f"&#{ord(one[0])};", key),
    "as a template's page": lambda key: (
        html.escape(key).replace("/", "&#x2F;").replace("=", "&#x3D;")
    ),
    "on a page of a page": lambda key: html.escape(html.escape(key)),
    "in a path, but for +": lambda key: quote(key, safe="+"),
    "in a query of a query": lambda key: quote(quote(key, safe=""), safe=""),
    "as Go's JSON": lambda key: re.sub(r"[<>&]", lambda one: f"\\u{ord(one[0]):04x}", key),
    "as JavaScript": lambda key: re.sub(r"[/&<>-]", lambda one: f"\\x{ord(one[0]):02x}", key),
    "as JSON in JSON": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "in a mail": lambda key: key.replace("=", "=3D").replace("-", "=2D"),
    "in capitals": str.upper,
    "in the other case": str.swapcase,
    "over two lines": lambda key: f"{key[:11]}\r\n  {key[11:]}",
    "with marks that nobody sees": "\u200b".join,
    "as Basic credentials": lambda key: base64.b64encode(f":{key}".encode()).decode(),
    "as a user's credentials": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "as anybody's": lambda key: base64.urlsafe_b64encode(f"ann:{key}:x".encode()).decode(),
}


def reader(key: str) -> Reader:
    return Reader(Endpoint("mine", "http://a/v1", "MINE_KEY", True, "m", "http://a/v1"), (key,))


def read(key: str, body: Any, status: int = 200) -> Completion:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reader(key).completion(Reply(status, {}, data, 0.1), QUESTION, TARGET, 1)


def whole_part(form: str, key: str) -> str:
    """The middle of a form, where base64 is the key's own."""
    return FORMS[form](key)[6:-6]


@pytest.mark.parametrize("key", [KEY, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_key_is_shown_or_stored(form: str, key: str) -> None:
    echo = f"you sent {FORMS[form](key)}!"
    message = {"content": echo, "reasoning": echo, "audio": [echo], echo: 1}
    body = {
        "id": echo,
        "model": echo,
        "system_fingerprint": echo,
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "note": echo},
    }
    assert whole_part(form, key) not in repr(read(key, body))
    said = []
    for status in (200, 400, 403, 404, 429, 500):
        for wrong in (
            {"error": {"message": echo, "code": echo, "type": echo, "param": echo}},
            {"error": echo},
            {"detail": [{"msg": echo}]},
            f"<html><title>{echo}</title></html>".encode(),
            f"plain {echo}".encode(),
            f'{{"error": {{"message": "{echo}"'.encode(),
        ):
            with pytest.raises(failures.CallError) as caught:
                read(key, wrong, status)
            said.append(str(caught.value))
    assert not [line for line in said if whole_part(form, key) in line or key in line]


@pytest.mark.parametrize("key", [KEY, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize(
    "form", ["as it is", "as PHP's JSON", "in a query", "as a template's page"]
)
def test_no_error_shows_most_of_a_key(form: str, key: str) -> None:
    for piece in (key[2:], key[:-2], key[3:-3], key[: round(0.7 * len(key))]):
        with pytest.raises(failures.CallError) as caught:
            read(key, {"error": {"message": f"no key {FORMS[form](piece)} here"}}, 400)
        assert str(caught.value) == "mine: HTTP 400: no key *** here"


@pytest.mark.parametrize(
    "key",
    ["even", "Positive", "ollama", "customer-support", "sk-local", "2024-01-01 12:00", "gpt4"],
)
def test_a_key_that_is_a_word_masks_no_answer_and_every_error(key: str) -> None:
    text = f"The answer is {key}, {key.lower()}."
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    assert read(key, body).text == text
    with pytest.raises(failures.CallError) as caught:
        read(key, {"error": text}, 400)
    assert str(caught.value) == "mine: HTTP 400: The answer is ***, ***."


@pytest.mark.parametrize("key", ["sk-0123abcd9", "correct-horse-battery-staple", "0123456789" * 2])
def test_a_key_that_no_chance_writes_is_in_no_answer(key: str) -> None:
    body = {"choices": [{"message": {"content": f"It is {key}."}, "finish_reason": "stop"}]}
    assert read(key, body).text == "It is ***."


def test_a_key_in_answers_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    reply = {**REPLY, "choices": [{"message": {"content": KEY}, "finish_reason": "stop"}]}
    with scripted(*[(200, json.dumps(reply), {})] * 2) as (url, _):
        use(monkeypatch, url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        for _ in range(2):
            assert ask(spec_of(), notice=said.append).text == "***"
    assert said == [
        "openai: an answer quotes the key of OPENAI_API_KEY; such answers are kept and graded with "
        "*** in its place: mend the server, which must not repeat it"
    ]


def test_long_keys_and_long_texts_take_linear_time() -> None:
    key = "eyJ0." + "aB3/_-=\\\\" * 150
    mask = KeyMask(key)
    for text in (key[:-12] * 300, "e" + "\\" * 300_000, "e " * 200_000, "%25" * 200_000):
        assert mask.answer(text) == text
        assert mask.error(f"{text}{key}").endswith(MASK)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("body", ["{}", "<html>{}</html>", '{{"error": {{"message": "{}"}}}}'])
def test_no_cut_leaves_a_part_of_a_key(body: str, status: int) -> None:
    for pad in (*range(150, 430, 3), *range(99_960, 100_010, 5)):
        with pytest.raises(failures.CallError) as caught:
            read(KEY, body.format("x" * pad + KEY).encode(), status)
        assert KEY[:8] not in str(caught.value)


def test_a_page_that_spells_the_key_in_entities_does_not_show_it() -> None:
    spelt = "".join(f"&#{ord(char)};" for char in KEY)
    with pytest.raises(failures.CallError) as caught:
        read(KEY, f"<html><title>no {spelt}</title></html>".encode(), 500)
    assert str(caught.value) == "mine: HTTP 500: a web page, not an API's reply: no ***"


@pytest.mark.parametrize("blank", [" ", "\t", "  \t", "\u00a0"])
def test_a_key_with_blanks_at_its_ends_is_sent_and_masked_without(
    monkeypatch: pytest.MonkeyPatch, blank: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{blank}{KEY}{blank}")
    reply = {**REPLY, "choices": [{"message": {"content": KEY}, "finish_reason": "stop"}]}
    with scripted((200, json.dumps(reply), {})) as (url, sent):
        use(monkeypatch, url)
        assert ask(spec_of()).text == "***"
    assert sent[0][0]["authorization"] == f"Bearer {KEY}"


def test_a_key_of_blanks_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " \t")
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set"):
        ask(spec_of())
