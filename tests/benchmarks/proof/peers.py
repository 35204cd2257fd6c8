"""The published `gepa` package and DSPy's MIPROv2 on one simulated task, as their users run them.

    python -m tests.benchmarks.proof.peers < job.json

Runs in these peers' own environment (see `environment.OPTIMIZERS`), so nothing here needs the
product's packages. It prints the curve as JSON on its last line: the calls that the server's ledger
counts, target and optimizer together, and the true score of the best so far, as the peer judges it.

What differs from their defaults: gepa also merges; MIPROv2 may show 8 labeled demos, as ours may,
and its numbers of candidates and trials follow the budget. DSPy's cache in memory is on, as it is
by default, so what it repeats costs it nothing; that on disk is off, or runs would share calls.
"""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.simulated.landscape import Demos, Landscape, landscape
from tests.benchmarks.simulated.server import OPTIMIZER, TARGET

Row = tuple[str, str]
MINIBATCH = 35
"""MIPROv2's default."""
FULL_EVERY = 5
MOST_CANDIDATES = 18
"""What MIPROv2 takes in its heaviest automatic mode."""
MAX_TOKENS = {TARGET: 200, OPTIMIZER: 2000}


@dataclass(frozen=True)
class Job:
    """One run of one peer, as it stands in the JSON on stdin."""

    peer: str
    landscape: str
    seed: int
    base_url: str
    budget: int
    train: Sequence[Row]
    validation: Sequence[Row]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Job:
        rows = {
            name: [(text, target) for text, target in data[name]]
            for name in ("train", "validation")
        }
        return cls(**{**data, **rows})

    @property
    def subject(self) -> Landscape:
        return landscape(self.landscape, self.seed)


class Line:
    """A kept-open connection to the simulated server, and its account of this run."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        assert address.hostname is not None
        self._path = address.path
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        self._before = 0
        self._before = self.spent()

    def chat(self, model: str, messages: Sequence[Mapping[str, str]], temperature: float) -> str:
        body = {
            "model": model,
            "messages": messages,
            "temperature": temperature,
            "max_tokens": MAX_TOKENS[model],
        }
        reply = self._ask("POST", f"{self._path}/chat/completions", json.dumps(body))
        return str(reply["choices"][0]["message"]["content"])

    def spent(self) -> int:
        """Calls of all models since this was made."""
        ledger = self._ask("GET", self._path.removesuffix("/v1") + "/ledger")
        return sum(int(account["calls"]) for account in ledger.values()) - self._before

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        self._connection.request(method, path, body)
        reply = self._connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {content[:200]!r}")
        return json.loads(content)


class Trace:
    """The curve as it grows: a candidate that is scored on all of validation may be the best."""

    def __init__(self, job: Job, line: Line) -> None:
        self._job, self.line = job, line
        self._best: float | None = None
        self.calls, self.scores = [0], [job.subject.true_score(job.subject.first_prompt)]

    def scored(self, score: float, instruction: str, demos: Demos = ()) -> None:
        """`score` is what the peer has measured; only a higher one than before counts."""
        if self._best is not None and score <= self._best:
            return
        self._best = score
        self.calls.append(self.line.spent())
        # The temperature that the requests of both peers hold.
        true = self._job.subject.true_score(instruction, demos, {"temperature": 0.0})
        self.scores.append(true)


class Adapter:
    """How gepa asks the target model: the same messages that our candidates render to."""

    propose_new_texts = None

    def __init__(self, line: Line) -> None:
        self._line = line
        self._batch: Any = importlib.import_module("gepa").EvaluationBatch

    def evaluate(
        self, batch: Sequence[Row], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> Any:
        system = {"role": "system", "content": candidate["instruction"]}
        answers = [
            self._line.chat(TARGET, [system, {"role": "user", "content": text}], 0.0)
            for text, _ in batch
        ]
        seen = [(*row, answer) for row, answer in zip(batch, answers, strict=True)]
        scores = [float(answer == target) for _, target, answer in seen]
        trajectories = seen if capture_traces else None
        return self._batch(outputs=answers, scores=scores, trajectories=trajectories)

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], batch: Any, components: Sequence[str]
    ) -> dict[str, list[dict[str, str]]]:
        """The facts that our reflection gives: the input, the model's answer, the right one."""
        records = [
            {
                "Inputs": text,
                "Generated Outputs": answer,
                "Feedback": "Correct."
                if answer == target
                else f"Wrong. The correct answer is {target}.",
            }
            for text, target, answer in batch.trajectories
        ]
        return dict.fromkeys(components, records)


class Silent:
    """A logger of gepa's that says nothing."""

    def log(self, message: str) -> None:
        pass


def gepa(job: Job, trace: Trace) -> None:
    """`gepa.optimize` until the ledger, not its own count of target calls, is at the budget."""
    package: Any = importlib.import_module("gepa")

    class Watch:
        def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
            trace.scored(event["average_score"], event["candidate"]["instruction"])

    def reflect(prompt: str | list[dict[str, str]]) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return trace.line.chat(OPTIMIZER, messages, 1.0)

    package.optimize(
        {"instruction": job.subject.first_prompt},
        list(job.train),
        list(job.validation),
        adapter=Adapter(trace.line),
        reflection_lm=reflect,
        use_merge=True,
        max_metric_calls=job.budget,
        stop_callbacks=[lambda state: trace.line.spent() >= job.budget],
        callbacks=[Watch()],
        logger=Silent(),
        seed=job.seed,
    )


def mipro_sizes(budget: int, validation: int) -> tuple[int, int, bool]:
    """(candidates, trials, in minibatches) that fit a budget.

    A trial takes a minibatch, and each fifth a full evaluation, of whose rows about half are in its
    cache. Trials stand to candidates as its own rule has it, three to two, up to as many candidates
    as it ever takes by itself.
    """
    minibatch = validation > MINIBATCH
    trial = MINIBATCH + validation / FULL_EVERY / 2 if minibatch else validation
    trials = max(2, round((budget - 2 * validation) / trial))
    return max(2, min(MOST_CANDIDATES, round(trials / 1.5))), trials, minibatch


def mipro(job: Job, trace: Trace) -> None:
    """`dspy.MIPROv2` on a one-step program, in its own order: demo sets, instructions, trials."""
    # Its price list would be fetched from the Internet on import.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    dspy: Any = importlib.import_module("dspy")
    logging.disable(logging.WARNING)
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    target, optimizer = (
        dspy.LM(
            f"openai/{name}",
            api_base=job.base_url,
            api_key="sk-benchmark",
            temperature=temperature,
            max_tokens=MAX_TOKENS[name],
        )
        for name, temperature in ((TARGET, 0.0), (OPTIMIZER, 1.0))
    )
    dspy.configure(lm=target, callbacks=[_watch(job, trace)])
    train, validation = (
        [dspy.Example(text=text, answer=t).with_inputs("text") for text, t in rows]
        for rows in (job.train, job.validation)
    )
    candidates, trials, minibatch = mipro_sizes(job.budget, len(validation))
    dspy.MIPROv2(
        metric=lambda example, made, trace=None: example.answer == made.answer,
        prompt_model=optimizer,
        task_model=target,
        auto=None,
        num_candidates=candidates,
        max_bootstrapped_demos=4,
        max_labeled_demos=8,
        num_threads=1,
        seed=job.seed + 1,  # it takes 0 for "none given"
    ).compile(
        dspy.Predict(dspy.Signature("text -> answer", job.subject.first_prompt)),
        trainset=train,
        valset=validation,
        num_trials=trials,
        minibatch=minibatch,
    )


def _watch(job: Job, trace: Trace) -> Any:
    """Tells the trace of each evaluation on all of validation; those on minibatches choose none."""
    callbacks: Any = importlib.import_module("dspy.utils.callback")

    class Watch(callbacks.BaseCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.programs: dict[str, Any] = {}

        def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            if len(inputs.get("devset") or instance.devset) == len(job.validation):
                self.programs[call_id] = inputs["program"].deepcopy()

        def on_evaluate_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            program = self.programs.pop(call_id, None)
            if program is not None and outputs is not None:
                demos = [(demo["text"], demo["answer"]) for demo in program.demos]
                trace.scored(outputs.score, program.signature.instructions, demos)

    return Watch()


PEERS: dict[str, Callable[[Job, Trace], None]] = {"gepa": gepa, "mipro": mipro}


def main() -> None:
    job = Job.read(json.load(sys.stdin))
    trace = Trace(job, Line(job.base_url))
    PEERS[job.peer](job, trace)
    print(json.dumps({"calls": trace.calls, "scores": trace.scores, "spent": trace.line.spent()}))


if __name__ == "__main__":
    main()
