"""An exported agent computes what the agent computes, and its card says what it is."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch

import envs
from configs import Frozen, RunFailure, UsageError
from cpc_rl import exchange, export
from cpc_rl.export import Step, example_rows, export_run, main
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import RunDirectory
from envs.config import EnvConfig
from tests.toys import CountingEnv

ROOT = Path(__file__).resolve().parents[2]
PICTURE = (36, 36, 3)


class TrainConfig(Frozen):
    env: EnvConfig = EnvConfig(num_envs=4)
    network: NetworkConfig = NetworkConfig(features=8, hidden=8, precision="bfloat16")
    aux: str = "cpc"


@pytest.fixture
def shape(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> tuple[int, ...]:
    """Of what the environments of the run show."""
    shape: tuple[int, ...] = getattr(request, "param", PICTURE)
    monkeypatch.setattr(envs, "make", lambda *_, **__: CountingEnv([3], obs_shape=shape))
    return shape


@pytest.fixture
def run(shape: tuple[int, ...], tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "run", TrainConfig())
    run.checkpoints.save({"frames": 4000, "network": ActorCritic(TrainConfig().network, shape, 3).state_dict()})
    return run


def network(run: RunDirectory, shape: tuple[int, ...]) -> ActorCritic:
    net = ActorCritic(TrainConfig().network.model_copy(update={"precision": "float32"}), shape, 3).eval()
    net.load_state_dict(run.checkpoints.load()["network"])
    return net.requires_grad_(False)


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_a_thousand_steps_with_resets_are_those_of_one_pass(
    run: RunDirectory, shape: tuple[int, ...], form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path, difference = export_run(run.path, form)
    assert difference < 1e-6
    net, steps, batch = network(run, shape), 1000, 3
    rows = example_rows(net, shape, steps * batch)
    obs, action, reward, is_first = (x.unflatten(0, (steps, batch)) for x in list(rows.values())[:4])  # [T, B, ...]
    whole = net(obs, action, reward, is_first, net.initial_state(batch))
    play, state = exchange.read_network(path), net.initial_state(batch)
    logits, values = [], []
    for row in zip(obs, action, reward, is_first, strict=True):
        each, value, *state = play(*row, *state)
        logits.append(each)
        values.append(value)
    assert int(is_first.sum()) > 200
    torch.testing.assert_close(torch.stack(logits), whole.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.stack(values), whole.value, rtol=0, atol=1e-5)
    assert "[torch.onnx]" not in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(4,)], indirect=True)
def test_the_example_plays_an_environment_without_pytorch(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = export_run(run.path)
    env = gymnasium.wrappers.TransformAction(
        gymnasium.make("CartPole-v1"), lambda action: action % 2, gymnasium.spaces.Discrete(3)
    )
    monkeypatch.setattr(gymnasium, "make", lambda _: env)
    file = ROOT / "examples" / "play_onnx.py"
    monkeypatch.setattr(sys, "argv", [str(file), str(path), "CartPole-v1"])
    runpy.run_path(str(file))
    assert 8 <= float(capsys.readouterr().out.removeprefix("return ")) <= 500
    assert "torch" not in file.read_text().replace("PyTorch", "") and "cpc_rl" not in file.read_text()


def test_the_card_has_the_score_of_this_checkpoint_and_of_no_other(run: RunDirectory) -> None:
    score = {"mean": 1.5, "low": 1.0, "high": 2.0, "episodes": 30}
    found = {"frames": 4000, "checkpoint": "newest", "sampled": score}
    (run.report / "evaluation.json").write_text(json.dumps(found))
    path, _ = export_run(run.path, "torch")
    card = (path.parent / "README.md").read_text()
    assert "| return | 1.50, 95 % interval 1.00 to 2.00, over 30 new episodes of the sampled policy |" in card
    assert "| `obs` | uint8 [B, 36, 36, 3] |" in card and "4,000 frames" in card and "| `cpc` |" in card
    assert (path.parent / "config.yaml").read_bytes() == run.config_path.read_bytes()
    for other in ({**found, "frames": 3000}, {**found, "checkpoint": "best"}, {"frames": 4000}, []):
        (run.report / "evaluation.json").write_text(json.dumps(other))
        export_run(run.path, "torch")
        assert (
            "| return | not known: run `python -m cpc_rl.evaluate` before the export |"
            in (path.parent / "README.md").read_text()
        )


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({"episodes": 1.0, "cut": 0.0}, "| 1.50 in 1 new episode of the sampled policy |"),
        (
            {"episodes": 1.0, "cut": 1.0},
            "| 1.50 in 1 new episode of the sampled policy, 1 of them cut before their end |",
        ),
        (
            {"episodes": 5.0, "cut": 2.0},
            "interval 1.00 to 2.00, over 5 new episodes of the sampled policy, 2 of them cut before their end |",
        ),
    ],
)
def test_the_card_says_what_its_score_is_worth(run: RunDirectory, scores: dict[str, float], says: str) -> None:
    found = {"frames": 4000, "checkpoint": "newest", "sampled": {"mean": 1.5, "low": 1.0, "high": 2.0, **scores}}
    (run.report / "evaluation.json").write_text(json.dumps(found))
    path, _ = export_run(run.path, "torch")
    assert says in (path.parent / "README.md").read_text()


def test_no_folder_of_other_things_is_written_into(run: RunDirectory, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    export_run(run.path, "torch", out=project)
    export_run(run.path, "torch", out=project)  # its own export is written anew
    for folder in (project, run.path):
        (project / "agent.pt2").unlink(missing_ok=True)
        held = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        with pytest.raises(UsageError, match=f"--out {folder} holds other things"):
            export_run(run.path, "torch", out=folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == held


def test_a_run_that_is_no_agent_is_refused(run: RunDirectory) -> None:
    run.config_path.write_text(f"{run.config_path.read_text()}\nheld_out: 2\n")
    with pytest.raises(UsageError, match="is a run of python -m cpc_rl.pretrain, and this takes one of agents.a2c"):
        export_run(run.path, "torch")


def test_a_file_that_computes_something_else_is_named(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    right = exchange.read_network

    def wrong(path: Path) -> Any:
        return lambda *inputs: [x + 0.1 for x in right(path)(*inputs)]

    monkeypatch.setattr(export, "read_network", wrong)
    with pytest.raises(RunFailure, match=r"agent\.pt2 computes logits that differ from the network's by 0\.1"):
        export_run(run.path, "torch")


def test_what_is_missing_is_said_in_one_line_before_anything_is_made(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main([str(run.path)]) == 2
    error = capsys.readouterr().err
    assert "--format onnx needs onnxscript" in error and "pip install 'cpc-rl[export]'" in error
    with pytest.raises(UsageError, match="has no best checkpoint"):
        export_run(run.path, "torch", checkpoint="best")
    assert not (run.path / "export").exists()


def test_the_state_is_cleared_where_an_episode_begins(shape: tuple[int, ...]) -> None:
    net = ActorCritic(TrainConfig().network, shape, 3)
    rows = example_rows(net, shape, 2)
    rows["is_first"] = torch.tensor([True, False])
    before = Step(net)(*rows.values())[0]
    rows |= {name: rows[name] + 1 for name in ("h", "c")}
    after = Step(net)(*rows.values())[0]
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
