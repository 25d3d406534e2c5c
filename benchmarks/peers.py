"""Our agent beside those one would take instead: agent steps per second of acting and learning. CPU, alone, please.

    python benchmarks/peers.py | tee benchmarks/results/peers.md

All play the same environment, which costs next to nothing, with the same network, unroll and batch, and take one
gradient step in float32 for each unroll. Each has a process of its own; they take turns, so that only one is ever
busy, and ratios are taken within a round. The naive limit is that of `bounds.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from hardware import hardware
from venvs import Worker, python_with

HERE = Path(__file__).parent
SB3 = "sb3-contrib==2.9.2"
# What cpc_rl.malloc does in our processes, for a program that does not know of it.
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}


class Arm(NamedTuple):
    """Something to be measured."""

    name: str
    script: str
    argument: str = ""
    package: str | None = None  # to be installed in an environment of its own
    keep: bool = False  # tell glibc to keep what is freed
    endless: bool = False  # no episode ends


LIMIT = Arm("naive limit", "peers_ours.py", "limit")
NONE = Arm("ours, A2C", "peers_ours.py", "none")
ARMS = [
    LIMIT,
    NONE,
    Arm("ours, A2C with CPC", "peers_ours.py", "cpc"),
    Arm("CleanRL-style PPO-LSTM", "peers_cleanrl.py"),
    Arm("CleanRL-style PPO-LSTM", "peers_cleanrl.py", keep=True),
    Arm("sb3-contrib RecurrentPPO", "peers_sb3.py", package=SB3),
    Arm("sb3-contrib RecurrentPPO", "peers_sb3.py", package=SB3, keep=True),
    Arm("sb3-contrib RecurrentPPO", "peers_sb3.py", package=SB3, keep=True, endless=True),
]


def start(arm: Arm, batch: int, options: argparse.Namespace) -> Worker:
    """A worker that has done one update."""
    python = python_with(arm.package, borrow=True) if arm.package else sys.executable
    environ = {"OMP_NUM_THREADS": str(options.threads), "CUDA_VISIBLE_DEVICES": "", **(KEEP if arm.keep else {})}
    episode = 10**12 if arm.endless else options.episode
    command = (python, HERE / arm.script, batch, options.unroll, options.threads, episode, arm.argument)
    return Worker(arm.name, command, environ)


def measure(batch: int, options: argparse.Namespace) -> None:
    """Print the rows of one batch size. A peer that cannot be had is left out, with the reason on standard error."""
    workers = {}
    for arm in ARMS:
        try:
            workers[arm] = start(arm, batch, options)
        except (RuntimeError, OSError) as error:
            if arm.package is None:
                raise
            print(f"Left out: {error}", file=sys.stderr)
    rates: dict[Arm, list[float]] = defaultdict(list)
    peak: dict[Arm, float] = {}
    steps = options.updates * options.unroll * batch
    for i in range(options.rounds + 1):  # the first round warms up
        for arm, worker in workers.items():
            seconds, peak[arm] = map(float, worker.ask(options.updates).split())
            if i:
                rates[arm].append(steps / seconds)
    for worker in workers.values():
        worker.close()
    for arm, mine in rates.items():
        to_limit, to_none = (median(a / b for a, b in zip(mine, rates[base], strict=True)) for base in (LIMIT, NONE))
        cells = [
            str(batch),
            arm.name + ", memory kept" * arm.keep + ", no episode ends" * arm.endless,
            f"{to_limit:.2f}",
            f"{1 / to_none:.2f}",
            f"{median(mine):,.0f} ({min(mine):,.0f}-{max(mine):,.0f})",
            f"{4 * median(mine):,.0f}",
            f"{peak[arm]:,.0f}",
            f"{int(workers[arm].greeting):,}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--updates", type=int, default=3, help="of each in a round (default: %(default)s)")
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32], help="environments (default: %(default)s)")
    parser.add_argument("--unroll", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--episode", type=int, default=900, help="agent steps in each (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of PyTorch (default: all cores)")
    parser.add_argument("--note", help="a line for the top of the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)  # for the line about the hardware
    print(f"# Agents of other libraries\n\n{hardware()}\n")
    if options.note:
        print(f"**{options.note}**\n")
    heads = ["B", "agent", "of the limit", "ours, A2C, is faster by", "agent steps/s: median (range)", "frames/s"]
    heads += ["peak MiB", "parameters"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for batch in options.batch:
        measure(batch, options)
    print(
        f"\n{options.rounds} rounds of {options.updates} updates; ratios are medians of those within a round. Unroll"
        f" {options.unroll}, one gradient step for each, Adam, float32, pictures 72x96x3 from a bank of random ones,"
        f" episodes of {options.episode} agent steps that end at different times; an agent step counts as four frames."
        " Peak MiB is of the whole process, libraries included. IMPALA's shallow encoder, an LSTM of 256, nine"
        " actions: ours also feeds the last action and reward to the LSTM, which is the difference in parameters."
        f" `{SB3}` gets its pictures channels first and one LSTM for actor and critic; where episodes end it pads the"
        " pieces of sequences to the longest and goes row by row. The CleanRL-style loop is written for this"
        " comparison after the design of its `ppo_atari_lstm`; it keeps frames as float32. The PyTorch is the same for"
        " all. 'Memory kept': with glibc told not to hand freed memory back, as our programs do by themselves."
    )


if __name__ == "__main__":
    main()
