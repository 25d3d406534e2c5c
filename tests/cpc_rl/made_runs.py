"""Run directories with made-up metrics, as training writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from configs import Frozen
from cpc_rl.compare.curves import Curve
from cpc_rl.compare.reading import Run, RunSet, read_run
from cpc_rl.runs import Logger, RunConfig, RunDirectory


def write_run(
    path: Path,
    aux: str = "cpc",
    returns: float | Sequence[float | None] = 1.0,
    *,
    env: str = "maze",
    backend: str = "minilab",
    seed: int = 1,
    frames: int = 1000,
    planned: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """A run of ten lines up to `frames` frames; `settings` are dotted keys. None is a return that is no number."""
    path.mkdir(parents=True)
    config: dict[str, Any] = {
        "env": {"name": env, "backend": backend},
        "aux": aux,
        "run": {"seed": seed, "frames": planned or frames},
        "optimiser": {"name": "adam"},
        "cpc": {"steps": 30},
    }
    for key, value in (settings or {}).items():
        section, _, name = key.rpartition(".")
        config[section][name] = value
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    values = [returns] * 10 if isinstance(returns, int | float) else list(returns)
    rows: list[dict[str, Any]] = [{"frames": frames // 20, "episodes": 0, "frames_per_second": 100.0}]
    for i, value in enumerate(values, start=1):
        rows.append({"frames": frames * i // len(values), "episodes": 2, "episode_return": value, "seconds": float(i)})
        rows[-1]["frames_per_second"] = 100.0
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class _Config(Frozen):
    aux: str = "none"
    run: RunConfig = RunConfig()


def log_run(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A run whose metrics the training programs' own logger wrote: (frames, metrics of that line)."""
    config = _Config(run=RunConfig(frames=400))
    with Logger(RunDirectory.create(path, config), config.run) as logger:
        for row in rows:
            logger.write(row["frames"], {k: v for k, v in row.items() if k != "frames"})
    return path


def line(frames: Sequence[float], returns: Sequence[float], episodes: Sequence[float] | None = None) -> Curve:
    """A curve."""
    weights = np.ones(len(frames)) if episodes is None else np.array(episodes, dtype=float)
    return Curve(np.array(frames, dtype=float), np.array(returns, dtype=float), weights)


def run_set(*paths: Path) -> RunSet:
    """Runs as they are read."""
    return RunSet([read_run(path) for path in paths], [], 0)


def runs(*paths: Path) -> list[Run]:
    """Runs as they are read."""
    return run_set(*paths).runs
