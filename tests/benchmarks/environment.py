"""The peers' own virtual environment: the product's never holds their packages."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv

from tests.benchmarks.measure import ROOT

REQUIREMENTS = ROOT / "tests" / "benchmarks" / "requirements.txt"
FOLDER = ROOT / ".autoprompt" / "benchmarks" / "peers"


def peers_python() -> str:
    """The interpreter with the pinned packages, made on first use and when the pins change."""
    stamp, python = FOLDER / "installed", str(FOLDER / "bin" / "python")
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    wanted = f"{sys.version} {pins}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing the peers into {FOLDER} (once) ...", file=sys.stderr, flush=True)
        venv.create(FOLDER, clear=True, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pinned = ["--no-deps", "--require-hashes", "-r", str(REQUIREMENTS)]
        subprocess.run([*install, *pinned], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def pinned(package: str) -> str:
    """The version of a peer, as the pins have it."""
    found = re.search(rf"^{package}==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]
