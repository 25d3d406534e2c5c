"""Training beside other programs: frames a second by threads and by busy loops, as ratios of one run.

    python benchmarks/busy.py [--num-envs 16 64] [--rounds 3] | tee benchmarks/results/busy.md

Each round runs all rows in turns, each a process of its own (`laptop` preset, watermaze, CPC) that trains for
`--seconds` after a warm-up. "Two runs" are two one-thread trainings at the same time, their frames added: what the
machine can do. A busy loop is a process that computes without end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

from hardware import hardware

BUSY = "while True: pass"
ROWS = {  # name: (threads of a run, runs at once, busy loops)
    "1 thread": (1, 1, 0),
    "2 threads": (2, 1, 0),
    "two runs of 1 thread": (1, 2, 0),
    "1 thread beside a loop": (1, 1, 1),
    "2 threads beside a loop": (2, 1, 1),
    "2 threads beside two loops": (2, 1, 2),
}


def train(num_envs: int, threads: int, seconds: float) -> float:
    """Frames a second of one training, in this process."""
    import torch

    import envs
    from agents.a2c import Learner, full_config
    from configs import load
    from cpc_rl.malloc import keep_freed_memory

    keep_freed_memory()
    flags = ["--preset", "laptop", "--aux", "cpc", "--num-envs", str(num_envs)]
    config = load(full_config(), flags, prog="busy", description="")
    torch.set_num_threads(threads)
    learner = Learner(config, envs.make(config.env, seed=1))
    learner.begin()
    learner.update()
    learner.update()
    start, frames = time.perf_counter(), learner.frames
    while time.perf_counter() - start < seconds:
        learner.update()
    return (learner.frames - frames) / (time.perf_counter() - start)


def measure(num_envs: int, row: tuple[int, int, int], seconds: float) -> float:
    """Frames a second of all runs of a row."""
    threads, runs, loops = row
    words = [sys.executable, __file__, "--worker", str(num_envs), str(threads), str(seconds)]
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(loops)]
    try:
        started = [
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(runs)
        ]
        return sum(float(run.communicate()[0].split()[-1]) for run in started)
    finally:
        for loop in busy:
            loop.kill()
            loop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-envs", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--worker", nargs=3, metavar=("ENVS", "THREADS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        num_envs, threads, seconds = options.worker
        print(train(int(num_envs), int(threads), float(seconds)))
        return
    print(f"# Training beside other programs\n\n{hardware()}\n")
    print(f"watermaze, laptop preset, CPC; median of {options.rounds} rounds in turns\n")
    print("| environments | run | frames/s | of 1 thread | of two runs |")
    print("|---|---|---|---|---|")
    for num_envs in options.num_envs:
        found: dict[str, list[float]] = {name: [] for name in ROWS}
        for _ in range(options.rounds):
            for name, row in ROWS.items():
                found[name].append(measure(num_envs, row, options.seconds))
        rate = {name: median(values) for name, values in found.items()}
        for name, value in rate.items():
            to_one, to_two = value / rate["1 thread"], value / rate["two runs of 1 thread"]
            print(f"| {num_envs} | {name} | {value:,.0f} | {to_one:.2f} | {to_two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
