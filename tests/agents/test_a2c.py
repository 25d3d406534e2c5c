"""The agent's invariants on toy environments: what is learnt from is what was acted on, and nothing else."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

import cpc_rl.aux
from agents.a2c import A2CConfig, Config, Learner, main
from configs import RunFailure, UsageError, load_yaml
from cpc_rl.aux import AUX_LOSSES, AuxLoss, CPCConfig
from cpc_rl.networks import NetworkConfig
from cpc_rl.optim import OptimiserConfig
from cpc_rl.rollout import begin, collect
from cpc_rl.runs import RunConfig
from envs.api import EnvironmentFailure
from tests.toys import CountingEnv


def learner(aux="none", env=None, **a2c) -> Learner:
    config = Config(
        network=NetworkConfig(encoder="deep", features=16, hidden=16),
        a2c=A2CConfig(**{"unroll": 20, **a2c}),
        aux=aux,
        cpc=CPCConfig(steps=5, anchors=6, num_negatives=16),
    )
    made = Learner(config, env or CountingEnv([7, 5, 9]))
    begin(made.env, made.rollout)
    return made


@pytest.mark.parametrize("next_step", [False, True])
def test_logits_stored_while_acting_are_those_of_the_whole_pass(next_step):
    agent = learner(env=CountingEnv([7, 5, 9], next_step=next_step))
    for _ in range(3):
        collect(agent.env, agent.net, agent.rollout, agent.generator)
        r = agent.rollout
        out = agent.net(r.obs, r.last_action, r.reward, r.is_first, r.state)
        assert r.is_first[1:].any()  # resets inside the unroll
        torch.testing.assert_close(out.logits[:-1], r.logits, rtol=1e-4, atol=1e-5)
        # The state carried on is the one in front of the last row, which is the first row of the next unroll.
        before_last = agent.net(r.obs[:-1], r.last_action[:-1], r.reward[:-1], r.is_first[:-1], r.state).state
        torch.testing.assert_close(before_last, r.next_state, rtol=1e-4, atol=1e-5)


def test_unrolls_join_without_a_gap():
    agent = learner(env=CountingEnv([1000, 1000]))
    seen = []
    for _ in range(2):
        collect(agent.env, agent.net, agent.rollout, agent.generator)
        seen += agent.rollout.obs[:-1, 0, 0, 0, 0].tolist()
    assert seen == list(range(40))


def test_the_recurrent_state_goes_on_from_unroll_to_unroll():
    agent = learner(env=CountingEnv([1000, 1000]))
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    reached = [x.clone() for x in agent.rollout.next_state]
    assert all(x.abs().sum() > 0 for x in reached)
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    assert all(torch.equal(a, b) for a, b in zip(agent.rollout.state, reached, strict=True))


def test_the_loss_is_made_of_its_terms():
    agent = learner("cpc", baseline_cost=0.3, entropy_cost=0.7)
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    total, m = agent.losses()
    parts = m["loss/policy"] + 0.3 * m["loss/baseline"] - 0.7 * m["entropy"] + 0.05 * m["loss/cpc"]
    torch.testing.assert_close(total.detach(), parts)


def test_optimiser_settings_reach_the_optimiser():
    config = Config(
        network=NetworkConfig(encoder="deep", features=16, hidden=16),
        optimiser=OptimiserConfig(clip_norm=1e-3, schedule="linear_frames"),
        a2c=A2CConfig(unroll=20),
        run=RunConfig(frames=240),  # one update of 20 steps in 3 environments, 4 frames each
    )
    agent = Learner(config, CountingEnv([7, 5, 9]))
    begin(agent.env, agent.rollout)
    first = agent.update()
    assert first["gradient_norm"] > 1e-3
    norms = torch.stack([p.grad.norm() for p in agent.params if p.grad is not None])
    assert norms.norm().item() == pytest.approx(1e-3, rel=1e-3)
    before = [p.clone() for p in agent.params]
    assert agent.update()["learning_rate"] == 0.0
    assert all(torch.equal(a, b) for a, b in zip(before, agent.params, strict=True))


@pytest.mark.parametrize("aux", ["none", "cpc"])
def test_rows_that_are_not_valid_count_in_no_loss(aux):
    agent = learner(aux, CountingEnv([7, 5, 9], next_step=True))
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    dead = ~agent.rollout.valid
    assert dead[1:].any()

    def loss() -> Tensor:
        if agent.aux is not None:
            agent.aux.generator.manual_seed(0)
        torch.manual_seed(0)
        return agent.losses()[0]

    before = loss()
    action = agent.rollout.last_action.clone()
    agent.rollout.reward[dead] = 0.3  # what the network sees of it is not the point here ...
    changed = loss()
    agent.rollout.reward[dead] = 1000.0  # ... clipped for the network to what it was before
    torch.testing.assert_close(loss(), before)
    assert not torch.equal(changed, before)
    # The ignored action reaches the loss only as the next row's input: put a policy that ignores its input.
    with torch.no_grad():
        agent.net.core.lstm.weight_ih_l0[:, 16 : 16 + 3] = 0
    before = loss()
    agent.rollout.last_action[dead] = (action[dead] + 1) % 3
    torch.testing.assert_close(loss(), before)
    agent.rollout.last_action[1:][~dead[1:]] = (action[1:][~dead[1:]] + 1) % 3
    assert not torch.allclose(loss(), before)


def test_a_checkpoint_of_another_configuration_or_device_is_refused():
    saved = learner("cpc").state_dict()
    with pytest.raises(UsageError, match="a2c.discount = 0.5: the checkpoint was made with 0.99"):
        learner("cpc", discount=0.5).load_state_dict(saved)
    with pytest.raises(UsageError, match="aux = none: the checkpoint was made with cpc"):
        learner("none").load_state_dict(saved)
    with pytest.raises(UsageError, match="cannot resume on cpu: the run's random numbers are cuda's"):
        learner("cpc").load_state_dict({**saved, "device": "cuda"})


@pytest.mark.parametrize("schedule", ["constant", "linear_frames"])
def test_more_frames_are_refused_only_where_they_set_the_learning_rate(schedule):
    def made(frames: int) -> Learner:
        config = Config(
            network=NetworkConfig(encoder="deep", features=16, hidden=16),
            optimiser=OptimiserConfig(schedule=schedule),
            run=RunConfig(frames=frames),
        )
        return Learner(config, CountingEnv([7]))

    saved = made(1000).state_dict()
    if schedule == "constant":
        made(2000).load_state_dict(saved)
    else:
        with pytest.raises(UsageError, match="run.frames = 2000: .* whose frames set the learning rate"):
            made(2000).load_state_dict(saved)


def test_frames_count_valid_steps_times_action_repeat():
    agent = learner(env=CountingEnv([4, 4], next_step=True))  # every fifth row is dead
    agent.update()
    assert agent.agent_steps == 2 * 16
    assert agent.frames == 4 * 2 * 16


@pytest.mark.parametrize("next_step", [False, True])
def test_episode_returns_are_raw_and_whole(next_step):
    lengths = [6, 4] if next_step else [7, 5]  # with next-step autoreset a dead row, paying 1000, follows each episode
    env = CountingEnv(lengths, next_step=next_step)
    agent = learner(env=env)
    for _ in range(3):  # 60 rows: 8 episodes of the first length, 12 of the second
        agent.update()
    popped = agent.episodes.pop()
    expected = [env.returns(0, e) for e in range(8)] + [env.returns(1, e) for e in range(12)]
    assert popped["episodes"] == 20
    assert popped["episode_return"] == pytest.approx(sum(expected) / 20)
    assert popped["episode_length"] == pytest.approx((8 * lengths[0] + 12 * lengths[1]) / 20)
    assert agent.episodes.pop() == {"episodes": 0}


def test_sum_is_the_mean_times_the_rows():
    agent = learner("cpc")
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    losses = {}
    for how in ("mean", "sum"):
        agent.config = agent.config.model_copy(update={"a2c": A2CConfig(unroll=20, reduction=how)})
        agent.aux.generator.manual_seed(0)
        losses[how] = agent.losses()[0]
    torch.testing.assert_close(losses["sum"], 60 * losses["mean"], rtol=1e-4, atol=1e-4)


def test_cpc_gradients_reach_encoder_and_core_and_acting_never_runs_it():
    agent = learner("cpc")
    calls = []
    agent.aux.register_forward_hook(lambda *_: calls.append(1))
    collect(agent.env, agent.net, agent.rollout, agent.generator)
    assert calls == []
    r = agent.rollout
    out = agent.net(r.obs, r.last_action, r.reward, r.is_first, r.state)
    loss, _ = agent.aux(out.z, out.c, r.action, r.is_first, r.valid)
    loss.backward()
    for module in (agent.net.encoder, agent.net.core, agent.aux):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    assert agent.net.policy.weight.grad is None
    assert calls == [1]


def test_nan_stops_before_it_reaches_the_weights():
    agent = learner()
    agent.update()
    before = [p.clone() for p in agent.params]
    step = agent.env.step
    agent.env.step = lambda a: step(a)._replace(reward=torch.full((3,), torch.nan))
    with pytest.raises(RunFailure, match="loss/policy is nan at update 1"):
        agent.update()
    assert all(torch.equal(a, b) for a, b in zip(before, agent.params, strict=True))


def test_a_users_own_loss_needs_a_name_and_nothing_else(monkeypatch):
    class Shrink(AuxLoss):
        """Small latents."""

        def __init__(self, sizes, config, seed):
            super().__init__(sizes, config, seed)
            self.weight = 0.5
            self.scale = torch.nn.Parameter(torch.ones(sizes.features))

        def forward(self, z, c, actions, is_first, valid):
            return (z * self.scale).square().mean(), {"size": z.detach().abs().mean()}

    monkeypatch.setitem(AUX_LOSSES, "shrink", Shrink)
    agent = learner("shrink")
    metrics = agent.update()
    assert metrics["shrink/size"] > 0
    assert metrics["loss/shrink"] > 0
    assert any(p is agent.aux.scale for p in agent.params)
    assert not torch.equal(agent.aux.scale, torch.ones(16))


def test_what_a_users_loss_draws_is_resumed_too(monkeypatch):
    class Noise(AuxLoss):
        """Draws from torch's own generator."""

        def __init__(self, sizes, config, seed):
            super().__init__(sizes, config, seed)
            self.weight = 0.0

        def forward(self, z, c, actions, is_first, valid):
            return z.mean() * 0, {"draw": torch.rand(())}

    monkeypatch.setitem(AUX_LOSSES, "noise", Noise)
    agent = learner("noise")
    agent.update()
    saved = agent.state_dict()
    expected = agent.update()["noise/draw"]
    resumed = learner("noise")
    resumed.load_state_dict(saved)
    assert resumed.update()["noise/draw"] == expected


def test_unknown_aux_and_too_long_a_prediction_are_refused():
    with pytest.raises(ValidationError, match="'cpcc': allowed are none, cpc"):
        Config(aux="cpcc")
    with pytest.raises(ValueError, match=r"cpc.steps 5: must be smaller than a2c.unroll, 5"):
        learner("cpc", unroll=5)
    learner("none", unroll=5)  # where CPC does not run, its settings do not matter
    assert set(cpc_rl.aux.AUX_LOSSES) == {"cpc"}


def test_resumed_learner_goes_on_bit_for_bit():
    def trained(updates: int, saved=None) -> Learner:
        agent = learner("cpc")
        if saved is not None:
            agent.load_state_dict(saved)
        for _ in range(updates):
            agent.update()
        return agent

    whole = trained(4)
    half = trained(2).state_dict()
    resumed = trained(2, half)
    assert all(torch.equal(a, b) for a, b in zip(whole.params, resumed.params, strict=True))
    assert torch.equal(whole.rollout.logits, resumed.rollout.logits)
    assert whole.frames == resumed.frames
    assert whole.episodes.pop() == resumed.episodes.pop()


@pytest.mark.gpu
def test_network_on_the_gpu_environments_on_the_cpu():
    agent = learner("cpc")
    gpu = Learner(agent.config, agent.env, torch.device("cuda"))
    gpu.load_state_dict(agent.state_dict() | {"generator": gpu.generator.get_state()})
    assert all(value < float("inf") for value in gpu.update().values())
    assert all(p.device.type == "cuda" for p in gpu.params)


def test_a_run_that_meets_nan_keeps_its_last_checkpoint(tmp_path, monkeypatch, capsys):
    env = CountingEnv([7, 5, 9])
    step = env.step
    env.step = lambda a: step(a)._replace(**({"reward": torch.full((3,), torch.nan)} if len(env.actions) > 50 else {}))
    monkeypatch.setattr("envs.make", lambda *_, **__: env)
    flags = ["--run", str(tmp_path / "run"), "--unroll", "20", "--network.encoder", "deep", "--device", "cpu"]
    assert main([*flags, "--checkpoint-minutes", "1e-6"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: loss/policy is nan at update 2, frame 480; checkpoints before it are kept in")
    assert [p.name for p in sorted((tmp_path / "run").glob("*.pt"))] == ["checkpoint-240.pt", "checkpoint-480.pt"]


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
        config = Config(network=NetworkConfig(features=16, hidden=16), a2c=A2CConfig(unroll=20), aux=aux)
        config = config.model_copy(update={"cpc": CPCConfig(steps=5, anchors=6, num_negatives=16)})
        agent = Learner(config, CountingEnv([7, 5, 9], obs_shape=(24, 24, 3)))
        assert agent.rollout.activations is not None
        if again:
            agent.rollout.activations = None
        begin(agent.env, agent.rollout)
        for _ in range(3):  # with other weights each time
            values = agent.update()
        return values, [p.detach() for p in agent.params]

    values, params = update(again=False)
    wanted, weights = update(again=True)
    assert values == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    for got, want in zip(params, weights, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5)
