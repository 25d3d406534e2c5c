"""Training, evaluating and loading from Python: the same runs as the programs make."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

import agents
from agents import evaluate, load_agent, train
from agents.a2c import main
from agents.api import words
from configs import UsageError
from cpc_rl.episodes import play
from cpc_rl.runs import RunDirectory, read_metrics
from tests.agents.test_resume import equal, newest

TINY: dict[str, Any] = {
    "env": "rooms_watermaze",
    "num_envs": 3,
    "height": 24,
    "width": 32,
    "unroll": 20,
    "network": {"features": 16, "hidden": 16},
    "aux": "cpc",
    "cpc": {"steps": 5, "anchors": 6},
    "threads": 1,
    "device": "cpu",
    "log_updates": 2,
    "frames": 1200,  # 5 updates of 240
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(**TINY, run=tmp_path_factory.mktemp("runs") / "python")


def test_settings_are_the_words_of_the_command_line() -> None:
    given = {"num_envs": 8, "cpc": {"steps": 3, "negatives": {"count": 4}}, "wandb": False, "episode_info": ["a", "b"]}
    spelt = "--num-envs=8 --cpc.steps=3 --cpc.negatives.count=4 --wandb=False --episode-info a b"
    assert words(given) == spelt.split()
    assert words({"stop_at": -5.0, "run": Path("x y")}) == ["--stop-at=-5.0", "--run=x y"]


def test_a_run_from_python_is_that_of_the_program_bit_for_bit(run: Path, tmp_path: Path) -> None:
    assert main([*words(TINY), "--run", str(tmp_path / "program")]) == 0
    states = [torch.load(newest(path), weights_only=True) for path in (run, tmp_path / "program")]
    assert equal(*({key: value for key, value in state.items() if key != "logger"} for state in states))


def test_a_callback_ends_a_run_and_it_goes_on_without(tmp_path: Path) -> None:
    lines = []
    run = train(lambda frames, line: lines.append(line) or frames >= 480, **TINY, run=tmp_path / "run")
    assert [line["frames"] for line in lines] == [480] and "loss/cpc" in lines[0]
    assert RunDirectory.open(run).read_stopped() == "the callback asked for it"
    assert train(resume=run) == run
    assert read_metrics(run / "metrics.jsonl")[-1]["frames"] == 1200 and not RunDirectory.open(run).read_stopped()


def test_what_is_wrong_is_told_as_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown flag --cpc.stepz; did you mean --cpc.steps"):
        train(cpc={"stepz": 3}, run=tmp_path / "run")
    with pytest.raises(UsageError, match="--frames 0: input should be greater than or equal to 1"):
        train(frames=0, run=tmp_path / "run")
    with pytest.raises(UsageError, match="no such run directory"):
        evaluate(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_signal_stops_the_run_and_then_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpc_rl.runs.loop.train", lambda *_, **__: False)
    with pytest.raises(KeyboardInterrupt, match="run is stopped; resume='.*run' goes on"):
        train(**TINY, run=tmp_path / "run")


def test_a_loaded_agent_plays_and_scores_as_evaluation_does(run: Path) -> None:
    result = evaluate(str(run), episodes=2, greedy=False, device="cpu")
    agent = load_agent(str(run))
    assert agent.frames == result["frames"] == 1200 and agent.env.name == "rooms_watermaze"
    with agent.environments(2) as env:
        rows = list(islice(play(env, agent.policy(2)), 1801))  # of 1,800 steps an episode
    total = sum(step.score for step in rows[1:])
    assert total.mean().item() == pytest.approx(result["sampled"]["mean"])


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, agents; assert 'torch' not in sys.modules; assert dir(agents)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    with pytest.raises(AttributeError, match="module 'agents' has no attribute 'evaluat'"):
        _ = agents.evaluat
