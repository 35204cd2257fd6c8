"""Sets up `.venv` in the project root from the hash-pinned requirements. Needs Python 3.11+ only.

    python3 deploy/install.py [COMMAND ...]

installs what is missing, once per content of requirements.txt, and then runs COMMAND with the
environment's programs first on PATH.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


def main() -> None:
    """Install what is missing, then run the command given."""
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    inputs = (ROOT / "requirements.txt", ROOT / "pyproject.toml")
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = VENV / "installed"
    if not stamp.exists() or stamp.read_text() != f"{ROOT} {wanted}":
        install()
        stamp.write_text(f"{ROOT} {wanted}")
    if len(sys.argv) > 1:
        os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
        program = shutil.which(sys.argv[1])
        if program is None:
            sys.exit(f"there is no program {sys.argv[1]!r} in {BIN} or on PATH")
        sys.exit(subprocess.run([program, *sys.argv[2:]], cwd=ROOT, check=False).returncode)


def install() -> None:
    """The pinned requirements, then the project itself, built with a pinned builder."""
    pip = make_environment()
    print(f"installing into {VENV} (a minute or so) ...", file=sys.stderr, flush=True)
    pinned = ["--require-hashes", "-r", "requirements.txt"]
    run([*pip, "install", "--quiet", "--no-deps", *pinned])
    run([*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", "."])


def make_environment() -> list[str]:
    """Make `.venv` where it is missing; the command that is its pip.

    Debian's python3 comes without ensurepip: there the pip of the system, if any, installs into
    the environment from outside.
    """
    python = str(BIN / "python")
    if works([python, "-m", "pip", "--version"]):
        return [python, "-m", "pip"]
    if works([sys.executable, "-c", "import ensurepip"]):
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        return [python, "-m", "pip"]
    if works([sys.executable, "-m", "pip", "--version"]):
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)])
        return [sys.executable, "-m", "pip", "--python", python]
    sys.exit("this Python has neither ensurepip nor pip; on Debian: apt-get install python3-venv")


def works(command: list[str]) -> bool:
    """True when `command` can be run and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(command: list[str]) -> None:
    """Run `command` in the project root; its failure ends the set-up."""
    quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(command, cwd=ROOT, env=quiet, check=False).returncode:
        sys.exit(f"the set-up failed at: {' '.join(command)}")


if __name__ == "__main__":
    main()
