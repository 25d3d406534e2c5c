"""Comparing another metric than the return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpc_rl import watch
from cpc_rl.compare import main
from cpc_rl.compare.curves import read_curve
from cpc_rl.compare.reading import find
from cpc_rl.compare.summary import compare
from tests.cpc_rl.made_runs import write_run

ROWS = [
    {"frames": 100, "episodes": 2, "episode_return": 1.0, "episode/finds": 4.0, "entropy": 2.0},
    {"frames": 100, "eval/return": 9.0, "eval/episode/finds": 5.0},
    {"frames": 200, "episodes": 0, "entropy": 1.5},
    {"frames": 300, "episodes": 6, "episode_return": 1.0, "episode/finds": 8.0, "entropy": 1.0},
    {"frames": 400, "episodes": 1, "episode_return": 1.0, "episode/finds": None, "entropy": 0.5},
    {"frames": 500, "episodes": 1, "episode_return": 1.0, "entropy": 0.25},
    {"frames": 500, "eval/return": 10.0, "eval/episode/finds": 6.0},
]


def made(folder: Path, finds: dict[str, list[float]], env: str = "rooms_watermaze") -> list[Path]:
    """A run for each arm and seed, whose episodes have so many finds, and a return of 5."""
    paths = []
    for aux, each in finds.items():
        for seed, value in enumerate(each, start=1):
            path = write_run(folder / f"{aux}{seed}", aux, 5.0, env=env, seed=seed)
            rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
            rows = [row | {"episode/finds": value, "loss/cpc": 1 / value} if row["episodes"] else row for row in rows]
            (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            paths.append(path)
    return paths


def test_metrics_of_episodes_weigh_by_these_others_alike_and_evaluations_stand_apart() -> None:
    found = {name: read_curve(ROWS, name) for name in ("episode/finds", "entropy", "eval/return", "eval/episode/finds")}
    curve, broken = found["episode/finds"]
    assert [x.tolist() for x in curve] == [[100, 300], [4, 8], [2, 6]] and broken == 1
    assert [x.tolist() for x in found["entropy"][0]] == [[100, 200, 300, 400, 500], [2, 1.5, 1, 0.5, 0.25], [1] * 5]
    assert [x.tolist() for x in found["eval/return"][0]] == [[100, 500], [9, 10], [1, 1]]
    assert found["eval/episode/finds"][0].returns.tolist() == [5, 6]
    assert read_curve(ROWS)[0].frames.tolist() == [100, 300, 400, 500]


def test_finds_are_compared_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = made(tmp_path, {"none": [2, 3, 4], "cpc": [7, 8, 9]})
    assert main([*map(str, paths), "--metric", "episode/finds", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("cpc against none on rooms_watermaze: +5.00 [5.00, 5.00] final episode/finds, 3 seeds\n")
    assert "P(higher)" in printed and "times fewer" not in printed and "return" not in printed
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Final episode/finds: mean over" in page and "of which more may be better or worse" in page
    assert "final return" not in page and "random play" not in page
    assert "frames,episode/finds,low,high" in (tmp_path / "out" / "curves.csv").read_text()


def test_only_returns_have_random_play_and_a_normalised_score(tmp_path: Path) -> None:
    paths = made(tmp_path, {"none": [2, 3, 4], "cpc": [7, 8, 9]})
    finds, returns = (
        compare(find(paths, metric=name)).panels["rooms_watermaze"] for name in ("episode/finds", "episode_return")
    )
    assert finds.chance is None and finds.arms["cpc"].normalised("rooms_watermaze") is None
    assert finds.arms["none"].reach is None and finds.contrasts["cpc"].speedup is None
    assert returns.chance is not None and returns.arms["cpc"].normalised("rooms_watermaze") is not None
    assert returns.arms["none"].finals.tolist() == [5, 5, 5] and finds.arms["none"].finals.tolist() == [2, 3, 4]


def test_a_metric_that_no_run_has_names_a_near_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in made(tmp_path, {"none": [2]})]
    assert main([*paths, "--metric", "episode/find", "--out", str(tmp_path / "out")]) == 2
    message = "error: --metric episode/find: no run has logged it; did you mean episode/finds?\n"
    assert capsys.readouterr().err == message and not (tmp_path / "out").exists()


def test_watching_takes_the_metric_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(path) for path in made(tmp_path, {"none": [2], "cpc": [7]})]
    assert watch.main([*paths, "--metric", "episode/finds", "--once", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "+5.00 final episode/finds" in printed and "7.00" in printed


def test_a_run_without_the_metric_is_named_and_left_out(tmp_path: Path) -> None:
    (one,) = made(tmp_path, {"none": [2]})
    other = write_run(tmp_path / "old", "cpc", 5.0, env="rooms_watermaze")
    out = tmp_path / "out"
    assert main([str(one), str(other), "--metric", "episode/finds", "--out", str(out)]) == 0
    assert "no episode/finds, no curve" in (out / "summary.md").read_text()
