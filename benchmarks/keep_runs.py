"""Copy finished runs into the repository, small enough to be committed and whole enough to be compared again.

    python benchmarks/keep_runs.py RUN_OR_SWEEP... --out benchmarks/results/figure6
    python -m cpc_rl.compare benchmarks/results/figure6/*

Of each run that reached its planned frames: its config.yaml, and of metrics.jsonl the lines in which episodes ended,
with returns, entropy, speed and what the curves show of each auxiliary loss. A run that is there already is left alone,
so that the folder grows run by run. Trials that failed are named, never left out silently. With --weights the agent's
too, as 16-bit floats: `python -m cpc_rl.evaluate` plays it from there.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from pathlib import Path
from typing import Any

from cpc_rl.compare.reading import Run, find
from cpc_rl.runs import read_metrics
from cpc_rl.runs.checkpoint import Checkpoints
from cpc_rl.runs.curve import aux_curves

KEYS = ["frames", "seconds", "memory_mb", "episodes", "episode_return", "entropy", "loss/baseline"]


def thin(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the lines that have a return, and the last one, with four digits of what is kept."""
    kept = [row for i, row in enumerate(rows) if row.get("episodes") or i == len(rows) - 1]
    keys = [*KEYS, *(key for _, _, shown in aux_curves(kept[-1] if kept else {}) for key in shown)]
    return [{key: short(row[key]) for key in keys if key in row} for row in kept]


def short(value: Any, digits: int = 4) -> Any:
    """So many significant digits of a float; an integer stays."""
    return float(f"{value:.{digits}g}") if isinstance(value, float) and math.isfinite(value) else value


def name(run: Run, by: list[str]) -> str:
    """What the run's folder is called: level, loss, other settings in `by`, seed."""
    others = [f"{key.split('.')[-1]}={short(run.settings.get(key), 3)}" for key in by]
    return "-".join([run.env, str(run.settings["aux"]), *others, f"s{run.seed}"])


def keep(run: Path, place: Path, weights: bool = False) -> int:
    """Copy a finished run, thinned; `place` appears whole or not at all. Returns the lines of its metrics."""
    part = place.with_name(f".{place.name}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shutil.copy(run / "config.yaml", part)
    lines = thin(read_metrics(run / "metrics.jsonl"))
    (part / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if weights:
        state = Checkpoints(run).load()
        halves = {name: weight.half() for name, weight in {**state["network"], **state.get("average", {})}.items()}
        Checkpoints(part).save({"frames": state["frames"], "network": halves})
    part.rename(place)
    return len(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories and sweeps")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--by", nargs="*", default=[], help="further settings in the folders' names, e.g. cpc.steps")
    parser.add_argument("--weights", action="store_true", help="the agents' weights too")
    options = parser.parse_args()
    found = find(options.runs)
    for run in found.runs:
        place = options.out / name(run, options.by)
        if run.state != "done":
            print(f"{run.path}: {run.state} at {run.reached:,} frames {run.error}".rstrip())
        elif not place.exists():
            print(f"{place}: {keep(run.path, place, options.weights)} lines")
    for words in found.lost:
        print(words)


if __name__ == "__main__":
    main()
