"""Serve openai/gpt-oss-20b with vLLM on this host: python3 deploy/vllm.py"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-vllm"
REQUIREMENTS = ROOT / "deploy" / "requirements-vllm.txt"
STAMP = VENV / ".requirements-sha256"
MODEL = "openai/gpt-oss-20b"
# Both spellings, so that a client may name the model with or without its publisher.
SERVED_NAMES = ("gpt-oss-20b", MODEL)
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Only what departs from vLLM's defaults. Prefix caching, asynchronous scheduling, chunked
# prefill, the attention backend and gpt-oss's reasoning parser are left to vLLM, which
# already turns them on or picks them for this model and GPU.
PROFILES: dict[str, dict[str, str]] = {
    "24gb": {
        # The model's own 131072 would have to fit in the KV cache at startup; prompts and
        # the reasoning before an answer stay well below this.
        "--max-model-len": "16384",
        # Below the default 0.92: the card of a workstation may drive a display too.
        "--gpu-memory-utilization": "0.90",
        # Half the default 256: past this, long reasonings would be preempted and recomputed
        # once the small KV cache is full.
        "--max-num-seqs": "128",
        # vLLM raises it to 1024 for gpt-oss; graphs for batches beyond --max-num-seqs would
        # take memory from the KV cache.
        "--max-cudagraph-capture-size": "128",
    },
    "h100": {
        # Room for high reasoning effort, while one runaway answer cannot hold the cache.
        "--max-model-len": "32768",
        # The value of vLLM's gpt-oss recipe for Hopper; the memory is there.
        "--max-cudagraph-capture-size": "2048",
    },
}
# MiB. A 24 GB card reports 22500 to 24600, an 80 GB card about 81000; what lies between
# (40 and 48 GB) gets the smaller profile, which fits there as well.
MIN_24GB = 22_000
MIN_H100 = 78_000


class HostError(Exception):
    """This host cannot serve the model; the message is one line and names the mend."""


def gpu_memory_mib() -> int:
    if sys.platform != "linux":
        raise HostError("vLLM serves on Linux only: run this on a Linux host with an NVIDIA GPU")
    smi = shutil.which("nvidia-smi")
    if smi is None:
        raise HostError("nvidia-smi not found: install the NVIDIA driver, or use a GPU host")
    query = [smi, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    found = subprocess.run(query, capture_output=True, text=True, check=False)
    sizes = [int(line) for line in found.stdout.split() if line.isdigit()]
    if found.returncode != 0 or not sizes:
        raise HostError("nvidia-smi reports no GPU: check the driver, or use a GPU host")
    # The smallest, because which GPU vLLM takes first is not this script's to know.
    return min(sizes)


def pick_profile(memory_mib: int) -> str:
    if memory_mib >= MIN_H100:
        return "h100"
    if memory_mib >= MIN_24GB:
        return "24gb"
    raise HostError(f"the GPU has {memory_mib} MiB, too little: use one of 24 GB or more")


def serve_command(profile: str, host: str, port: int) -> list[str]:
    command = [str(VENV / "bin" / "vllm"), "serve", MODEL]
    command += ["--served-model-name", *SERVED_NAMES]
    command += ["--host", host, "--port", str(port)]
    for flag, value in PROFILES[profile].items():
        command += [flag, value]
    return command


def run_step(command: Sequence[str], mend: str) -> None:
    # To stderr, so that stdout stays vLLM's own.
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise HostError(mend)


def install() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        raise HostError("vLLM needs Python 3.11 to 3.14: run this script with one of those")
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text().strip() == wanted:
        return
    # Asked of pip, not of the folder: venv leaves a folder behind when ensurepip is missing.
    if not (VENV / "bin" / "pip").exists():
        run_step(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "could not create .venv-vllm: install Python's venv module (python3-venv)",
        )
    STAMP.unlink(missing_ok=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install"]
    # --no-deps: the lock is complete, so anything pip would add is not pinned.
    # --only-binary: a source build would run code, and fetch tools, that no hash covers.
    run_step(
        [*pip, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)],
        "pip could not install deploy/requirements-vllm.txt: see its message above, then rerun",
    )
    STAMP.write_text(wanted + "\n")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=("auto", *PROFILES), default="auto")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--dry-run", action="store_true", help="print the command, do nothing")
    return parser.parse_args(argv)


def start(args: argparse.Namespace) -> None:
    profile: str = args.profile
    # A dry run of a named profile asks nothing of the host, so it works on a laptop.
    if profile == "auto" or not args.dry_run:
        memory = gpu_memory_mib()
        profile = pick_profile(memory) if profile == "auto" else profile
    command = serve_command(profile, args.host, args.port)
    if args.dry_run:
        print(shlex.join(command))
        return
    install()
    if args.host not in LOOPBACK and not os.environ.get("VLLM_API_KEY"):
        print(f"warning: {args.host} is open without VLLM_API_KEY", file=sys.stderr)
    # vLLM reads VLLM_API_KEY itself, which keeps the key out of argv and process lists.
    # PATH: kernels compiled at startup look for the ninja that is installed in the venv.
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    os.execve(command[0], command, {**os.environ, "PATH": path})


def main(argv: Sequence[str] | None = None) -> int:
    try:
        start(parse_args(argv))
    except (HostError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
