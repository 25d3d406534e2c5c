"""Several processes on one machine's cores against one process with as many threads: frames/s of whole training runs.

    python benchmarks/ranks.py --cores 2 --num-envs 32 | tee benchmarks/results/ranks.md

Same environments, same batch, same network: R ranks of B / R environments train what one of B trains. Runs take turns,
and ratios are taken within a round. Of each run's own records the first fifth is left out: things are compiled there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from hardware import hardware

from cpc_rl.runs import read_metrics


def rate(ranks: int, threads: int, flags: list[str]) -> float:
    """Frames per second of one run, all ranks together."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m", "--"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *(torchrun if ranks > 1 else ["-m"]), "agents.a2c", *flags]
        command += ["--threads", str(threads), "--env-threads", str(threads), "--run", f"{folder}/run"]
        done = subprocess.run(
            command, env={**os.environ, "OMP_NUM_THREADS": str(threads)}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        rows = read_metrics(Path(folder) / "run" / "metrics.jsonl")
    first, last = rows[len(rows) // 5], rows[-1]
    return (last["frames"] - first["frames"]) / (last["seconds"] - first["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="threads of one process; ranks of the other")
    parser.add_argument("--num-envs", type=int, default=32)
    parser.add_argument("--frames", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    arms = [(aux, ranks) for aux in ("none", "cpc") for ranks in (1, options.cores)]
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for aux, ranks in arms:
            flags = ["--aux", aux, "--frames", str(options.frames), "--num-envs", str(options.num_envs)]
            flags += ["--preset", "laptop", "--env", "rooms_watermaze", "--log-updates", "1"]
            rates[aux, ranks].append(rate(ranks, options.cores // ranks, flags))
    print(f"{hardware()}\n\nrooms_watermaze, B={options.num_envs}, T=100, {options.rounds} rounds\n")
    print("| loss | processes x threads | frames/s: median (range) | of one process |\n|---|---|---|---|")
    for aux, ranks in arms:
        mine = rates[aux, ranks]
        ratio = median(many / one for many, one in zip(mine, rates[aux, 1], strict=True))
        spread = f"{median(mine):,.0f} ({min(mine):,.0f}-{max(mine):,.0f})"
        print(f"| {aux} | {ranks} x {options.cores // ranks} | {spread} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
