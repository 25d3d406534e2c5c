"""The small runs of all methods on pictures: their flags, what is kept of them, and the tables of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from configs import load
from cpc_repr.vision.compare import read_runs
from cpc_repr.vision.config import full_config
from cpc_repr.vision.pretext import METHODS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DRAWN = BENCHMARKS / "results/vision/methods/drawn"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("vision_methods")


def test_whole_seeds_come_first_and_their_flags_are_known(program: ModuleType) -> None:
    jobs = dict(program.jobs(["drawn", "real", "skip"], [1, 2], [], "DIR"))
    names = list(jobs)
    assert names[: len(METHODS)] == [f"drawn/{name}-s1" for name in program.METHODS]
    assert {*program.METHODS} == {*METHODS} and len(names) == 2 * (2 * len(METHODS) + 2)
    for name, flags in jobs.items():
        preset = f"small-{flags[1]}" if flags[1] != "cpc" else "small"
        config = load(full_config(), ["--preset", preset, *flags], prog="x", description="", family="vision")
        assert f"{config.method}-s{config.run.seed}" == name.partition("/")[2]
        assert len(config.rows()) == (2 if name.startswith("skip") else 1)


def test_what_is_kept_names_no_path_and_has_four_digits(program: ModuleType, tmp_path: Path) -> None:
    settings = {"data": {"data": "/home/me/pictures", "cache": "/home/me"}, "run": {"seed": 1}}
    results = {"a": {"linear": [0.123456, 0.1, 0.2], "mlp": [0.1, 0, 1]}, "throughput": {"x": 1}, "a_grid": {"grid": 1}}
    (tmp_path / "run/arm/report").mkdir(parents=True)
    (tmp_path / "run/arm/report/results.json").write_text(json.dumps({"settings": settings, "results": results}))
    program.keep(tmp_path / "run", tmp_path / "kept")
    kept = json.loads((tmp_path / "kept/arm/report/results.json").read_text())
    assert kept["settings"] == {"data": {"data": "pictures", "cache": None}, "run": {"seed": 1}}
    assert kept["results"] == {"a": {"linear": [0.1235, 0.1, 0.2]}}


def test_kept_runs_can_be_compared_and_their_differences_are_those_of_the_table(program: ModuleType) -> None:
    runs = read_runs(sorted(DRAWN.iterdir()), "lbfgs")
    differences: dict[str, list[float]] = {}
    for run in runs:
        found = json.loads((run.path / "report/results.json").read_text())["results"]
        gain = 100 * (run.score.accuracy - found["random"]["lbfgs"][0])
        differences.setdefault(run.config.method, []).append(gain)
    _, *rows = importlib.import_module("recipes.vision").methods()
    for name, row in zip(METHODS, rows, strict=True):
        if name in differences:
            mean = sum(differences[name]) / len(differences[name])
            assert row[2].strip("*").split()[0] == f"{mean:+.1f}", name
