"""The weights of gpt-oss-20b: one revision of them, fetched once, from where it broke off."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import Hub
from tests.support import ROOT
from tests.webserver import wait_for

SCRIPT = ROOT / "deploy" / "weights.py"
TEXT = SCRIPT.read_text(encoding="utf-8")
MODEL = "openai/gpt-oss-20b"
TOKEN = "hf_must_not_be_seen"
(REVISION,) = re.findall(r'^REVISION = "([0-9a-f]{40})"$', TEXT, re.MULTILINE)
# Several of huggingface_hub's pieces of 10 MB.
LARGE = random.Random(0).randbytes(34_000_001)
FILES = {
    "config.json": b'{"model_type": "gpt_oss"}\n',
    "model-00000-of-00001.safetensors": LARGE,
    "model.safetensors.index.json": b"{}",
    "original/model.safetensors": b"again",
    "metal/model.bin": b"once more",
}
WANTED = {name for name in FILES if "/" not in name}
SHARD = "model-00000-of-00001.safetensors"
pytestmark = pytest.mark.slow


@pytest.fixture
def hub() -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub", reason="tests/requirements-hub.txt is not installed")
    with Hub(MODEL, REVISION, FILES) as hub:
        yield hub


def start(hub: Hub, folder: Path, **environ: str) -> subprocess.Popen[str]:
    own = {"HF_ENDPOINT": hub.address, "WEIGHTS": str(folder), "HF_HOME": str(folder / "hf")}
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        env=kept | own | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(hub: Hub, folder: Path, **environ: str) -> tuple[int, str, str]:
    process = start(hub, folder, **environ)
    said, errors = process.communicate(timeout=120)
    return process.returncode, said, errors


def found(folder: Path) -> dict[str, bytes]:
    place = folder / REVISION
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def whole() -> dict[str, bytes]:
    return {name: FILES[name] for name in WANTED}


def test_what_vllm_reads_is_fetched_at_the_pinned_revision_once(hub: Hub, tmp_path: Path) -> None:
    hub.token = TOKEN
    code, said, errors = run(hub, tmp_path, HF_TOKEN=TOKEN)
    assert (code, said.strip()) == (0, str(tmp_path / REVISION)), errors
    assert found(tmp_path) == whole()
    assert all(REVISION in path for path, _ in hub.asked if path != f"/{SHARD}")
    # The store has addresses that are signed, and is not told the token.
    assert hub.tokens == {"hub": {f"Bearer {TOKEN}"}, "store": {None}}
    assert TOKEN not in said + errors
    asked = len(hub.asked)
    assert run(hub, tmp_path, HF_TOKEN=TOKEN)[0] == 0
    assert len(hub.asked) == asked


def test_killed_it_goes_on_from_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.pause = 0.05
    process = start(hub, tmp_path)
    begun = tmp_path / REVISION
    wait_for(lambda: any(one.stat().st_size for one in begun.glob(".*.part")), 60, 0.02)
    process.kill()
    process.communicate()
    (part,) = begun.glob(".*.part")
    start_at = part.stat().st_size
    assert 0 < start_at < len(LARGE)
    hub.pause = 0
    assert run(hub, tmp_path)[0] == 0
    assert (f"/{SHARD}", f"bytes={start_at}-") in hub.asked
    assert found(tmp_path) == whole()
    assert not list(begun.glob(".*.part"))


def test_a_connection_that_breaks_off_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 20_000_000
    code, _, errors = run(hub, tmp_path)
    assert code == 0, errors
    assert found(tmp_path) == whole()
    first, second = (span for path, span in hub.asked if path == f"/{SHARD}")
    assert first is None
    assert second is not None


@pytest.mark.parametrize("name", [SHARD, "config.json"])
def test_what_came_damaged_is_not_kept(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.served[name] = FILES[name][:-1] + b"?"
    code, said, errors = run(hub, tmp_path)
    assert (code, said) == (2, "")
    assert errors.splitlines()[-1].startswith(f"error: {name}: came damaged")
    assert name not in found(tmp_path)
    hub.served.clear()
    assert run(hub, tmp_path)[0] == 0
    assert found(tmp_path) == whole()


def test_a_refusal_is_one_line_without_the_token(hub: Hub, tmp_path: Path) -> None:
    hub.token = "another"
    code, said, errors = run(hub, tmp_path, HF_TOKEN=TOKEN)
    assert (code, said) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith(f"error: the Hub answered 401 for {MODEL} at {REVISION}: set HF_TOKEN")


def test_a_token_in_a_file_is_not_used(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(TOKEN, encoding="utf-8")
    assert run(hub, tmp_path)[0] == 0
    assert hub.tokens == {"hub": {None}, "store": {None}}


def test_a_hub_that_is_not_there_is_one_line(hub: Hub, tmp_path: Path) -> None:
    code, said, errors = run(hub, tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert (code, said) == (2, "")
    assert errors.splitlines()[-1].startswith("error: broke off (ConnectError")


def test_a_name_that_leads_out_of_the_folder_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"../../out.json": b"{}"}
    code, _, errors = run(hub, tmp_path)
    assert code == 2
    assert "leads out of the folder" in errors
    assert not (tmp_path / "out.json").exists()


def test_two_at_once_fetch_it_once(hub: Hub, tmp_path: Path) -> None:
    both = [start(hub, tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [
        str(tmp_path / REVISION)
    ] * 2
    assert len([path for path, _ in hub.asked if path == f"/{SHARD}"]) == 1


def test_the_client_is_that_of_the_lock() -> None:
    version = r"^huggingface-hub==(\S+)"
    pinned, tested = (
        re.findall(version, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        for path in ("deploy/requirements-vllm.txt", "tests/requirements-hub.txt")
    )
    assert pinned == tested
