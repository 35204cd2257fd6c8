"""What every client is asked, and what it is measured by; Linux, standard library only.

The clients run in interpreters of their own, which hold different packages: nothing here may need
any of them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
MODEL = "gpt-4.1-mini"
INSTRUCTION = (
    "You are given the path element of a drawing in SVG. Look at its segments one by one, say what "
    "shape they make up together, and end with a sentence that holds the answer and nothing else."
)


def question(number: int) -> str:
    """The text of one row; no two rows have the same."""
    points = " ".join(f"L {number % (7 + i)}.{i}2,{number % (5 + i)}.{i}7" for i in range(10))
    return f'Row {number}: which shape is <path d="M 41.00,43.00 {points}"/>?'


@dataclass(frozen=True)
class Figures:
    """One client's measured calls, without its start and its warm-up."""

    calls: int
    failed: int
    wall_s: float
    cpu_s: float
    """Processor time of the client's whole process, system time included."""
    rss_mb: float
    """The highest resident memory since the start, above what it was at the start."""

    @property
    def cpu_ms(self) -> float:
        """Per call."""
        return self.cpu_s / self.calls * 1e3

    @property
    def calls_per_s(self) -> float:
        return self.calls / self.wall_s


class Meter:
    """Measures this process between entry and exit."""

    def __enter__(self) -> Self:
        # Else the high-water mark would be that of the imports and of the warm-up.
        Path("/proc/self/clear_refs").write_text("5")
        self._rss = _status_mb("VmRSS")
        self._cpu, self._wall = _cpu_s(), time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._wall = time.perf_counter() - self._wall
        self._cpu = _cpu_s() - self._cpu
        self._rss = _status_mb("VmHWM") - self._rss

    def figures(self, calls: int, failed: int) -> Figures:
        """What was measured, after exit."""
        return Figures(calls, failed, self._wall, self._cpu, self._rss)


def tell(figures: Figures) -> None:
    """Print figures as the last line of the output, where `launch` reads them."""
    print(json.dumps(asdict(figures)), flush=True)


def launch(python: str, module: str, *arguments: object) -> Figures | None:
    """Run a client's module in an interpreter; `None` where it has nothing to tell.

    Raises:
        subprocess.CalledProcessError: it failed; what it said on stderr has been shown.
    """
    command = [python, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()
    return Figures(**json.loads(lines[-1])) if lines else None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _status_mb(name: str) -> float:
    # Not getrusage's maximum: that outlives exec and would hold the parent's.
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{name}:")[2].split()[0]) / 1024
