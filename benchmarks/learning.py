"""The learning experiment of the README: rooms_watermaze with and without CPC, several seeds, against random play.

    python benchmarks/learning.py [--frames 6000000] [--seeds 3] [--jobs 2] [--out runs/learning]

Each run is `python -m agents.a2c` with the laptop preset and one thread, `jobs` of them at a time; killed and started
again it continues. At the end every agent plays evaluation episodes, and the table, the picture and the thinned curves
are written.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import envs
from cpc_rl.compare.curves import read_curve, resample
from cpc_rl.compare.figure import BASELINE, CPC
from cpc_rl.compare.statistics import t_interval
from cpc_rl.episodes import RandomPolicy, evaluate
from cpc_rl.evaluate import evaluate_run
from cpc_rl.runs import read_metrics

COLOURS = {"none": BASELINE, "cpc": CPC}


def train(path: Path, aux: str, seed: int, frames: int, env: str) -> None:
    """Make the run at `path`, continue it, or leave it as it is when it has finished."""
    flags = ["--env", env, "--aux", aux, "--seed", str(seed), "--run", str(path)]
    if (path / "config.yaml").exists():
        rows = read_metrics(path / "metrics.jsonl")
        if rows and (rows[-1]["frames"] or 0) >= frames:
            return
        flags = ["--resume", str(path)]
    command = [sys.executable, "-m", "agents.a2c", *flags, "--preset", "laptop", "--frames", str(frames)]
    with (path.parent / f"{path.name}.log").open("a") as log:
        subprocess.run([*command, "--threads", "1"], stdout=log, stderr=log, check=True)


def curve(path: Path, grid: np.ndarray) -> np.ndarray:
    """Return over frames of the run at `path`, smoothed, on `grid`; before its first episode end its first return."""
    found, _ = read_curve(read_metrics(path / "metrics.jsonl"))
    return resample(found, np.clip(grid, found.frames[0], found.frames[-1]))


def interval(values: list[float]) -> str:
    """Mean and 95 % t-interval over seeds (a bootstrap of three values covers far less), and the values themselves."""
    each = ", ".join(f"{v:.1f}" for v in values)
    mean, low, high = t_interval(values)
    if low is None:
        return f"{mean:.1f} ({each}; too few seeds for an interval)"
    return f"{mean:.1f} [{low:.1f}, {high:.1f}] ({each})"


def random_return(env: str, episodes: int = 512) -> float:
    """Mean return of uniform play."""
    made = envs.make(envs.EnvConfig(name=env, num_envs=64), seed=1, evaluation=True)
    return evaluate(made, RandomPolicy(made.num_actions, seed=1), episodes).summary()["mean"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="rooms_watermaze")
    parser.add_argument("--frames", type=int, default=6_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=["none", "cpc"])
    parser.add_argument("--runs", type=Path, default=Path("runs/learning"))
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="folder of learning.png and .csv")
    options = parser.parse_args()
    for folder in (options.runs, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    paths = {
        (aux, seed): options.runs / f"{aux}-s{seed}" for seed in range(1, options.seeds + 1) for aux in options.arms
    }
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda k: train(paths[k], *k, options.frames, options.env), paths))
    chance = random_return(options.env)
    grid = np.linspace(0, options.frames, 61)[1:]
    curves = {key: curve(path, grid) for key, path in paths.items()}
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axis = figure.subplots()
    axis.axhline(chance, color="grey", linestyle=":", label="random policy")
    print("| arm | seeds | frames | return, last tenth of training | return, evaluation (sampled) | minutes a run |")
    print("|---|---|---|---|---|---|")
    for aux in options.arms:
        seeds = [key for key in paths if key[0] == aux]
        stack = np.stack([curves[key] for key in seeds])
        for line in stack:
            axis.plot(grid / 1e6, line, color=COLOURS.get(aux), alpha=0.3, linewidth=0.8)
        axis.plot(grid / 1e6, stack.mean(0), color=COLOURS.get(aux), linewidth=2, label=f"A2C, aux {aux}")
        final = stack[:, -6:].mean(1).tolist()
        scores = [evaluate_run(paths[key], episodes=32, greedy=False)["sampled"]["mean"] for key in seeds]
        minutes = np.mean([read_metrics(paths[key] / "metrics.jsonl")[-1]["seconds"] / 60 for key in seeds])
        print(f"| {aux} | {len(seeds)} | {options.frames:,} | {interval(final)} | {interval(scores)} | {minutes:.1f} |")
    print(f"| random policy | | | | {chance:.2f} | |")
    axis.set(xlabel="million frames", ylabel="episode return", title=f"{options.env}: {options.seeds} seeds")
    axis.legend()
    picture, curve_file = options.out / "learning.png", options.out / "learning.csv"
    figure.savefig(picture, dpi=110)
    with curve_file.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frames", *(f"{aux}-s{seed}" for aux, seed in paths)])
        table.writerows(zip(grid.astype(int), *(np.round(c, 3) for c in curves.values()), strict=True))
    print(f"\nmean, [95 % t-interval over seeds], (each seed); picture {picture}, curves {curve_file}")


if __name__ == "__main__":
    main()
