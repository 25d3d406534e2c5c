"""minilab beside other first-person simulators: agent steps per second, random actions, 72x96 RGB pictures.

    python benchmarks/env_peers.py | tee benchmarks/results/env_peers.md

All take turns, round after round, so that what else the machine does touches all alike; ratios are taken within a
round. Each peer lives in a virtual environment of its own under `.venv-peers`, made at the first call. JAXenstein is
in no package index; it takes part where it is there already:

    python -m venv .venv-peers/jaxenstein
    .venv-peers/jaxenstein/bin/pip install git+https://github.com/taodav/jaxenstein.git
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from hardware import hardware
from venvs import Worker, python_with

from envs import LEVELS

WORKER = Path(__file__).with_name("env_peers_worker.py")
# Agent steps per second of one DeepMind Lab process (software renderer), measured on another machine with two cores.
DEEPMIND_LAB = {
    "seekavoid_arena_01": "524-585",
    "rooms_watermaze": "580-690",
    "explore_goal_locations_small": "640-854",
    "lasertag_three_opponents_small": "360-524",
    "rooms_keys_doors_puzzle": "950-1000",
}


class Subject(NamedTuple):
    """Something to be measured."""

    simulator: str
    task: str
    num_envs: int
    threads: int
    package: str | None = None  # to be installed in an environment of its own


# The navigation mazes are drawn by the same code: one of each size stands for all.
_LEFT_OUT = ("nav_maze_static_02", "nav_maze_static_03", "nav_maze_random_goal_01", "nav_maze_random_goal_02")
MINILAB = [Subject("minilab", level, 32, threads) for level in LEVELS if level not in _LEFT_OUT for threads in (1, 2)]
VIZDOOM = [Subject("vizdoom", "MyWayHome-v1", 16, threads, "envpool==1.2.5") for threads in (1, 2)]
MINIWORLD = [
    Subject("miniworld", f"MiniWorld-{task}-v0", 1, 1, "miniworld==2.1.0") for task in ("FourRooms", "Hallway")
]

JAXENSTEIN = [Subject("jaxenstein", f"dmlab-{task}", 32, 1, "jaxenstein==0.1.0") for task in ("static-01", "random-03")]


def worker(subject: Subject) -> Worker:
    """A process of its own for a subject."""
    python = python_with(subject.package) if subject.package else sys.executable
    return Worker(subject.task, [python, WORKER, *subject[:4]])


def start(subjects: list[Subject]) -> dict[Subject, Worker]:
    """Workers of a simulator; none, after a line that says why, if it cannot be had."""
    try:
        return {subject: worker(subject) for subject in subjects}
    except (RuntimeError, OSError) as error:
        print(f"Left out: {error}\n")
        return {}


def row(subject: Subject, rates: dict[Subject, list[float]], peers: list[Subject]) -> str:
    """A line of the table: median rate with its range, and the medians of the ratios."""
    mine = rates[subject]
    ratios = []
    for peer in peers:
        fair = peer._replace(threads=subject.threads) if peer.simulator == "vizdoom" else peer
        ratios.append(f"{statistics.median(a / b for a, b in zip(mine, rates[fair], strict=True)):.1f}")
    cells = [
        f"{subject.simulator} {subject.task}",
        str(subject.num_envs),
        str(subject.threads),
        f"{statistics.median(mine):,.0f} ({min(mine):,.0f}-{max(mine):,.0f})",
        *ratios,
        DEEPMIND_LAB.get(subject.task, ""),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each in a round (default: %(default)s)")
    kinds = {"minilab": MINILAB, "vizdoom": VIZDOOM, "miniworld": MINIWORLD, "jaxenstein": JAXENSTEIN}
    parser.add_argument("--simulators", nargs="+", default=list(kinds), choices=kinds, help="(default: all)")
    arguments = parser.parse_args()
    chosen = [kinds[name] for name in arguments.simulators]
    print(f"# Peers\n\n{hardware()}\n")
    workers = {subject: process for kind in chosen for subject, process in start(kind).items()}
    rates: dict[Subject, list[float]] = {subject: [] for subject in workers}
    for _ in range(arguments.rounds):
        for subject, process in workers.items():
            rates[subject].append(float(process.ask(arguments.seconds)))
    for process in workers.values():
        process.close()
    peers = [subject for subject in (VIZDOOM[0], *MINIWORLD, *JAXENSTEIN) if subject in rates]
    heads = ["environment", "in a batch", "threads", "agent steps/s: median (range)"]
    heads += [f"x {peer.simulator} {peer.task}" for peer in peers] + ["DeepMind Lab, quoted"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for subject in rates:
        print(row(subject, rates, peers))
    packages = ", ".join(sorted({subject.package for subject in rates if subject.package}))
    print(
        f"\n{arguments.rounds} rounds of {arguments.seconds:g} s each ({packages}). An agent step is four frames in"
        " minilab, ViZDoom and DeepMind Lab and one in MiniWorld. Ratios to ViZDoom are at the same number of threads;"
        " MiniWorld is one environment in one process, JAXenstein's 32 are one program of XLA on one core."
        " DeepMind Lab was not run here: its figures are of one process"
        " with the software renderer on another machine with two cores, where a reset took up to 6.7 s."
    )


if __name__ == "__main__":
    main()
