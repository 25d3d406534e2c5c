import json
import sys
from pathlib import Path

import pytest

from agents import random
from configs import guarded
from envs.config import EnvConfig
from tests.toys import CountingEnv


def test_scores_and_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[EnvConfig] = []

    def make(config: EnvConfig, seed: int, evaluation: bool = False, **_: object) -> CountingEnv:
        assert evaluation and seed == 5
        asked.append(config)
        return CountingEnv([10] * config.num_envs)

    monkeypatch.setattr(random.envs, "make", make, raising=False)
    out = tmp_path / "random.json"
    command = f"random --env counting --backend minilab --num-envs 2 --episodes 4 --seed 5 --out {out}"
    monkeypatch.setattr(sys, "argv", command.split())
    assert guarded(random.main, debug=True) == 0
    result = json.loads(out.read_text())
    assert (result["mean"], result["length"], result["episodes"], result["seed"]) == (15.5, 10, 4, 5)
    assert result["low"] < 15.5 < result["high"] and result["steps_per_second"] > 0
    text = capsys.readouterr().out
    assert "counting (toy), uniform random policy" in text and "15.50" in text and "agent steps/s" in text
    assert (asked[0].name, asked[0].num_envs) == ("counting", 2)
    monkeypatch.setattr(sys, "argv", [*command.split(), "--quiet"])
    assert guarded(random.main, debug=True) == 0
    text = capsys.readouterr().out
    assert "15.50" in text and "agent steps/s" not in text and "wrote" not in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--episode 3", "unknown flag --episode; did you mean --episodes?\n"),
        ("--env rooms_watermase", "unknown environment 'rooms_watermase'. Did you mean rooms_watermaze?"),
    ],
)
def test_refusals(argv: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["random", *argv.split()])
    assert guarded(random.main, debug=False) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: " + message) and err.count("\n") == 1
