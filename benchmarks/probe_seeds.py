"""What agents know, over seeds: linear probes of agents trained without and with CPC (docs/probe.md states the test).

    python benchmarks/probe_seeds.py [--arms none cpc] [--seeds 1 2 3]

Trains each agent on watermaze with the laptop preset, probes it, and keeps what `python -m cpc_rl.probe` wrote in
benchmarks/results/probe. A stopped call goes on where it was, and what is kept is not made again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

KEPT = Path(__file__).parent / "results" / "probe"


def train(run: Path, arm: str, seed: int, frames: int) -> None:
    """Train a run, or go on with it."""
    start = ["--resume", str(run)] if any(run.glob("checkpoint-*.pt")) else ["--run", str(run), "--preset", "laptop"]
    flags = ["--env", "rooms_watermaze", "--aux", arm, "--seed", str(seed), "--frames", str(frames), "--threads", "1"]
    subprocess.run([sys.executable, "-m", "agents.a2c", *start, *flags], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=["none", "cpc"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--frames", type=int, default=3_000_000)
    parser.add_argument("--runs", type=Path, default=Path("runs/probe_seeds"))
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for arm in options.arms:
            kept, run = KEPT / f"{arm}-s{seed}.json", options.runs / f"{arm}-s{seed}"
            if not kept.exists():
                train(run, arm, seed, options.frames)
                subprocess.run([sys.executable, "-m", "cpc_rl.probe", str(run), "--threads", "1"], check=True)
                shutil.copy(run / "report" / "probe.json", kept)


if __name__ == "__main__":
    main()
