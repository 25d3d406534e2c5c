"""Figure 6 with ten seeds: a search for each arm, then both arms on five levels. Stop it and start it again at will.

    python benchmarks/figure6_ten.py search [--jobs 2] [--minutes 100]     # 48 runs of 2 million frames
    python benchmarks/figure6_ten.py runs [--jobs 2] [--minutes 100]       # 100 runs of 5 million frames
    python -m cpc_rl.compare benchmarks/results/figure6_ten/levels/*

docs/figure6.md states the rule and the test. A run that ends is kept, thinned, under benchmarks/results/figure6_ten,
and never made again; one that is interrupted goes on from its checkpoint under --runs. After --minutes no run begins
and those in progress are asked to stop. Both arms of a seed follow each other, so that whatever stands is in pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keep_runs import keep

from cpc_rl.compare.curves import read_curve, resample
from cpc_rl.runs import read_metrics
from cpc_rl.sweep.file import Trials, load_sweep

KEPT = Path(__file__).parent / "results" / "figure6_ten"
ARMS = ("none", "cpc")
LEVELS = (
    "rooms_watermaze",
    "seekavoid_arena_01",
    "explore_goal_locations_small",
    "rooms_keys_doors_puzzle",
    "lasertag_three_opponents_small",
)
SEEDS = range(11, 21)  # none of them was used before
DRAWS = 12
SEARCHED = ("entropy-cost", "optimiser.learning-rate")


def search() -> dict[str, dict[str, Any]]:
    """Flags of the search's runs by name, those of one draw together."""
    _, _, file = load_sweep(Path("figure6_ten_search"))
    trials = Trials(file, seed=1, cross=["env", "aux"])
    flags = [trials[i] for i in range(trials.count(DRAWS))]
    return {f"{f['env']}-{f['aux']}-draw{i // trials.combinations:02d}": f | {"seed": 1} for i, f in enumerate(flags)}


def height(run: Path) -> float:
    """Mean return over the last 15 % of the frames of a kept run."""
    curve, _ = read_curve(read_metrics(run / "metrics.jsonl"))
    last = curve.frames[-1]
    return float(resample(curve, [last * share / 100 for share in range(86, 101)]).mean())


def best(arm: str) -> dict[str, Any]:
    """Settings of the draw whose standardised return has the highest sum over both levels (docs/figure6.md)."""
    flags = search()
    if missing := [name for name in flags if not (KEPT / "search" / name).exists()]:
        sys.exit(f"error: {len(missing)} runs of the search are still to come; `search` comes before `runs`")
    heights = {name: height(KEPT / "search" / name) for name in flags}
    scores: dict[tuple[float, float], float] = {}
    for level in {f["env"] for f in flags.values()}:
        here = [heights[name] for name, f in flags.items() if f["env"] == level]
        mean, deviation = statistics.mean(here), statistics.stdev(here)
        for name, f in flags.items():
            if (f["env"], f["aux"]) == (level, arm):
                drawn = (f[SEARCHED[0]], f[SEARCHED[1]])
                scores[drawn] = scores.get(drawn, 0.0) + (heights[name] - mean) / deviation
    return dict(zip(SEARCHED, max(scores, key=lambda drawn: scores[drawn]), strict=True))


def runs() -> dict[str, dict[str, Any]]:
    """Flags of the hundred runs by name: seed after seed, level after level, both arms."""
    settings = {arm: best(arm) for arm in ARMS}
    return {
        f"{env}-{aux}-s{seed}": {"env": env, "aux": aux, "seed": seed, "frames": 5_000_000, **settings[aux]}
        for seed in SEEDS
        for env in LEVELS
        for aux in ARMS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "runs"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--runs", type=Path, default=Path("runs/figure6_ten"))
    options = parser.parse_args()
    todo, out = {"search": (search, "search"), "runs": (runs, "levels")}[options.what]
    planned = todo()
    waiting = [name for name in planned if not (KEPT / out / name).exists()]
    print(f"{len(planned) - len(waiting)} of {len(planned)} runs are kept", flush=True)
    options.runs.mkdir(parents=True, exist_ok=True)
    end, active = time.monotonic() + 60 * options.minutes, set[subprocess.Popen[bytes]]()

    def train(name: str) -> None:
        if time.monotonic() >= end:
            return
        path = options.runs / name
        flags = [f"--{key}={value}" for key, value in planned[name].items()]
        start = ["--resume", str(path)] if (path / "config.yaml").exists() else ["--run", str(path)]
        command = [sys.executable, "-m", "agents.a2c", "--preset", "laptop", *start, *flags, "--threads", "1"]
        with (options.runs / f"{name}.log").open("a") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log)
        active.add(child)
        code = child.wait()
        active.discard(child)
        if code == 0:
            keep(path, KEPT / out / name)
        print(f"{name}: {'kept' if code == 0 else f'ended with {code}, see {name}.log'}", flush=True)

    def stop(*_: object) -> None:
        nonlocal end
        end = 0.0
        for child in list(active):
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    timer = threading.Timer(60 * options.minutes, stop)
    timer.daemon = True
    timer.start()
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(train, waiting))


if __name__ == "__main__":
    main()
