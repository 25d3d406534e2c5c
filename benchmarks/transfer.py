"""Agents for the real DeepMind Lab: trained on minilab with the engine's look and domain randomisation, and kept.

    python benchmarks/transfer.py [--jobs 2]
    python -m cpc_rl.evaluate benchmarks/results/transfer/rooms_watermaze-s1 --backend dmlab      # with the engine

Trains A2C with CPC, keeps each agent under benchmarks/results/transfer (settings, thinned metrics, weights as 16-bit
floats), and plays it in four looks of minilab beside random play. A stopped call goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keep_runs import keep
from unseen_looks import score, train

KEPT = Path(__file__).parent / "results" / "transfer"
LEVELS = ("seekavoid_arena_01", "rooms_watermaze")
LOOKS = {
    "randomised": {},  # as trained: the engine's look, all parts of it randomised
    "engine": {"randomise": "0"},
    "plain": {"look": "plain", "randomise": "0"},
    "labmaze": {"look": "plain", "randomise": "0", "textures": "labmaze"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"))
    options = parser.parse_args()

    def make(level: str, seed: int) -> None:
        run, place = options.runs / f"{level}-{seed}", KEPT / f"{level}-s{seed}"
        if not place.exists():
            flags = ["--env", level, "--look", "engine", "--randomise", "1"]
            train(run, *flags, "--frames", str(options.frames), "--seed", str(seed))
            keep(run, place, weights=True)
        for name, look in LOOKS.items():
            score(place, name, look, options.episodes)
        shutil.rmtree(place / "report", ignore_errors=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        for made in [pool.submit(make, level, seed) for seed, level in itertools.product(options.seeds, LEVELS)]:
            made.result()


if __name__ == "__main__":
    main()
