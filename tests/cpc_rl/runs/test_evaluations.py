"""When evaluations are due, which is the best, and when they end a run: on numbers that are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cpc_rl.runs import Evaluations, RunConfig, RunDirectory
from cpc_rl.runs.screen import Step
from tests.cpc_rl.runs.test_loop import Counter, train


def told(returns: list[float], **settings: Any) -> Evaluations:
    left = iter(returns)

    def play(step: Step) -> dict[str, float]:
        value = next(left)
        return {f"eval/{name}": value for name in ("return", "return_low", "return_high", "greedy_return", "episodes")}

    return Evaluations(RunConfig(**{"eval_every": 8, **settings}), play)


@pytest.mark.parametrize("every", [1, 3, 7, 10, 100])
@pytest.mark.parametrize("step", [1, 4, 25])
def test_due_where_a_multiple_was_passed_or_the_end(every: int, step: int) -> None:
    evaluations = told([], eval_every=every)
    for before in range(0, 75, step):
        passed = any(frame % every == 0 for frame in range(before + 1, before + step + 1))
        assert evaluations.due(before, before + step, 75) == (passed or before + step >= 75)
    assert not told([], eval_every=0).due(0, 10, 10)


def test_the_best_is_the_first_of_the_highest() -> None:
    evaluations = told([1.0, 3.0, 3.0, 2.0])
    assert [evaluations.play(8 * i, Step("playing"))[1] for i in range(1, 5)] == [True, True, False, False]
    assert (evaluations.best, evaluations.best_frames, evaluations.last) == (3.0, 16, 2.0)


@pytest.mark.parametrize(
    ("settings", "end", "words"),
    [
        ({"stop_at": 4.0}, 32, "the evaluated return is 4, --stop-at 4 is reached"),
        ({"patience": 8}, 24, "no evaluation was better than 3 at 16 frames, --patience 8"),
        ({"patience": 9}, 40, None),
        ({"stop_at": 4.5}, 40, None),
    ],
)
def test_a_run_ends_early_says_why_and_goes_on_under_other_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], end: int, words: str | None
) -> None:
    returns = [1.0, 3.0, 3.0, 4.0, 4.0]  # at 8, 16, 24, 32, 40 frames
    learner = Counter()
    assert train(tmp_path / "run", learner, evaluations=told(returns, **settings))
    assert learner.progress == end
    record = tmp_path / "run" / "stopped.json"
    if words is None:
        assert not record.exists()
        return
    assert json.loads(record.read_text()) == {"frames": end, "reason": words}
    assert f"ended early at {end} frames: {words}" in capsys.readouterr().out
    again = Counter()
    assert train(tmp_path / "run", again, evaluations=told([], **settings)) and again.progress == end
    assert f"ended early at {end} frames: {words}; with other limits it goes on" in capsys.readouterr().out
    assert RunDirectory.open(tmp_path / "run").read_stopped() == words
    further = Counter()
    assert train(tmp_path / "run", further, evaluations=told(returns[end // 8 :])) and further.progress == 40
    assert not record.exists()


def test_the_best_checkpoint_stays_beside_the_newest_two(tmp_path: Path) -> None:
    train(tmp_path / "run", Counter(), evaluations=told([1.0, 3.0, 2.0, 2.0, 2.0]))
    names = sorted(path.name for path in (tmp_path / "run").glob("*.pt"))
    assert names == ["best.pt", "checkpoint-36.pt", "checkpoint-40.pt"]
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    assert best["updates"] == 4 and best["evaluations"]["best_frames"] == 16


def test_a_callback_hears_of_evaluations_and_may_end_the_run_there(tmp_path: Path) -> None:
    heard: list[int] = []

    def callback(frames: int, line: Any) -> bool:
        if "eval/return" in line:
            heard.append(frames)
        return line.get("eval/return", 0) > 2

    learner = Counter()
    assert train(tmp_path / "run", learner, evaluations=told([1.0, 3.0, 2.0]), callback=callback)
    assert heard == [8, 16] and learner.progress == 16
    assert RunDirectory.open(tmp_path / "run").read_stopped() == "the callback asked for it"
    assert torch.load(tmp_path / "run" / "best.pt", weights_only=True)["evaluations"]["best_frames"] == 16
