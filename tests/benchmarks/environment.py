"""The peers' own virtual environments: the product's never holds their packages."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import ROOT

FOLDER = ROOT / ".autoprompt" / "benchmarks"


@dataclass(frozen=True)
class Environment:
    """A virtual environment of pinned packages, in a folder of its own."""

    requirements: Path
    folder: Path

    def python(self) -> str:
        """The interpreter with the packages, made on first use and when the pins change.

        Raises:
            subprocess.CalledProcessError: they cannot be installed.
        """
        stamp, python = self.folder / "installed", str(self.folder / "bin" / "python")
        pins = hashlib.sha256(self.requirements.read_bytes()).hexdigest()
        wanted = f"{sys.version} {pins}"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            print(f"installing peers into {self.folder} (once) ...", file=sys.stderr, flush=True)
            venv.create(self.folder, clear=True, with_pip=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            pinned = ["--no-deps", "--require-hashes", "-r", str(self.requirements)]
            subprocess.run([*install, *pinned], check=True)
            stamp.write_text(wanted, encoding="utf-8")
        return python

    def pinned(self, package: str) -> str:
        """The version of a peer, as the pins have it."""
        found = re.search(
            rf"^{package}==(\S+)", self.requirements.read_text(encoding="utf-8"), re.M
        )
        assert found is not None
        return found[1]


CLIENTS = Environment(ROOT / "tests" / "benchmarks" / "requirements.txt", FOLDER / "peers")
"""Other clients of the same API: what a call costs."""
OPTIMIZERS = Environment(
    ROOT / "tests" / "benchmarks" / "proof" / "requirements.txt", FOLDER / "peers-proof"
)
"""Other prompt optimizers: what a search finds."""
