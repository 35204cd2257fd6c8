"""Serve openai/gpt-oss-20b with vLLM on this host: python3 deploy/vllm.py

vLLM listens on a socket that this user alone reaches, behind the gate (host/sleep_gate.py), which
lets it sleep when it is idle: its routes for that ask for no key.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from weights import MODEL, folder

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-vllm"
REQUIREMENTS = ROOT / "deploy" / "requirements-vllm.txt"
STAMP = VENV / ".requirements-sha256"
GATE = ROOT / "deploy" / "host" / "sleep_gate.py"
WEIGHTS = ROOT / "deploy" / "weights.py"
# Both spellings, so that a client may name the model with or without its publisher.
SERVED_NAMES = ("gpt-oss-20b", MODEL)
# Linux's limit, less the end of the text.
LONGEST_SOCKET = 107
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Of every profile: weights streamed by Run:ai's reader, and sleep, which the gate asks for.
COMMON = ("--load-format", "runai_streamer", "--enable-sleep-mode")
# What vLLM's process is told besides; compose.yaml says the same.
ENVIRONMENT = {
    # The weights are here, and a look for others must not go out.
    "HF_HUB_OFFLINE": "1",
    # Not where it stands: a network without a way out has no address that it would find.
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_NO_USAGE_STATS": "1",
    # /sleep, /wake_up and /is_sleeping.
    "VLLM_SERVER_DEV_MODE": "1",
}
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


def serve_command(profile: str, listen: Sequence[str]) -> list[str]:
    command = [str(VENV / "bin" / "vllm"), "serve", str(folder())]
    command += ["--served-model-name", *SERVED_NAMES, *listen, *COMMON]
    for flag, value in PROFILES[profile].items():
        command += [flag, value]
    return command


def gate_settings(args: argparse.Namespace, socket: Path) -> dict[str, str]:
    return {
        "ENGINES": f"unix:{socket}",
        "IDLE_SECONDS": str(args.idle),
        "GATE_HOST": args.host,
        "GATE_PORT": str(args.port),
    }


def make_way(socket: Path) -> None:
    """A folder for the socket that no other user can enter or has made, without an old socket."""
    place = socket.parent
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        raise HostError(f"{socket}: too long for a socket, set TMPDIR to a folder of a short path")
    try:
        place.mkdir(mode=0o700)
    except FileExistsError:
        found = place.lstat()
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if not mine or found.st_mode & 0o077:
            raise HostError(f"{place} is not this user's alone: remove it, or use --port") from None
    socket.unlink(missing_ok=True)


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
    parser.add_argument(
        "--idle", type=int, default=300, help="seconds without a request, after which it sleeps"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, do nothing")
    return parser.parse_args(argv)


def start(args: argparse.Namespace) -> int:
    profile: str = args.profile
    # A dry run of a named profile asks nothing of the host, so it works on a laptop.
    if profile == "auto" or not args.dry_run:
        memory = gpu_memory_mib()
        profile = pick_profile(memory) if profile == "auto" else profile
    socket = Path(tempfile.gettempdir()) / f"autoprompt-vllm-{args.port}" / "vllm.sock"
    command = serve_command(profile, ["--uds", str(socket)])
    python, settings = str(VENV / "bin" / "python"), gate_settings(args, socket)
    gate = [python, str(GATE)]
    if args.dry_run:
        for environment, one in ((ENVIRONMENT, command), (settings, gate)):
            said = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
            print(*said, shlex.join(one))
        return 0
    install()
    run_step([python, str(WEIGHTS)], "the weights are not all there: see the message above")
    if args.host not in LOOPBACK and not os.environ.get("VLLM_API_KEY"):
        print(f"warning: {args.host} is open without VLLM_API_KEY", file=sys.stderr)
    make_way(socket)
    # vLLM reads VLLM_API_KEY itself, which keeps the key out of argv and process lists.
    # PATH: kernels compiled at startup look for the ninja that is installed in the venv.
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    keys = ("HF_TOKEN", "VLLM_API_KEY")
    bare = {name: value for name, value in os.environ.items() if name not in keys}
    own = {name: os.environ[name] for name in keys[1:] if name in os.environ}
    engine = {**bare, **own, **ENVIRONMENT, "PATH": path}
    return together([(command, engine), (gate, {**bare, **settings})])


def together(commands: Sequence[tuple[Sequence[str], Mapping[str, str]]]) -> int:
    """Run them side by side; with the first that ends, or at a signal, all end."""
    running = [subprocess.Popen(one, env=own) for one, own in commands]

    def end(*_: object) -> None:
        for process in running:
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    # Until one has ended, and without taking its status from subprocess.
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    ended = next((one for one in running if one.poll() is not None), running[0])
    end()
    for process in running:
        process.wait()
    return ended.returncode or 0


def main(argv: Sequence[str] | None = None) -> int:
    try:
        return start(parse_args(argv))
    except (HostError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
