"""The agent's invariants on toy environments: what is learnt from is what was acted on, and nothing else."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from agents.a2c import Learner, main
from agents.config import A2CConfig, Config
from configs import RunFailure, UsageError, changeable_keys
from cpc_rl.acting import begin, collect
from cpc_rl.aux import AUX_LOSSES, AuxLoss
from cpc_rl.networks import NetworkConfig
from cpc_rl.optim import OptimiserConfig
from cpc_rl.runs import RunConfig
from tests.agents.learners import learner
from tests.toys import CountingEnv


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
        for one in agent.aux.values():
            one.generator.manual_seed(0)
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


def test_a_checkpoint_of_another_device_is_refused():
    saved = learner("cpc").state_dict()
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

    new = made(1000).state_dict()
    old = {**new, "config": {"run": {"frames": 1000}}}  # as it was before `total`
    del old["total"]
    for saved in (new, old):
        if schedule == "constant":
            made(2000).load_state_dict(saved)
        else:
            with pytest.raises(UsageError, match="length of 2,000: the checkpoint was made with 1,000, over which"):
                made(2000).load_state_dict(saved)


def test_a_resumed_run_may_change_no_weights():
    free = {"run.frames", "run.threads", "run.wandb", "env.env_threads", "env.dmlab_cache"}
    bound = {"run.seed", "env.name", "a2c.discount", "aux", "cpc.steps", "network.hidden", "optimiser.learning_rate"}
    assert free <= changeable_keys(Config) and not bound & changeable_keys(Config)


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
        agent.aux["cpc"].generator.manual_seed(0)
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
    agent.aux(agent.unroll(out))[0].backward()
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

        needs = frozenset({"z"})

        def __init__(self, config, sizes, network, seed):
            super().__init__(config, sizes, network, seed)
            self.scale = torch.nn.Parameter(torch.ones(sizes.features))

        def forward(self, unroll):
            return (unroll.z * self.scale).square().mean(), {"size": unroll.z.detach().abs().mean()}

    monkeypatch.setitem(AUX_LOSSES, "shrink", Shrink)
    agent = learner("shrink")
    metrics = agent.update()
    assert metrics["shrink/size"] > 0
    assert metrics["loss/shrink"] > 0
    assert any(p is agent.aux["shrink"].scale for p in agent.params)
    assert not torch.equal(agent.aux["shrink"].scale, torch.ones(16))


def test_what_a_users_loss_draws_is_resumed_too(monkeypatch):
    class Noise(AuxLoss):
        """Draws from torch's own generator."""

        needs = frozenset({"z"})

        def forward(self, unroll):
            return unroll.z.mean() * 0, {"draw": torch.rand(())}

    monkeypatch.setitem(AUX_LOSSES, "noise", Noise)
    agent = learner("noise")
    agent.update()
    saved = agent.state_dict()
    expected = agent.update()["noise/draw"]
    resumed = learner("noise")
    resumed.load_state_dict(saved)
    assert resumed.update()["noise/draw"] == expected


def test_unknown_aux_and_too_long_a_prediction_are_refused():
    with pytest.raises(ValidationError, match="'cpcc': allowed are none, cpc, .* and several"):
        Config(aux="cpcc")
    with pytest.raises(ValueError, match=r"cpc.steps 5: must be smaller than a2c.unroll, 5"):
        learner("cpc", unroll=5)
    learner("none", unroll=5)  # where CPC does not run, its settings do not matter


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
    gpu.load_state_dict(agent.state_dict() | {"generator": gpu.generator.get_state(), "device": "cuda"})
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
    assert error.startswith("error: loss/policy is nan at update 2, frame 480; the newest checkpoint before it is")
    assert [p.name for p in sorted((tmp_path / "run").glob("*.pt"))] == ["checkpoint-240.pt", "checkpoint-480.pt"]


def test_the_mean_of_weights_is_of_the_network_and_goes_on_exactly():
    def made() -> Learner:
        config = learner().config
        config = config.model_copy(update={"optimiser": OptimiserConfig(average=0.9, warmup=3, learning_rate=0.01)})
        agent = Learner(config, CountingEnv([7, 5, 9]))
        agent.begin()
        return agent

    whole, half, resumed = made(), made(), made()
    for _ in range(4):
        whole.update()
    half.update()
    half.update()
    resumed.load_state_dict(half.state_dict())
    for _ in range(2):
        resumed.update()
    one, two = (agent.state_dict()["average"] for agent in (whole, resumed))
    assert one.keys() == dict(whole.net.named_parameters()).keys()
    assert all(torch.equal(x, two[name]) for name, x in one.items())
    assert not torch.equal(one["policy.weight"], whole.net.policy.weight)
