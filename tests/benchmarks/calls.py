"""What a model call costs: the product beside its peers, in one run against one loopback server.

    python -m tests.benchmarks.calls [--quick] [SECTION ...]

Prints Markdown. Nothing is asserted: figures are a machine's, and tests must hold on any. Client
and server are a process each, so fewer than two idle cores measure their quarrel instead. A dash
is a figure that nobody has yet.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks import environment
from tests.benchmarks.markdown import table
from tests.benchmarks.measure import Figures, launch
from tests.benchmarks.server import Stats, serving, stats_of

SATURATED = 64
"""Calls in flight where the client is the bottleneck."""
RATE = 200.0
DASH = "–"
CLIENTS = {
    "plain-aiohttp": f"plain aiohttp {environment.CLIENTS.pinned('aiohttp')}",
    "autoprompt": "autoprompt",
    "openai-aiohttp": f"openai {environment.CLIENTS.pinned('openai')}, aiohttp backend",
    "openai-default": f"openai {environment.CLIENTS.pinned('openai')}, default backend",
    "litellm": f"litellm {environment.CLIENTS.pinned('litellm')}",
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured; figures of small sizes are rough."""

    saturated: int = 5_000
    warmup: int = 500
    rounds: int = 3
    waiting: int = 20_000
    ramp: int = 1_600
    limited: int = 3_000
    replayed: int = 20_000
    memory: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    small: tuple[int, ...] = (400, 2_000)


QUICK = Sizes(1_000, 200, 1, 2_000, 400, 600, 2_000, (2_000, 10_000))


def client(name: str, base_url: str, calls: int, concurrency: int, warmup: int) -> Figures | None:
    """Measure one client in a process of its own; `warmup` is 0 where the server counts."""
    if name == "autoprompt":
        cold = () if warmup else ("--cold",)
        return subject("live", base_url, calls, concurrency, *cold)
    module, options = "tests.benchmarks.peers", ("--calls", calls, "--concurrency", concurrency)
    return launch(
        environment.CLIENTS.python(), module, name, base_url, *options, "--warmup", warmup
    )


def subject(what: str, base_url: str, rows: int, concurrency: int, *more: str) -> Figures | None:
    options = ("--rows", rows, "--concurrency", concurrency, *more)
    return launch(sys.executable, "tests.benchmarks.subject", what, base_url, *options)


def answered(name: str, base_url: str, calls: int, concurrency: int, warmup: int) -> Figures | None:
    """As `client`, where no call may fail: one that failed costs another thing than an answer."""
    figures = client(name, base_url, calls, concurrency, warmup)
    if figures is not None and figures.failed:
        sys.exit(f"{name}: {figures.failed} of {figures.calls} calls failed: nothing is measured")
    return figures


def saturation(sizes: Sizes) -> str:
    """What a call costs where nothing but the client's own work takes time."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in CLIENTS}
    with serving() as base_url:
        # Rounds, not client by client: a disturbance then meets each of them.
        for name in [*CLIENTS] * sizes.rounds:
            before = stats_of(base_url)
            figures = answered(name, base_url, sizes.saturated, SATURATED, sizes.warmup)
            if figures is not None:
                server = server_ms(before, stats_of(base_url))
                row = (figures.cpu_ms, figures.calls_per_s, figures.rss_mb, server)
                found[name].append(row)
    rows = [[CLIENTS[name], *saturated_cells(seen)] for name, seen in found.items()]
    title = (
        f"At saturation: {sizes.saturated:,} calls, {SATURATED} in flight, no delay; "
        f"median of {sizes.rounds}"
    )
    measured = ["CPU ms per call", "calls/s", "peak RSS growth, MB", "the server's CPU ms per call"]
    return table(title, ["client", *measured], rows)


def server_ms(before: Stats, after: Stats) -> float:
    return (after.cpu_s - before.cpu_s) / (after.requests - before.requests) * 1e3


def saturated_cells(seen: Sequence[tuple[float, ...]]) -> list[str]:
    if not seen:
        return [DASH] * 4
    cpu_ms, calls_per_s, rss_mb, server = map(statistics.median, zip(*seen, strict=True))
    return [f"{cpu_ms:.3f}", f"{calls_per_s:,.0f}", f"{rss_mb:.1f}", f"{server:.3f}"]


def waiting(sizes: Sizes) -> str:
    """How much longer calls take than a server with a fixed delay makes them.

    Equal delays keep calls in step: answers come in clumps and wait for each other in the client.
    Read a client's figure beside plain aiohttp's, which is the floor.
    """
    names, rows = ("plain-aiohttp", "autoprompt"), []
    for delay, concurrency in ((0.2, 100), (0.05, 50)):
        with serving(delay=delay) as base_url:
            for calls in (sizes.waiting, sizes.ramp):
                ideal = calls * delay / concurrency
                cells = [f"{delay * 1e3:.0f} ms, {concurrency}", f"{calls:,}", f"{ideal:.1f}"]
                for name in names:
                    figures = answered(name, base_url, calls, concurrency, warmup=concurrency)
                    cells.append(over_ideal(figures, ideal))
                rows.append(cells)
    header = ["server's delay, in flight", "calls", "ideal, s", *(CLIENTS[name] for name in names)]
    return table("Wall time over the ideal (calls x delay / in flight)", header, rows)


def ramp(sizes: Sizes) -> str:
    """What a small search waits for while the limiter grows, and where an earlier one has run.

    Cold: a home without a journal, so that the first call goes alone, to find the requests' form.
    Warm: another process on the same home, with rows that it does not hold.
    """
    delay, concurrency = 0.2, 100
    rows = []
    for calls in sizes.small:
        ideal = calls * delay / concurrency
        found: dict[str, list[float]] = {"plain-aiohttp": [], "cold": [], "warm": []}
        for _ in range(sizes.rounds):
            with serving(delay=delay) as base_url, tempfile.TemporaryDirectory() as home:
                plain = answered("plain-aiohttp", base_url, calls, concurrency, 0)
                options = (calls, concurrency, "--cold", "--home", home)
                runs = (plain, *(subject("live", base_url, *options) for _ in range(2)))
            for name, figures in zip(found, runs, strict=True):
                if figures is not None:
                    found[name].append(figures.wall_s / ideal)
        cells = [f"{statistics.median(seen):.2f}" if seen else DASH for seen in found.values()]
        rows.append([f"{calls:,}", f"{ideal:.1f}", *cells])
    title = (
        f"A small search: wall time over the ideal, {delay * 1e3:.0f} ms, {concurrency} in flight"
    )
    header = ["calls", "ideal, s", CLIENTS["plain-aiohttp"], "autoprompt, cold", "autoprompt, warm"]
    return table(f"{title}; median of {sizes.rounds}", header, rows)


def over_ideal(figures: Figures | None, ideal: float) -> str:
    if figures is None:
        return DASH
    return f"+{figures.wall_s - ideal:.2f} s ({figures.wall_s / ideal - 1:+.1%})"


def limited(sizes: Sizes) -> str:
    """How well a client keeps to a rate that it is not told, and what it loses on the way."""
    rows = []
    for name in ("autoprompt", "openai-default", "litellm"):
        with serving(rate=RATE) as base_url:
            figures = client(name, base_url, sizes.limited, SATURATED, 0)
            rows.append([CLIENTS[name], *limited_cells(figures, stats_of(base_url))])
    title = (
        f"A server of {RATE:.0f} calls/s with a burst of one second, else 429 and Retry-After: "
        f"{sizes.limited:,} calls, {SATURATED} at most in flight"
    )
    header = ["client", "share of the rate used", "requests refused", "calls failed", "wall, s"]
    return table(title, header, rows)


def limited_cells(figures: Figures | None, stats: Stats) -> list[str]:
    if figures is None:
        return [DASH] * 4
    offered = RATE * (stats.span_s + 1)
    share, refused = (stats.requests - stats.refused) / offered, stats.refused
    return [f"{share:.1%}", f"{refused:,}", f"{figures.failed:,}", f"{figures.wall_s:.1f}"]


def replay(sizes: Sizes) -> str:
    """How fast answers come from the journal."""
    with serving() as base_url:
        figures = subject("replay", base_url, sizes.replayed, SATURATED)
    cells = [f"{figures.calls_per_s:,.0f}", f"{figures.cpu_ms:.3f}"] if figures else [DASH] * 2
    title = f"Replay from the journal: {sizes.replayed:,} calls"
    return table(title, ["client", "calls/s", "CPU ms per call"], [["autoprompt", *cells]])


def memory(sizes: Sizes) -> str:
    """Whether what a row leaves in memory adds up."""
    rows = []
    with serving() as base_url:
        for count in sizes.memory:
            figures = answered("autoprompt", base_url, count, SATURATED, sizes.warmup)
            rows.append([f"{count:,}", *memory_cells(figures)])
    header = ["rows", "peak RSS above the start, MB", "KB per row"]
    return table("Memory of autoprompt", header, rows)


def memory_cells(figures: Figures | None) -> list[str]:
    if figures is None:
        return [DASH] * 2
    return [f"{figures.rss_mb:.1f}", f"{figures.rss_mb * 1024 / figures.calls:.2f}"]


SECTIONS: dict[str, Callable[[Sizes], str]] = {
    "saturation": saturation,
    "waiting": waiting,
    "ramp": ramp,
    "limited": limited,
    "replay": replay,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.calls")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="small sizes: a minute, rough figures")
    chosen = parser.parse_args()
    unknown = set(chosen.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    environment.CLIENTS.python()  # its set-up is no part of the time below
    started = time.perf_counter()
    cores = os.cpu_count()
    print(f"{cores} cores, Python {platform.python_version()}, {platform.system()}\n", flush=True)
    for name in chosen.sections or SECTIONS:
        print(SECTIONS[name](QUICK if chosen.quick else Sizes()), flush=True)
    load = os.getloadavg()[0]
    print(
        f"The run took {time.perf_counter() - started:.0f} s; load average at its end {load:.1f}."
    )


if __name__ == "__main__":
    main()
