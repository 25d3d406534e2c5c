"""Agent steps per second of each minilab level on a GPU: random actions, rewards, resets and 72x96 pictures.

    python benchmarks/env_gpu.py | tee benchmarks/results/env_gpu.md

Plain launches (three kernels a step, marshalled by Python) beside the replay of a CUDA graph of a whole unroll, which
is how a learner would run them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch
from hardware import hardware

from envs.minilab.env import MinilabEnv
from envs.minilab.levels import LEVELS

UNROLL = 100


def rate(run: Callable[[], None], steps: int, seconds: float) -> float:
    """Steps per second of the best of four windows."""
    best = 0.0
    for _ in range(4):
        torch.cuda.synchronize()
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds / 4:
            run()
            torch.cuda.synchronize()
            done += steps
        best = max(best, done / (time.perf_counter() - start))
    return best


def measure(name: str, num_envs: int, seconds: float) -> tuple[float, float]:
    """Agent steps per second by plain launches and by graph."""
    env = MinilabEnv(name, num_envs, device="cuda")
    env.reset()
    actions = torch.randint(env.num_actions, (UNROLL, num_envs), device=env.device)

    def unroll() -> None:
        for action in actions:
            env.step(action)

    unroll()  # compiles, and spreads the environments out
    graph = torch.cuda.CUDAGraph()
    plain = rate(unroll, UNROLL * num_envs, seconds)
    with torch.cuda.graph(graph):
        unroll()
    return plain, rate(graph.replay, UNROLL * num_envs, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--num-envs", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("error: no CUDA device here; `python -m envs bench` measures the CPU")
    print(f"# Environment speed on a GPU\n\n{hardware()}\n")
    print("| level | environments | agent steps/s, plain launches | agent steps/s, CUDA graph of 100 steps |")
    print("|---|---|---|---|")
    for name in options.levels:
        for num_envs in options.num_envs:
            plain, graph = measure(name, num_envs, options.seconds)
            print(f"| {name} | {num_envs} | {plain:,.0f} | {graph:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
