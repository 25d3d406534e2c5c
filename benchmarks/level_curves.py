"""A2C with and without CPC on each of the five levels: short runs, one panel a level.

    python benchmarks/level_curves.py [--frames 4000000] [--seeds 1] [--jobs 2] | tee benchmarks/results/level_curves.md

Runs like `benchmarks/learning.py` (laptop preset, one thread a run); killed and started again it continues. It shows
that every level can be learnt on; with a seed or two it says nothing about which arm is better.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from hardware import hardware
from learning import COLOURS, curve, random_return, train
from matplotlib.figure import Figure

from cpc_rl.evaluate import evaluate_run
from cpc_rl.runs import read_metrics
from envs import LEVELS

ARMS = ("none", "cpc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="+", default=list(LEVELS))
    parser.add_argument("--frames", type=int, default=4_000_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/levels"))
    parser.add_argument("--out", type=Path, default=Path("runs/levels/levels_learning.png"), help="the picture")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    paths = {(env, aux, s): options.runs / env / f"{aux}-s{s}" for env in options.env for s in seeds for aux in ARMS}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda key: train(paths[key], key[1], key[2], options.frames, key[0]), paths))
    grid = np.linspace(0, options.frames, 61)[1:]
    figure = Figure(figsize=(3.2 * len(options.env), 3), layout="constrained")
    axes = figure.subplots(1, len(options.env), squeeze=False)[0]
    print(f"# Short runs on every level\n\n{hardware()}; {options.frames:,} frames, {options.seeds} seed(s) an arm\n")
    print("| level | random policy | aux | last tenth of training | evaluation, 32 episodes (sampled) | minutes |")
    print("|---|---|---|---|---|---|")
    for axis, env in zip(axes, options.env, strict=True):
        chance = random_return(env, episodes=256)
        axis.axhline(chance, color="grey", linestyle=":", label="random policy")
        for aux in ARMS:
            runs = [paths[env, aux, seed] for seed in seeds]
            curves = np.stack([curve(run, grid) for run in runs])
            for line in curves:
                axis.plot(grid / 1e6, line, color=COLOURS[aux], alpha=0.4, linewidth=0.8)
            axis.plot(grid / 1e6, curves.mean(0), color=COLOURS[aux], linewidth=2, label=f"A2C, aux {aux}")
            scores = [evaluate_run(run, episodes=32, greedy=False)["sampled"]["mean"] for run in runs]
            minutes = np.mean([read_metrics(run / "metrics.jsonl")[-1]["seconds"] / 60 for run in runs])
            last = ", ".join(f"{value:.2f}" for value in curves[:, -6:].mean(1))
            each = ", ".join(f"{value:.2f}" for value in scores)
            print(f"| {env} | {chance:.2f} | {aux} | {last} | {each} | {minutes:.1f} |", flush=True)
        axis.set(xlabel="million frames", title=env.replace("_small", ""))
    axes[0].set_ylabel("episode return")
    axes[0].legend()
    figure.savefig(options.out, dpi=90)
    print(f"\npicture {options.out}")


if __name__ == "__main__":
    main()
