"""Evaluation while training changes nothing in the run, and goes on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.a2c import Learner, main
from configs import RunFailure
from cpc_rl.evaluate import main as evaluate
from cpc_rl.evaluating import episodes_seed
from tests.agents.test_resume import equal, newest

TINY = """
env: {name: seekavoid_arena_01, num_envs: 3, height: 24, width: 32}
a2c: {unroll: 20, bootstrap_truncation: false}
network: {features: 16, hidden: 16}
optimiser: {average: 0.9}
run: {threads: 1, device: cpu, log_updates: 5, checkpoint_minutes: 0.0001}
"""
FRAMES = 3600  # 15 updates of 240
EVALUATING = ("--eval-every", "1500", "--eval-episodes", "2")


def train(folder: Path, name: str, *flags: str) -> Path:
    config = folder / "tiny.yaml"
    config.write_text(TINY)
    assert main(["--config", str(config), "--frames", str(FRAMES), "--run", str(folder / name), *flags]) == 0
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run without evaluations, and the same one with them."""
    folder = tmp_path_factory.mktemp("runs")
    return train(folder, "plain"), train(folder, "evaluated", *EVALUATING, "--eval-video")


def state(run: Path) -> dict[str, Any]:
    """The newest checkpoint without the clock and the settings of evaluation."""
    saved = torch.load(newest(run), weights_only=True)
    return {key: value for key, value in saved.items() if key not in ("logger", "config", "evaluations")}


def lines(run: Path, evaluation: bool) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    clock = ("seconds", "frames_per_second", "memory_mb")
    return [{k: v for k, v in row.items() if k not in clock} for row in rows if ("eval/return" in row) == evaluation]


def test_a_run_is_the_same_bit_for_bit_with_and_without_evaluations(runs: tuple[Path, Path]) -> None:
    plain, evaluated = runs
    assert equal(state(plain), state(evaluated))
    assert lines(plain, False) == lines(evaluated, False) and lines(plain, True) == []


def test_an_evaluation_follows_each_multiple_and_the_end(runs: tuple[Path, Path]) -> None:
    rows = lines(runs[1], True)
    assert [row["frames"] for row in rows] == [1680, 3120, 3600]  # the updates that pass 1500 and 3000; the end
    assert all(row["eval/episodes"] == 2 and row["eval/length"] == row["eval/greedy_length"] == 300 for row in rows)
    assert all(row["eval/return_low"] <= row["eval/return"] <= row["eval/return_high"] for row in rows)
    films = sorted(path.name for path in (runs[1] / "video").iterdir())
    assert films == ["eval-1680.mp4", "eval-3120.mp4", "eval-3600.mp4"]


def test_a_run_that_failed_and_was_continued_has_the_same_evaluations(
    runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, update = runs[1], Learner.update

    def failing(self: Learner) -> dict[str, float]:
        if self.updates == 10:
            raise RunFailure("the plug was pulled")
        return update(self)

    monkeypatch.setattr(Learner, "update", failing)
    with pytest.raises(AssertionError):
        train(tmp_path, "broken", *EVALUATING)
    broken = tmp_path / "broken"
    assert [row["frames"] for row in lines(broken, True)] == [1680]
    monkeypatch.setattr(Learner, "update", update)
    assert main(["--resume", str(broken)]) == 0
    assert equal(state(broken), state(whole)) and lines(broken, True) == lines(whole, True)
    best = [torch.load(run / "best.pt", weights_only=True)["evaluations"] for run in (broken, whole)]
    assert best[0] == best[1]


def test_evaluations_play_the_weights_of_a_checkpoint_on_episodes_of_their_own(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`cpc_rl.evaluate` comes to the same return where it is given the run's own episodes."""
    run = runs[1]
    row = lines(run, True)[-1]
    flags = ["--episodes", "2", "--device", "cpu"]
    assert evaluate([str(run), *flags, "--seed", str(episodes_seed(1))]) == 0
    result = json.loads((run / "report" / "evaluation.json").read_text())
    assert result["checkpoint"] == "newest" and result["frames"] == 3600
    assert result["sampled"]["mean"] == row["eval/return"] and result["greedy"]["mean"] == row["eval/greedy_return"]


def test_the_best_checkpoint_is_that_of_the_first_best_evaluation(runs: tuple[Path, Path]) -> None:
    run = runs[1]
    rows = lines(run, True)
    best = max(rows, key=lambda row: row["eval/return"])  # of equal ones the first
    assert evaluate([str(run), "--episodes", "1", "--no-greedy", "--device", "cpu", "--checkpoint", "best"]) == 0
    result = json.loads((run / "report" / "evaluation.json").read_text())
    assert result["checkpoint"] == "best" and result["frames"] == best["frames"]


def test_without_evaluations_there_is_no_best(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate([str(runs[0]), "--checkpoint", "best"]) == 2
    assert "has no best checkpoint: only a run with --eval-every" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--stop-at", "3"), ("--patience", "100"), ("--eval-video",)])
def test_what_goes_by_evaluations_needs_them(flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags]) == 2
    error = capsys.readouterr().err
    assert flags[0] in error and "give --eval-every FRAMES too" in error and error.count("\n") == 1
