"""The CPC loss in our, the dense and other libraries' formulation: time and memory of one forward and backward pass.

    python benchmarks/loss_peers.py | tee benchmarks/results/loss_peers.md

All work on the same pairs and do the same arithmetic: for each of K offsets a linear map of the context, predictions
and latents of length 1, temperature 0.1, the other latents of the same offset as negatives. That the losses agree is
checked. Each has a process of its own; they take turns, and ratios are taken within a round. CPU, alone, please.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from hardware import hardware
from venvs import Worker, python_with

SCRIPT = Path(__file__).with_name("loss_peers_worker.py")
# glibc keeps freed memory, for all alike: as in our training processes (cpc_rl.malloc).
ENVIRON = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "CUDA_VISIBLE_DEVICES": ""}
FORMULATIONS = {  # what the worker calls it -> heading, package
    "ours": ("ours", None),
    "ours_sampled": ("ours, as the agent calls it", None),
    "dense": ("dense", None),
    "info_nce": ("info-nce-pytorch", "info-nce-pytorch==0.1.4"),
    "supcon": ("pytorch-metric-learning, SupConLoss", "pytorch-metric-learning==2.9.0"),
    "ntxent": ("pytorch-metric-learning, NTXentLoss", "pytorch-metric-learning==2.9.0"),
}
DIFFERENT = "ours_sampled"  # other pairs than the rest
CASES = [(5, 100, 32), (1, 100, 32), (30, 100, 32), (5, 50, 32), (5, 200, 32), (5, 100, 16), (5, 100, 64)]
CASES += [(1, 50, 16), (30, 200, 64)]  # (K, T, B): one at a time from the middle, then the smallest and the largest
WORDS = """
What each can say:

- **ours** (`cpc_rl.infonce`): sampled negatives; masks, so that pairs do not cross an episode's end; groups whose own
  members are no negatives; negatives of one time step or one sequence; a draw of anchors. Accuracy and bound of each
  offset come with the loss. It has no second derivative.
- **dense**: whatever one writes; here nothing but the loss.
- **info-nce-pytorch**: queries, positives, and for negatives the other positives, a list shared by all queries or one
  for each. No masks, no groups; a sampled copy of the positive stays in the denominator; cosine similarity only.
- **pytorch-metric-learning**: positive and negative pairs by labels or by lists of index pairs, so groups and masks
  can be had at 16 bytes a pair, within a full matrix; other similarities than the cosine too. Sampled negatives save
  nothing there, and count once however often they were drawn in `SupConLoss`. With one positive for each query
  `NTXentLoss` is the same loss, but sets each positive pair against all n^2 negative pairs.
- All but ours hold the logits of all K offsets for the backward pass. A caller may go backward after each offset
  instead and cut the graph in front of the loss by hand: then theirs do not grow with K either.
"""


class Result(NamedTuple):
    """Of one formulation in one case; `failure` says why there are no figures."""

    failure: str = ""
    loss: float = 0.0
    mebibytes: float = 0.0
    seconds: float = 0.0


class Lost(Exception):
    """No answer, and why."""


class Contender:
    """A formulation, whose process is started anew when it was lost."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.heading, package = FORMULATIONS[name]
        self._python = python_with(package, borrow=True) if package else sys.executable
        self._worker: Worker | None = None

    def first(self, case: tuple[int, int, int]) -> Result:
        """Loss, memory and seconds of the first pass."""
        try:
            return Result("", *map(float, self._ask(f"case {' '.join(map(str, case))}").split()))
        except Lost as lost:
            return Result(str(lost))

    def again(self) -> float:
        """Seconds of another pass, infinite if it was lost."""
        try:
            return float(self._ask("again")) if self._worker else float("inf")
        except Lost:
            return float("inf")

    def close(self) -> None:
        """End its process."""
        if self._worker:
            self._worker.close()
        self._worker = None

    def _ask(self, question: str) -> str:
        if self._worker is None:
            command = (self._python, SCRIPT, self.name, self.options.threads, self.options.memory)
            self._worker = Worker(self.heading, command, {**ENVIRON, "OMP_NUM_THREADS": str(self.options.threads)})
        lost = f"> {self.options.memory:g} GiB"
        try:
            answer = self._worker.ask(question, self.options.limit)
            if answer != "memory":
                return answer
        except TimeoutError:
            lost = f"> {self.options.limit:g} s"
        except RuntimeError as error:  # the process died
            lost = str(error)
        self.close()
        raise Lost(lost)


def measure(case: tuple[int, int, int], contenders: list[Contender], options: argparse.Namespace) -> str:
    """The rows of one case."""
    results = {c: c.first(case) for c in contenders}
    check({c.name: r.loss for c, r in results.items() if not r.failure and c.name != DIFFERENT})
    alive = [c for c in contenders if not results[c].failure]
    slowest = max((results[c].seconds for c in alive), default=0.0)
    rounds = max(1, min(options.rounds, int(options.budget / max(slowest, 1e-9))))
    times: Mapping[Contender, list[float]] = {c: [] for c in alive}
    for _ in range(rounds):
        for c in alive:
            times[c].append(c.again())
    ours = contenders[0]
    rows = []
    for c, result in results.items():
        cells = [*map(str, case), c.heading]
        if result.failure:
            cells += ["", "", result.failure, ""]
        elif ours in alive:
            slower = median(a / b for a, b in zip(times[c], times[ours], strict=True))
            cells += [f"{slower:.2f}", f"{result.mebibytes / results[ours].mebibytes:.2f}"]
        else:
            cells += ["", ""]
        if not result.failure:
            cells += [f"{1e3 * median(times[c]):,.0f}", f"{result.mebibytes:,.0f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def check(losses: Mapping[str, float]) -> None:
    """Raises RuntimeError unless all losses are the same up to rounding."""
    if losses and max(losses.values()) - min(losses.values()) > 1e-4 * max(losses.values()):
        raise RuntimeError(f"not the same loss: {losses}")


def start(options: argparse.Namespace) -> list[Contender]:
    """All that can be had; of the others a line on standard error says why."""
    contenders = []
    for name in FORMULATIONS:
        try:
            contenders.append(Contender(name, options))
        except (RuntimeError, OSError) as error:
            print(f"Left out: {error}", file=sys.stderr)
    return contenders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="at most (default: %(default)s)")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds for the slowest (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one pass (default: %(default)s)")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB for one process (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch (default: all cores)")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first so many")
    parser.add_argument("--note", help="a line for the top of the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)  # for the line about the hardware
    print(f"# The CPC loss in other libraries\n\n{hardware()}; float32.\n")
    if options.note:
        print(f"**{options.note}**\n")
    heads = ["K", "T", "B", "formulation", "time, x ours", "memory, x ours", "ms", "peak MiB"]
    print(f"| {' | '.join(heads)} |\n|{'--:|' * 3}---|{'--:|' * 4}", flush=True)
    contenders = start(options)
    for case in CASES[: options.cases]:
        print(measure(case, contenders, options), flush=True)
    for contender in contenders:
        contender.close()
    packages = ", ".join(sorted({package for _, package in FORMULATIONS.values() if package}))
    print(
        f"\nAt most {options.rounds} rounds (fewer where a pass takes seconds), medians of times and of ratios within"
        " a round. Memory is the allocator's peak during forward and backward above the inputs. `> s` and `> GiB`: one"
        f" pass took more than {options.limit:g} s, or than the {options.memory:g} GiB each process may have. The"
        f" other libraries ({packages}) scale their inputs to length 1; all do so here, and have the same loss to four"
        " digits, apart from 'as the agent calls it': 10 anchor steps and 256 shared sampled negatives, an unbiased"
        " estimate in the anchors. The PyTorch is the same for all.\n" + WORDS.rstrip()
    )


if __name__ == "__main__":
    main()
