"""Fetch the weights of openai/gpt-oss-20b at one revision: python3 deploy/weights.py

They come to WEIGHTS (~/.cache/autoprompt-weights), in a folder named for the revision, and its path
is printed. Killed or cut off, it goes on from the byte where it was. HF_TOKEN is sent if it is set;
no token is read from a file, nor written to one.
"""

from __future__ import annotations

import fcntl
import fnmatch
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODEL = "openai/gpt-oss-20b"
# The model's main branch, as many public configurations pin it; the Hub itself could not be asked
# where this was written. `git ls-remote https://huggingface.co/openai/gpt-oss-20b` tells.
REVISION = "6cee5e81ee83917806bbde320786a8fb61efebee"
# The repository holds the same weights twice more, for other programs than vLLM.
NOT_NEEDED = ("original/*", "metal/*")
BLOCK = 1 << 24


class WeightsError(Exception):
    """The weights are not there; the message is one line and names the mend."""


@dataclass(frozen=True)
class Part:
    """A file of the model: its size in bytes, and its SHA-256 or, in git itself, git's hash."""

    path: str
    size: int
    sha256: str | None
    blob: str


def folder() -> Path:
    """Where the pinned revision is, or will be."""
    base = os.environ.get("WEIGHTS") or Path.home() / ".cache" / "autoprompt-weights"
    return Path(base) / REVISION


def fetch(place: Path, token: str | None) -> None:
    """Fill `place` with the model's files, each whole.

    Raises:
        WeightsError: one could not be had; what came of it is kept for the next run.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        place.mkdir(parents=True, exist_ok=True)
        with alone(place):
            # Then the Hub need not be asked, nor be there.
            whole = place / ".whole"
            if not whole.exists():
                for part in parts(token):
                    fetch_part(part, place, token)
                whole.touch()
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = ": set HF_TOKEN to one that may read it" if status in (401, 403) else ""
        raise WeightsError(f"the Hub answered {status} for {MODEL} at {REVISION}{hint}") from None
    except WeightsError:
        raise
    except Exception as error:
        # Whatever its transports raise, in one line without an address, which may hold a signature.
        what = error.strerror if isinstance(error, OSError) and error.strerror else ""
        said = f"{type(error).__name__} {what}".strip()
        raise WeightsError(f"broke off ({said}): run it again to go on") from None


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """One process at a time fills a folder; another waits."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parts(token: str | None) -> list[Part]:
    """What the revision holds that vLLM reads."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    # False: not even a token that was left by `hf auth login`.
    tree = HfApi(token=token or False).list_repo_tree(MODEL, recursive=True, revision=REVISION)
    return [
        Part(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
        for entry in tree
        if isinstance(entry, RepoFile)
        and not any(fnmatch.fnmatch(entry.path, pattern) for pattern in NOT_NEEDED)
    ]


def fetch_part(part: Part, place: Path, token: str | None) -> None:
    """Load one file, from where an earlier run broke off, and put it in its place when it is whole.

    huggingface_hub's own cache starts a file anew after a kill, 5 GB of it; its `http_get` goes on.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get

    target = place / part.path
    if not target.resolve().is_relative_to(place.resolve()):
        raise WeightsError(f"{part.path!r}: leads out of the folder")
    if target.is_file() and target.stat().st_size == part.size:
        return
    begun = place / f".{part.blob}.part"
    with begun.open("ab") as file:
        pass
    with begun.open("r+b") as file:
        start = file.seek(0, os.SEEK_END)
        if start > part.size:
            start = file.truncate(0)
            file.seek(0)
        http_get(
            hf_hub_url(MODEL, part.path, revision=REVISION),
            file,
            resume_size=start,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            expected_size=part.size,
            displayed_filename=part.path,
        )
        os.fsync(file.fileno())
    if not is_whole(begun, part):
        begun.unlink()
        raise WeightsError(f"{part.path}: came damaged, run it again to load it anew")
    target.parent.mkdir(parents=True, exist_ok=True)
    begun.replace(target)


def is_whole(path: Path, part: Part) -> bool:
    """Whether a file has the hash that the Hub names."""
    # Git's own hash of a file is one of its size and content.
    digest = hashlib.sha256() if part.sha256 else hashlib.sha1(f"blob {part.size}\0".encode())  # noqa: S324
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == (part.sha256 or part.blob)


def main() -> int:
    """Fetch, or say in one line what is in the way."""
    try:
        import huggingface_hub  # noqa: F401
    except ModuleNotFoundError:
        return in_venv()
    try:
        fetch(folder(), os.environ.get("HF_TOKEN"))
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: run it again to go on", file=sys.stderr)
        return 130
    print(folder())
    return 0


def in_venv() -> int:
    """Go on in .venv-vllm, which has Hugging Face's client, and is made where it is not there."""
    import vllm

    try:
        vllm.install()
    except (vllm.HostError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    python = str(vllm.VENV / "bin" / "python")
    return os.execv(python, [python, str(Path(__file__).resolve())])


if __name__ == "__main__":
    sys.exit(main())
