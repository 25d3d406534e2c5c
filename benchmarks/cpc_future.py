"""Does CPC see the future? Accuracy for each k on held-out rollouts, beside chance.

    python benchmarks/cpc_future.py RUN... [--unrolls 36] [--out docs/cpc_future.png]

Each run's newest checkpoint plays episodes of the evaluation seed space with its sampled policy; every row of every
unroll is an anchor, and each positive stands among the run's own number of shared negatives. An untrained network
with untrained heads is scored the same way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import envs
from agents.a2c import Learner
from agents.config import full_config
from configs import load_yaml
from cpc_rl.acting import begin, collect
from cpc_rl.aux import upgrade, upgrade_state
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.runs import RunDirectory


def accuracy(run: RunDirectory, unrolls: int, trained: bool) -> tuple[np.ndarray, float]:
    """Accuracy for k = 1..K, the mean over unrolls, and chance."""
    config = full_config().model_validate(upgrade(load_yaml(run.config_path)))
    if config.aux != "cpc" or config.cpc.negatives.count == "all":
        raise SystemExit(f"{run.path}: needs --aux cpc with --cpc.negatives.count N, for which chance is known")
    cpc = config.cpc.model_copy(update={"anchors": "all"})
    config = config.model_copy(update={"cpc": cpc})
    learner = Learner(config, envs.make(config.env, seed=12345, evaluation=True))
    if trained:
        saved = run.checkpoints.load()
        learner.net.load_state_dict(saved["network"])
        learner.aux.load_state_dict(upgrade_state(saved["aux"], config.aux))
    begin(learner.env, learner.rollout)
    found = []
    for _ in range(unrolls):
        collect(learner.env, learner.net, learner.rollout, learner.generator)
        with torch.no_grad():
            _, metrics = learner.losses()
        found.append([metrics[f"cpc/accuracy_{k}"].item() for k in range(1, cpc.steps + 1)])
    return np.mean(found, axis=0), 1 / (cpc.negatives.count + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--unrolls", type=int, default=36, help="18 unrolls of 100 steps are one episode")
    parser.add_argument("--out", type=Path, default=Path("docs/cpc_future.png"))
    options = parser.parse_args()
    keep_freed_memory()
    runs = [RunDirectory.open(path) for path in options.runs]
    trained = []
    for run in runs:
        values, chance = accuracy(run, options.unrolls, trained=True)
        trained.append(values)
    untrained, _ = accuracy(runs[0], options.unrolls, trained=False)
    mean, low, high = np.mean(trained, axis=0), np.min(trained, axis=0), np.max(trained, axis=0)
    steps = np.arange(1, len(mean) + 1)
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.fill_between(steps, low, high, color="tab:red", alpha=0.2, linewidth=0)
    axis.plot(steps, mean, color="tab:red", label=f"trained, mean and range of {len(runs)} runs")
    axis.plot(steps, untrained, color="black", label="untrained")
    axis.axhline(chance, color="grey", linestyle=":", label=f"chance, {chance:.4f}")
    axis.set(xlabel="steps ahead, k", ylabel="accuracy", title="CPC on held-out rollouts", yscale="log")
    axis.legend(loc=(0.05, 0.2))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)
    print(f"{len(runs)} runs, {options.unrolls} unrolls each; chance {chance:.4f}; picture: {options.out}\n")
    print("| k | accuracy (mean) | lowest run | highest run | untrained | mean over chance |")
    print("|---|---|---|---|---|---|")
    for k in (1, 2, 3, 5, 10, 15, 20, 25, 30):
        if k <= len(mean):
            i = k - 1
            cells = (mean[i], low[i], high[i], untrained[i], mean[i] / chance)
            print(f"| {k} | " + " | ".join(f"{x:.4f}" for x in cells[:4]) + f" | {cells[4]:.1f} |")


if __name__ == "__main__":
    main()
