"""What the agent makes of its environments: time limits, losses, vectors, failures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents.a2c import Learner, main
from agents.config import A2CConfig, full_config
from configs import load_yaml
from cpc_rl.acting import begin, collect
from cpc_rl.aux import CPCConfig
from cpc_rl.negatives import Negatives
from cpc_rl.networks import NetworkConfig
from envs.api import EnvironmentFailure
from tests.agents.learners import learner
from tests.toys import CountingEnv


@pytest.mark.parametrize("truncate", [True, False])
def test_a_time_limit_in_a_same_step_row_goes_on_with_the_value_of_the_true_last_frame(truncate):
    env = CountingEnv([7, 5, 9], truncate=truncate, tell_final=True)
    agent = learner(env=env, discount=0.9, reward_clip="none")
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    collect(agent.env, agent.net, agent.rollout, agent.generator)  # what the first unroll left must be gone
    r, seen = agent.rollout, 0
    for t, i in (r.terminated | r.truncated)[1:].nonzero().tolist():
        rows = slice(0, t + 1)
        state = agent.net(r.obs[rows], r.last_action[rows], r.reward[rows], r.is_first[rows], r.state).state
        last = torch.full_like(r.obs[:1], int(env.lengths[i]))  # the pixels show the step
        row = slice(t + 1, t + 2)
        value = agent.net(last, r.last_action[row], r.reward[row], torch.zeros_like(r.is_first[:1]), state).value
        wanted = value[0, i] if truncate else torch.tensor(0.0)
        torch.testing.assert_close(r.final_value[t + 1, i], wanted, rtol=1e-4, atol=1e-5)
        seen += 1
    assert seen >= 9 and (r.final_value != 0).sum() == (seen if truncate else 0)


def test_the_value_of_the_last_frame_reaches_the_returns_unless_it_is_switched_off():
    def baseline_loss(bootstrap: bool, gain: float) -> float:
        env = CountingEnv([7, 5, 9], truncate=True, tell_final=True)
        agent = learner(env=env, bootstrap_truncation=bootstrap)
        collect(agent.env, agent.net, agent.rollout, agent.generator)
        agent.rollout.final_value *= gain
        return agent.losses()[1]["loss/baseline"].item()

    assert baseline_loss(True, 1.0) != pytest.approx(baseline_loss(True, 9.0))
    assert baseline_loss(False, 1.0) == pytest.approx(baseline_loss(False, 9.0))
    assert baseline_loss(False, 1.0) == pytest.approx(baseline_loss(True, 0.0))


def test_rewards_are_scaled_for_the_loss_behind_the_clip():
    def baseline_loss(**a2c: object) -> float:
        agent = learner(env=CountingEnv([7, 5, 9]), **a2c)  # pays more than 1: the clip would undo a scale before it
        torch.nn.init.zeros_(agent.net.baseline.weight)  # values 0: the loss is half the mean of squared returns
        collect(agent.env, agent.net, agent.rollout, agent.generator)
        assert (agent.rollout.reward[1:] >= 1).all()  # what is recorded is raw
        return agent.losses()[1]["loss/baseline"].item()

    assert baseline_loss(reward_scale=0.5) == pytest.approx(0.25 * baseline_loss())


@pytest.mark.parametrize("next_step", [False, True])
def test_a_lost_episode_counts_for_nothing(next_step):
    env = CountingEnv([7, 8], next_step=next_step, lose=(0, 4))
    agent = learner(env=env)
    collect(agent.env, agent.net, agent.rollout, agent.generator)  # 20 steps: 4 lost, 7, then 7 or 8 with a dead row
    assert not agent.rollout.valid[4, 0] and agent.rollout.is_first[4, 0]
    steps = agent.episodes.update(agent.rollout)
    assert steps == int(agent.rollout.valid[1:].sum())
    mine = [(r, n) for r, n in agent.episodes.ended if n == 7]
    assert mine == [(env.returns(0, 0), 7), (env.returns(0, 1), 7)]  # the three steps before the loss are not in it


def test_a_vector_environment_trains():
    env = CountingEnv([7, 5, 9], obs_shape=(6,))
    agent = learner("cpc", env=env)
    assert agent.rollout.obs.dtype == torch.float32 and agent.rollout.obs.shape == (21, 3, 6)
    before = [p.clone() for p in agent.net.encoder.parameters()]
    agent.update()
    assert all(not torch.equal(a, b) for a, b in zip(before, agent.net.encoder.parameters(), strict=True))


def test_an_environment_that_cannot_be_restored_begins_new_episodes():
    def made() -> Learner:
        env = CountingEnv([7, 5, 9])
        env.restores = False
        return learner(env=env)

    agent, resumed = made(), made()
    agent.update()
    resumed.load_state_dict(agent.state_dict())
    r = resumed.rollout
    assert r.is_first[-1].all() and (r.obs[-1] == 0).all() and (r.last_action[-1] == 0).all()
    assert resumed.agent_steps == 60 and resumed.episodes.lengths.sum() == 0
    resumed.update()
    assert resumed.episodes.ended[0] == (resumed.env.returns(1, 4), 5)  # a whole one: nothing of the lost ones is in it


@pytest.mark.parametrize("where", ["reset", "step"])
def test_environments_that_are_lost_for_good_end_the_run_with_one_line(where, tmp_path, monkeypatch, capsys):
    env = CountingEnv([7, 5, 9])
    step = env.step

    def fail(*_):
        raise EnvironmentFailure("maze, worker 3: exit code 1, seed 77")

    env.reset = fail if where == "reset" else env.reset
    env.step = lambda a: step(a) if len(env.actions) < 50 else fail()
    monkeypatch.setattr("envs.make", lambda *_, **__: env)
    flags = ["--unroll", "20", "--network.encoder", "deep", "--device", "cpu", "--checkpoint-minutes", "1e-6"]
    assert main([*flags, "--run", str(tmp_path / "run"), "--preset", "laptop"]) == 1
    error = capsys.readouterr().err
    assert "maze, worker 3: exit code 1, seed 77" in error and error.count("\n") == 1
    assert env.closed
    kept = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*.pt"))
    assert kept == ([] if where == "reset" else ["checkpoint-240.pt", "checkpoint-480.pt"])


def test_the_back_end_that_plays_is_recorded_and_vectors_have_their_preset(tmp_path, capsys):
    flags = ["--frames", "600", "--num-envs", "2", "--device", "cpu", "--optimiser.schedule", "constant"]
    assert main([*flags, "--env", "gymnasium/CartPole-v1", "--run", str(tmp_path / "run")]) == 0
    settings = load_yaml(tmp_path / "run" / "config.yaml")
    assert (settings["env"]["name"], settings["env"]["backend"]) == ("CartPole-v1", "gymnasium")
    assert settings["run"]["preset"] == "classic"
    assert "CartPole-v1 (gymnasium, 2 environments)" in capsys.readouterr().out
    assert main(["--resume", str(tmp_path / "run"), "--env", "gymnasium/Acrobot-v1"]) == 2
    assert "cannot resume with env.name = Acrobot-v1" in capsys.readouterr().err
    assert main(["--resume", str(tmp_path / "run"), "--frames", "900"]) == 0


@pytest.mark.parametrize("aux", ["none", "cpc"])
def test_what_acting_kept_is_what_a_second_pass_gives(aux):
    def update(again: bool) -> tuple[dict[str, float], list[Tensor]]:
        config = full_config()(network=NetworkConfig(features=16, hidden=16), a2c=A2CConfig(unroll=20), aux=aux)
        config = config.model_copy(update={"cpc": CPCConfig(steps=5, anchors=6, negatives=Negatives(count=16))})
        agent = Learner(config, CountingEnv([7, 5, 9], obs_shape=(24, 24, 3)))
        assert agent.rollout.activations is not None
        if again:
            agent.rollout.encoder = None
        begin(agent.env, agent.rollout)
        for _ in range(3):  # with other weights each time
            values = agent.update()
        return values, [p.detach() for p in agent.params]

    values, params = update(again=False)
    wanted, weights = update(again=True)
    assert values == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    for got, want in zip(params, weights, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5)
