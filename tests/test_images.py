"""Images that rows bring: addresses, data URIs, and files beside the table."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, OPTIONS, Project


def png(shade: int) -> bytes:
    """A PNG file of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    )


def uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


ROWS = [
    {"question": f"Which shape is path {i}?", "photo": f"p{i}.png", "label": OPTIONS[i % 4]}
    for i in range(34)
]
ANSWERS = {row["question"]: row["label"] for row in ROWS}
SPEC = """\
dataset:
  path: rows.jsonl
  inputs: [question, photo]
  target: label
  split: {train: 6, validation: 12, test: 16}
roles:
  target: {model: gpt-4.1-mini, max_tokens: 200, images: [photo], PROMPT}
  optimizer: {model: gpt-4.1, max_tokens: 400}
grader: {kind: choice}
optimizer: {strategy: demos, iterations: 1, demos: 2, race: false}
headroom: {rows: 0}
"""
CHAT = 'messages: [{system: Name the shape.}, {user: "{question}"}]'


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


def project_of(folder: Path, url: str, prompt: str, rows: list[dict[str, str]] = ROWS) -> Project:
    project = Project(folder, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    place = project.add("seen", SPEC.replace("PROMPT", prompt), rows_jsonl=text)
    for number in range(len(ROWS)):
        (place / f"p{number}.png").write_bytes(png(number))
    return project


@pytest.mark.parametrize(
    "prompt", [CHAT, pytest.param("prompt: Name the shape.", marks=pytest.mark.slow)]
)
def test_the_last_user_turn_shows_the_row_s_images_and_so_do_demos(
    prompt: str, server: LoopbackServer, tmp_path: Path
) -> None:
    project = project_of(tmp_path, server.base_url, prompt)
    outcome = project.run_json("seen")
    numbers = {row["question"]: n for n, row in enumerate(ROWS)}
    asked = [one["body"]["messages"] for one in server.ledger]
    assert max(map(len, asked)) > 2, "no candidate had demos"
    for messages in asked:
        assert messages[0] == {"role": "system", "content": "Name the shape."}
        for turn in messages:
            if turn["role"] != "user":
                continue
            text, image = turn["content"]
            question = next(one for one in ANSWERS if one in text["text"])
            assert "png" not in text["text"]
            assert image["image_url"]["url"] == uri(png(numbers[question]))
    template = json.loads(Path(outcome["best_request"]).read_bytes())
    assert template["request"]["messages"][-1]["content"][-1]["image_url"]["url"] == "{photo}"
    assert project.run_json("seen")["usd_paid"] == 0


@pytest.mark.slow
def test_another_image_of_the_same_name_is_another_row(
    server: LoopbackServer, tmp_path: Path
) -> None:
    project = project_of(tmp_path, server.base_url, CHAT)
    project.run_json("seen")
    before = len(server.ledger)
    for number in range(len(ROWS)):
        (project.experiments / "seen" / f"p{number}.png").write_bytes(png(100 + number))
    project.run_json("seen")
    after = server.ledger[before:]
    shown = {one["body"]["messages"][-1]["content"][1]["image_url"]["url"] for one in after}
    assert uri(png(7)) not in shown
    assert len(after) > 20


def test_addresses_and_data_uris_are_sent_as_they_are(
    server: LoopbackServer, tmp_path: Path
) -> None:
    kinds = ["https://example.org/a.png?x={question}", uri(png(1))]
    rows = [{**row, "photo": kinds[n % 2]} for n, row in enumerate(ROWS)]
    project_of(tmp_path, server.base_url, CHAT, rows).run_json("seen")
    asked = [one["body"]["messages"] for one in server.ledger]
    assert {one[-1]["content"][1]["image_url"]["url"] for one in asked} == {*kinds}


BAD = {
    "missing": ("nowhere.png", "is 'nowhere.png', a file that is not there; put it beside"),
    "no image": ("rows.jsonl", "is no PNG, JPEG, GIF or WebP image; convert it"),
    "outside": ("../../secret.png", "is '../../secret.png', outside of the table's folder; put"),
    "absolute": ("/etc/hostname", "is '/etc/hostname', outside of the table's folder; put it"),
    "empty": (" ", "is empty; name an image"),
    "another scheme": ("file:///etc/hostname", "is 'file:///etc/hostname' and no web address"),
    "a password": ("https://a:b@c.org/x.png", "is an address with a password in it; take it out"),
    "no data": ("data:image/png,xx", "is no data URI of an image in base64; mend it"),
    "no image's data": (
        "data:image/png;base64,aGVsbG8=",
        "is no PNG, JPEG, GIF or WebP image; convert it",
    ),
}


@pytest.mark.parametrize(("photo", "said"), BAD.values(), ids=BAD)
def test_an_image_that_cannot_be_shown_is_named_by_row(
    photo: str, said: str, tmp_path: Path
) -> None:
    rows = [*ROWS[:3], {**ROWS[3], "photo": photo}, *ROWS[4:]]
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", CHAT, rows)
    line = project.refused("check", "seen")
    assert f"rows.jsonl: line 4, column 'photo' {said}" in line


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", CHAT)
    with (project.experiments / "seen" / "p4.png").open("r+b") as file:
        file.truncate(21 * 2**20)
    assert "column 'photo' is larger than 20 MiB; make it smaller" in project.refused(
        "check", "seen"
    )


FIELDS = {
    "named": (
        CHAT.replace("{question}", "{question} {photo}"),
        "photo",
        "names 'photo', a column of images, which follow by themselves; take it out",
    ),
    "unknown": (CHAT, "picture", "roles.target.images.0 = 'picture' is no column of dataset"),
    "no user": ("messages: [{history: question}]", "photo", "images are shown in the last user"),
    "local": (CHAT + ", endpoint: local", "photo", "'local' takes no images; name another"),
}


@pytest.mark.parametrize(("prompt", "column", "said"), FIELDS.values(), ids=FIELDS)
def test_images_that_no_request_can_show_are_refused(
    prompt: str, column: str, said: str, tmp_path: Path
) -> None:
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", prompt)
    path = project.experiments / "seen" / "experiment.yaml"
    text = path.read_text().replace("images: [photo]", f"images: [{column}]")
    if "local" in prompt:
        text = text.replace("model: gpt-4.1-mini, ", "")
    path.write_text(text)
    assert said in project.refused("check", "seen")
