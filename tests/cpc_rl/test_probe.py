"""The probe of a run, on seekavoid_arena_01, whose episodes are short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import agents.a2c
from configs import load_yaml
from cpc_rl import probe as module
from cpc_rl.episodes import NetworkPolicy, evaluate
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.probe import Recorder, probe_run, probe_table
from cpc_rl.runs import RunDirectory
from envs.api import EnvStep
from envs.minilab.env import MinilabEnv

LATENTS = {f"{latent} {which}" for latent in "cz" for which in ("trained", "untrained")}
NETWORK = NetworkConfig(features=16, hidden=16)


def network(seed: int) -> ActorCritic:
    torch.manual_seed(seed)
    return ActorCritic(NETWORK, (36, 48, 3), 9)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of seed 5 that has its first weights still."""
    words = ["--env", "seekavoid_arena_01", "--backend", "minilab", "--height", "36", "--width", "48"]
    words += ["--network.features", "16", "--network.hidden", "16", "--num-envs", "2", "--seed", "5"]
    run = RunDirectory.create(tmp_path / "run", agents.a2c.parse(words))
    run.checkpoints.save({"frames": 4000, "network": network(5).state_dict()})
    return run


def test_untrained_is_the_network_that_training_began_with(run: RunDirectory) -> None:
    config = agents.a2c.parse(["--config", str(run.config_path)])
    env = MinilabEnv("seekavoid_arena_01", 2, 36, 48)
    begun, ours = agents.a2c.Learner(config, env).net.state_dict(), network(5).state_dict()
    assert all(torch.equal(begun[name], ours[name]) for name in ours)


def test_a_run_of_no_training_knows_what_the_untrained_network_knows(
    run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--episodes", "6", "--num-envs", "4", "--every", "7", "--device", "cpu"]
    assert module.main([str(run.path), *flags]) == 0
    result = json.loads((run.report / "probe.json").read_text())
    assert result["env"] == "seekavoid_arena_01" and result["frames"] == 4000
    assert result["rows"] == 6 * 43  # of 300 steps, every seventh from the first on
    assert result["sampled"]["episodes"] == 6 and result["sampled"]["length"] == 300
    assert set(result["facts"]) == {"position", "heading", "apples and lemons in view"}
    for scores in result["facts"].values():
        assert set(scores) == {*LATENTS, "constant"}
        assert scores["c trained"] == scores["c untrained"] and scores["z trained"] == scores["z untrained"]
        assert all(score["low"] <= score["r2"] <= score["high"] for score in scores.values())
        assert scores["constant"]["r2"] < 0.01
    printed = capsys.readouterr().out
    assert "\\" not in printed  # nothing is escaped
    assert "seekavoid_arena_01 after 4,000 frames" in printed and "heading" in printed and "probe.json" in printed


def test_other_weights_know_other_things(run: RunDirectory) -> None:
    run.checkpoints.save({"frames": 8000, "network": network(6).state_dict()})
    heading = probe_run(run.path, 5, every=10, device="cpu")["facts"]["heading"]
    assert heading["c trained"] != heading["c untrained"] and heading["z trained"] != heading["z untrained"]


class Watched:
    """A policy that keeps all it saw and did."""

    def __init__(self, policy: Recorder, env: MinilabEnv) -> None:
        self.policy, self.env, self.seen = policy, env, list[tuple[Tensor, ...]]()

    def __call__(self, step: EnvStep) -> Tensor:
        row = [x.clone() for x in (step.obs, step.reward, step.is_first)]
        pose = torch.from_numpy(self.env.poses())
        action = self.policy(step)
        self.seen.append((*row, pose, action.clone()))
        return action


def test_latents_and_facts_are_of_the_same_row() -> None:
    """Against one pass over the whole of it, for both networks; the second episodes of three belong to none."""
    env = MinilabEnv("seekavoid_arena_01", 3, 36, 48, seed=2)
    nets = {"trained": network(1).eval(), "untrained": network(2).eval()}
    policy = NetworkPolicy(nets["trained"], 3, torch.device("cpu"), seed=4)
    watched = Watched(recorder := Recorder(env, policy, nets["untrained"], episodes=5, every=3), env)
    evaluate(env, watched, 5)
    table = recorder.table()
    obs, reward, is_first, pose, action = (torch.stack(part) for part in zip(*watched.seen, strict=True))
    last = torch.cat([torch.zeros_like(action[:1]), action[:-1]])  # [T, B]
    number = (is_first.cumsum(0) - 1) * 3 + torch.arange(3)  # [T, B]
    age = torch.arange(600)[:, None] % 300  # [T, 1]
    kept = (number < 5) & (age % 3 == 0)  # [T, B]
    assert len(action) == 600 and torch.equal(table["episode"], number[kept])
    assert torch.equal(table["position"], pose[kept][:, :2])
    with torch.no_grad():
        for which, net in nets.items():
            out = net(obs, last, reward, is_first, net.initial_state(3))
            assert torch.allclose(table[f"z {which}"], out.z[kept], atol=1e-5)
            assert torch.allclose(table[f"c {which}"], out.c[kept], atol=1e-5)


def test_a_latent_that_is_the_fact_scores_one() -> None:
    made = torch.Generator().manual_seed(0)
    c = torch.randn(400, 5, generator=made)
    table = {"episode": torch.arange(400) % 10, "c trained": c, "c untrained": torch.randn(400, 5, generator=made)}
    table |= {"position": c[:, :2] @ torch.randn(2, 2, generator=made) * 300 - 70, "seen": (c[:, [0]] > 0)}
    scores = probe_table({**table, "never": torch.zeros(400, 1, dtype=torch.bool)}, seed=0)
    assert scores["position"]["c trained"]["r2"] == pytest.approx(1, abs=1e-6)
    assert 0.5 < (scores["seen"]["c trained"]["r2"] or 0) < 0.8  # the line through a step: 2 / pi of its variance
    for name in ("c untrained", "constant"):
        assert abs(scores["position"][name]["r2"] or 0) < 0.1
    assert scores["never"]["c trained"]["r2"] is None


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert module.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_runs_of_other_back_ends_are_refused(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    saved: dict[str, Any] = load_yaml(run.config_path)
    saved["env"] |= {"name": "gymnasium/CartPole-v1", "backend": "gymnasium"}
    run.config_path.write_text(json.dumps(saved))
    assert "was trained in gymnasium: probes read minilab's state" in refused([str(run.path)], capsys)
    assert not (run.path / "report").exists()


def test_refusals(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere: no such run directory" in refused(["nowhere"], capsys)
    assert "--episodes 4: input should be greater than or equal to 5" in refused(["x", "--episodes", "4"], capsys)
    assert "Missing from python -m cpc_rl.probe: DIR" in refused([], capsys)
    (run.path / "report").write_text("a file")
    assert "probe.json: " in refused([str(run.path)], capsys)
