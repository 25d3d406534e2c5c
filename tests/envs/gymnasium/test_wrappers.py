"""What wrappers learn is kept, what they make of rewards is not reported, and what is not kept is named."""

import io
import os
import signal

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import (
    ClipReward,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    TransformReward,
)
from gymnasium.wrappers import vector as of_batches
from gymnasium.wrappers.utils import RunningMeanStd

from agents.a2c import main
from cpc_rl.episodes import RandomPolicy, evaluate
from cpc_rl.evaluate import evaluate_run
from envs.errors import EnvironmentFailure
from envs.gymnasium import GymnasiumEnv
from tests.envs.gymnasium.toys import steps


class Payer(gymnasium.Env):
    """Episodes of five steps that pay 3 and show the number of steps so far, in all, times the seed's own factor."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Discrete(2)
    total = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self.see(), {}

    def step(self, action):
        self.count += 1
        self.total += 1
        return self.see(), 3.0, self.count == 5, False, {}

    def see(self):
        return np.array([self.total, 5.0 - self.count], np.float32)


def each():
    return NormalizeReward(NormalizeObservation(Payer()))


def whole(num_envs):
    return of_batches.NormalizeReward(of_batches.NormalizeObservation(SyncVectorEnv([Payer] * num_envs)))


HERE = "gymnasium/tests.envs.gymnasium.test_wrappers"
KINDS = [(each, False), (each, True), (whole, False)]


def players(processes):
    """Environments of a batch: a process takes seconds."""
    return 1 if processes else 2


def stored(state):
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


def means(env):
    """The running means of observations that a batch has: of each environment, or one."""
    learnt = env.state_dict()["learnt"]
    return [
        entry["mean"] for entries in (*learnt["each"], learnt["batch"]) for entry in entries if "obs" in entry["of"]
    ]


# Saved and put back


@pytest.mark.parametrize(("factory", "processes"), KINDS)
def test_what_wrappers_learnt_goes_on_from_a_checkpoint(build, factory, processes):
    n = players(processes)
    env = build(factory=factory, env_processes=processes, num_envs=n)
    env.reset()
    steps(env, 40)
    state = stored(env.state_dict())
    known = means(env)
    assert len(known) == (1 if factory is whole else n) and all(mean.abs().sum() > 1 for mean in known)
    again = build(factory=factory, env_processes=processes, num_envs=n)
    again.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(means(again), known, strict=True))
    again.reset()
    assert not torch.equal(means(again)[0], known[0])  # they learn on


@pytest.mark.parametrize(("factory", "processes"), KINDS)
def test_evaluation_sees_what_training_saw_and_learns_no_more(build, factory, processes):
    env = build(factory=factory, env_processes=processes, num_envs=players(processes))
    env.reset()
    steps(env, 60)
    state = stored(env.state_dict())
    mean = torch.stack(means(env)).double().mean(0)  # both have played as long
    for n in (1,) if processes else (1, 3):
        other = build(factory=factory, env_processes=processes, evaluation=True, num_envs=n)
        other.adopt([state])
        for known in means(other):
            torch.testing.assert_close(known.double(), mean, rtol=1e-4, atol=1e-4)
        first = other.reset().obs
        assert first.shape == (n, 2) and (first[:, 0] < -1).all()  # a total of 0 lies far below the mean
        steps(other, 12)
        torch.testing.assert_close(means(other)[0].double(), mean, rtol=1e-4, atol=1e-4)


def test_ranks_are_pooled_by_how_much_they_saw(build):
    states, counts = [], (10, 50)
    for n in counts:
        env = build(factory=whole, num_envs=1)
        env.reset()
        steps(env, n)
        states.append(stored(env.state_dict()))
    entries = [next(e for e in state["learnt"]["batch"] if "obs" in e["of"]) for state in states]
    weights = torch.tensor([entry["count"] for entry in entries])
    wanted = (torch.stack([e["mean"] for e in entries]).double() * weights[:, None]).sum(0) / weights.sum()
    other = build(factory=whole, num_envs=2, evaluation=True)
    other.adopt(states)
    torch.testing.assert_close(means(other)[0].double(), wanted, rtol=1e-5, atol=1e-5)


def test_a_worker_that_replaces_another_knows_what_the_last_checkpoint_did(build):
    env = build(factory=each, env_processes=True, num_envs=1)
    env.reset()
    steps(env, 30)
    known = means(env)[0]  # as a checkpoint
    os.kill(env._batch.processes[0].pid, signal.SIGKILL)
    while env.step(torch.zeros(1, dtype=torch.int64)).valid[0]:
        pass
    learnt = env._batch.call("learnt")[0]
    count = next(entry["count"] for entry in learnt if "obs" in entry["of"])
    assert 30 < count < 40 and known.abs().sum() > 1


def test_a_checkpoint_without_them_is_told_and_evaluation_may_do_without_some(build, capsys):
    env = build(factory=each)
    env.reset()
    steps(env, 20)
    state = env.state_dict()
    for old in ({**state, "learnt": {"batch": [], "each": []}}, {k: v for k, v in state.items() if k != "learnt"}):
        build(factory=each).load_state_dict(old)
        assert capsys.readouterr().err == (
            "counting: the checkpoint does not hold NormalizeReward.return_rms, NormalizeObservation.obs_rms: it "
            "begins anew\n"
        )
    other = build(factory=lambda: NormalizeObservation(Payer()), evaluation=True)
    other.adopt([state])
    assert capsys.readouterr().err == "" and means(other)[0][0] > 1


# Raw rewards


@pytest.mark.parametrize(("factory", "processes"), KINDS)
def test_returns_are_reported_below_what_normalises(build, factory, processes):
    env = build(factory=factory, env_processes=processes, num_envs=players(processes))
    env.reset()
    rows = steps(env, 24)
    for row in rows:
        assert row.raw_reward.tolist() == torch.where(row.valid, 3.0, 0.0).tolist()
        assert row.raw_reward.dtype == torch.float32 and torch.equal(row.score, row.raw_reward)
    assert not any(torch.equal(row.reward, row.score) for row in rows if row.valid.all())
    stats = evaluate(env, RandomPolicy(2, 0), 6)
    assert stats.returns == (15.0,) * 6


@pytest.mark.parametrize(
    ("factory", "score"),
    [
        (lambda: ClipReward(NormalizeReward(Payer()), -0.1, 0.1), 3.0),
        (lambda: NormalizeReward(TransformReward(Payer(), lambda r: r / 2)), 1.5),
        (lambda: NormalizeReward(TransformReward(RecordEpisodeStatistics(Payer()), lambda r: r / 2)), 3.0),
        (lambda: RecordEpisodeStatistics(NormalizeReward(Payer())), 3.0),
        (lambda: ClipReward(RecordEpisodeStatistics(Payer()), -1, 1), 3.0),
    ],
)
def test_the_innermost_wrapper_that_normalises_or_records_decides(build, factory, score):
    env = build(factory=factory)
    env.reset()
    assert all((row.score == score).all() for row in steps(env, 4))


def test_rewards_that_nobody_normalises_are_the_rewards(build):
    env = build(factory=lambda: TransformReward(Payer(), lambda r: r / 2))
    env.reset()
    row = steps(env, 1)[0]
    assert row.raw_reward is None and (row.score == 1.5).all()


def test_a_batch_of_normalised_environments_is_looked_into(build):
    env = build(factory=lambda num_envs: of_batches.ClipReward(SyncVectorEnv([each] * num_envs), -1, 1))
    env.reset()
    assert all((row.score == 3.0).all() for row in steps(env, 4))


@pytest.mark.parametrize("name", ["each", "whole"])
def test_a_run_reports_raw_returns_and_its_evaluation_is_what_training_was(name, tmp_path, monkeypatch):
    adopted, adopt = [], GymnasiumEnv.adopt

    def watched(self, states):
        adopt(self, states)
        adopted.append(means(self)[0])

    monkeypatch.setattr(GymnasiumEnv, "adopt", watched)
    flags = ["--env", f"{HERE}:{name}", "--num-envs", "2", "--device", "cpu", "--frames", "1200"]
    assert main([*flags, "--run", str(tmp_path / "run"), "--optimiser.schedule", "constant"]) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert '"episode_return": 15.0' in lines
    result = evaluate_run(tmp_path / "run", 4, device="cpu")
    assert result["sampled"]["mean"] == result["greedy"]["mean"] == 15.0
    assert len(adopted) == 1 and adopted[0][0] == pytest.approx(300, rel=0.1)  # totals in training: 0 to 600
    assert main(["--resume", str(tmp_path / "run"), "--frames", "2400"]) == 0
    newest = max((tmp_path / "run").glob("checkpoint-*.pt"), key=lambda p: int(p.stem.partition("-")[2]))
    learnt = torch.load(newest, weights_only=True)["ranks"][0]["env"]["learnt"]
    entries = [entry for entries in (learnt["batch"], *learnt["each"]) for entry in entries]
    seen = sum(entry["count"] for entry in entries if "obs" in entry["of"])
    assert seen == pytest.approx(2400 * 6 / 5, rel=0.02)  # since the beginning, each end's first row with it


# What is not kept


class Harder(gymnasium.Wrapper):
    """Raises its level with each episode."""

    level = 0

    def reset(self, **kwargs):
        self.level = self.level + 1
        self.steps = 0
        return self.env.reset(**kwargs)

    def step(self, action):
        self.steps += 1
        return self.env.step(action)


class HarderAndSaved(Harder):
    def state_dict(self):
        return {"level": np.int64(self.level), "map": np.arange(3)}

    def load_state_dict(self, state):
        self.level, self.map = int(state["level"]), state["map"]


class Same(gymnasium.Wrapper):
    """Has state within an episode only."""

    def reset(self, **kwargs):
        self.steps, self.rms = 0, RunningMeanStd()
        return self.env.reset(**kwargs)

    step = Harder.step


@pytest.mark.parametrize("processes", [False, True])
def test_a_wrapper_whose_state_is_not_saved_is_named_once(build, processes, capfd):
    env = build(factory=lambda: Same(Harder(Payer())), env_processes=processes)
    env.reset()
    steps(env, 30)
    env.reset()
    env.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("counting: wrapper Harder changes from episode to episode (level). Checkpoints do not hold")


def test_a_wrapper_of_a_batch_is_named_too_and_evaluation_says_nothing(build, capfd):
    class Growing(gymnasium.vector.VectorWrapper):
        seen = 0

        def step(self, actions):
            self.seen = self.seen + 1
            return self.env.step(actions)

    def factory(num_envs):
        return Growing(SyncVectorEnv([Payer] * num_envs))

    for evaluation, said in ((False, "wrapper Growing changes from episode to episode (seen)"), (True, "")):
        env = build(factory=factory, evaluation=evaluation)
        env.reset()
        steps(env, 30)
        assert said in (error := capfd.readouterr().err) and error.count("\n") == bool(said)


@pytest.mark.parametrize("processes", [False, True])
def test_a_wrapper_that_says_what_to_save_is_saved(build, processes, capfd):
    env = build(factory=lambda: HarderAndSaved(Payer()), env_processes=processes)
    env.reset()
    steps(env, 30)
    again = build(factory=lambda: HarderAndSaved(Payer()), env_processes=processes)
    again.load_state_dict(stored(env.state_dict()))
    levels = env._batch.call("get_wrapper_attr", "level")
    assert again._batch.call("get_wrapper_attr", "level") == levels and levels[0] > 4
    assert again._batch.call("get_wrapper_attr", "map")[1].tolist() == [0, 1, 2]
    assert capfd.readouterr().err == ""


def test_a_state_that_no_checkpoint_can_hold_is_refused_with_its_type(build):
    class Odd(HarderAndSaved):
        def state_dict(self):
            return {"when": {1, 2}}

    env = build(factory=lambda: Odd(Payer()))
    env.reset()
    with pytest.raises(EnvironmentFailure, match="^counting: the state of a wrapper holds a set; allowed are numbers"):
        env.state_dict()


def test_wrappers_in_processes_of_somebodys_own_are_named(build, capsys):
    def factory(num_envs, make=each):
        return AsyncVectorEnv([make] * num_envs)

    build(factory=factory)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("counting: statistics of wrappers within a batch of processes (obs_rms, return_rms) are not")
    build(factory=lambda num_envs: factory(num_envs, Payer))
    assert capsys.readouterr().err == ""
