"""Our programs beside others: rates by threads and by busy loops, as ratios of one run.

    python benchmarks/busy.py [--work train-16 ...] [--rounds 3] | tee benchmarks/results/busy.md

Each round runs all rows in turns, each a process of its own that works for `--seconds` after a warm-up. "Two runs" are
two one-thread processes at the same time, their rates added: what the machine can do. A busy loop is a process that
computes without end. Threads that wait for one another look a moment and then sleep (`cpc_rl/openmp.py`); "sleeping"
threads do so at once, "spinning" ones look for milliseconds, which is OpenMP's default.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from hardware import hardware

from cpc_rl.openmp import LOOKS

BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(10**6))"
WAITS = {  # how threads wait: variables of OpenMP
    "": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": LOOKS},
    "sleeping ": {"OMP_WAIT_POLICY": "passive"},
    "spinning ": {},
}
Work = Callable[[], int]  # does some of it; returns how many frames or pictures that were


class Row(NamedTuple):
    """How often the work runs at once, beside what."""

    threads: int
    runs: int = 1
    loops: int = 0
    wait: str = ""

    def __str__(self) -> str:
        """In words."""
        run = f"{self.threads} {self.wait}thread{'s' * (self.threads > 1)}"
        beside = {0: "", 1: " beside a loop"}.get(self.loops, f" beside {self.loops} loops")
        return ("two runs of " if self.runs == 2 else "") + run + beside


ONE, TWO_RUNS = Row(1), Row(1, runs=2)
ROWS = [
    ONE,
    *(Row(2, wait=wait) for wait in WAITS),
    TWO_RUNS,
    Row(1, loops=1),
    *(Row(2, loops=1, wait=wait) for wait in WAITS),
    Row(1, loops=4),
    Row(2, loops=4),
    Row(2, loops=4, wait="spinning "),
]


def training(num_envs: int) -> Work:
    """Updates of A2C with CPC, in frames."""
    import envs
    from agents.a2c import Learner
    from agents.config import full_config
    from configs import load

    flags = ["--preset", "laptop", "--aux", "cpc", "--num-envs", str(num_envs)]
    config = load(full_config(), flags, prog="busy", description="")
    learner = Learner(config, envs.make(config.env, seed=1))
    learner.begin()

    def work() -> int:
        before = learner.frames
        learner.update()
        return learner.frames - before

    return work


def evaluation() -> Work:
    """Thirty environments played by an untrained agent, in frames."""
    import torch

    import envs
    from cpc_rl.episodes import NetworkPolicy, play
    from cpc_rl.networks import ActorCritic, NetworkConfig
    from envs.config import EnvConfig

    env = envs.make(EnvConfig(name="rooms_watermaze", num_envs=30), seed=1)
    net = ActorCritic(NetworkConfig(), env.obs_shape, env.num_actions)
    rows = play(env, NetworkPolicy(net, env.num_envs, torch.device("cpu"), seed=1))

    def work() -> int:
        for _ in range(20):
            next(rows)
        return 20 * env.num_envs * env.action_repeat

    return work


def vision() -> Work:
    """Forward and backward passes of CPC on pictures, preset `small`, in pictures."""
    import torch

    from configs import load
    from cpc_repr.vision.config import VisionConfig
    from cpc_repr.vision.pretext.cpc import VisionCPCNetwork

    config = load(VisionConfig, ["--preset", "small"], prog="busy", description="", family="vision")
    net, view = VisionCPCNetwork(config.model, config.cpc), config.view
    patches = torch.randn(config.train.batch_size, view.cells, view.cells, 3, view.patch, view.patch)

    def work() -> int:
        net.zero_grad()
        net(patches, torch.Generator().manual_seed(1)).loss.backward()
        return len(patches)

    return work


WORK: dict[str, tuple[str, Callable[[], Work]]] = {
    "train-16": ("A2C + CPC, watermaze, 16 environments: frames/s", lambda: training(16)),
    "train-64": ("A2C + CPC, watermaze, 64 environments: frames/s", lambda: training(64)),
    "evaluate": ("playing 30 environments: frames/s", evaluation),
    "vision": ("CPC on pictures, `small`: pictures/s", vision),
}


def rate(name: str, threads: int, seconds: float) -> float:
    """Units of a work a second, in this process."""
    import torch

    from cpc_rl.malloc import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(threads)
    work = WORK[name][1]()
    work()
    work()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        done += work()
    return done / (time.perf_counter() - start)


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Busy loops beside what is done meanwhile."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


def measure(name: str, row: Row, seconds: float) -> float:
    """Units a second of all runs of a row."""
    words = [sys.executable, __file__, "--worker", name, str(row.threads), str(seconds)]
    others = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environ = others | WAITS[row.wait]
    with busy(row.loops):
        started = [
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ)
            for _ in range(row.runs)
        ]
        return sum(float(run.communicate()[0].split()[-1]) for run in started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", choices=WORK, default=[*WORK])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--worker", nargs=3, metavar=("WORK", "THREADS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, threads, seconds = options.worker
        print(rate(name, int(threads), float(seconds)))
        return
    print(f"# Our programs beside others\n\n{hardware()}\n\nMedian of {options.rounds} rounds in turns.")
    for name in options.work:
        found: dict[Row, list[float]] = {row: [] for row in ROWS}
        for _ in range(options.rounds):
            for row, values in found.items():
                values.append(measure(name, row, options.seconds))
        rates = {row: median(values) for row, values in found.items()}
        print(f"\n## {WORK[name][0]}\n\n| run | rate | of 1 thread | of two runs |\n|---|---|---|---|")
        for row, value in rates.items():
            to_one, to_two = value / rates[ONE], value / rates[TWO_RUNS]
            print(f"| {row} | {value:,.0f} | {to_one:.2f} | {to_two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
