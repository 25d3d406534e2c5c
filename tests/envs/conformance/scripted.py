"""Further promises, of back ends that play `counting`'s script: every number is known."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cpc_rl.acting import begin, collect
from cpc_rl.episodes import evaluate
from cpc_rl.returns import discounts, n_step_returns
from cpc_rl.rollout import EpisodeTracker, Rollout
from envs.api import EnvStep
from tests.envs.conformance.cases import Case
from tests.envs.conformance.counting import Seen, kind, length, pays
from tests.envs.conformance.recording import Recording, recording

GAMMA = 0.5
UNROLL = 9


def as_tensor(seen: Seen) -> Tensor:
    """[3, B]."""
    return torch.stack(list(seen))


def seen_in(case: Case, r: Recording) -> Seen:
    """What all rows tell: int64 [T+1, B] each."""
    assert case.read is not None
    told = [case.read(row.obs) for row in r.rows]
    return Seen(*(torch.stack(field) for field in zip(*told, strict=True)))


def before_each(case: Case, r: Recording) -> tuple[Seen, Tensor]:
    """What was seen in front of each transition, and which transitions were the agent's: [T, B] each."""
    seen = seen_in(case, r)
    return Seen(*(field[:-1] for field in seen)), r.flags("valid")[1:]


def check_episodes(case: Case) -> None:
    """A row of the batch stays with its environment, and no episode is begun that is not shown."""
    r = recording(case)
    seen, is_first = seen_in(case, r), r.flags("is_first")
    assert len(set(seen.identity[0].tolist())) == case.num_envs
    changes = seen.identity[1:] != seen.identity[:-1]
    if case.reseeds:
        assert not seen.episode.any() and not changes[~is_first[1:]].any()
        assert changes.sum() > 0.8 * is_first[1:].sum()  # two identities may be the same by chance
    else:
        assert not changes.any() and torch.equal(seen.episode, is_first.cumsum(0) - 1)


def check_rewards(case: Case) -> None:
    """Each reward is that of this row's environment, step and action."""
    r = recording(case)
    before, valid = before_each(case, r)
    expected = torch.where(valid, pays(before, r.actions), 0)
    assert torch.equal(r.flags("reward")[1:], expected.float())


def check_ends(case: Case) -> None:
    """Episodes end when and how the script says; an end that is both is terminal."""
    r = recording(case)
    before, valid = before_each(case, r)
    over = valid & (before.step + 1 == length(before))
    cut = kind(before) == 1
    assert (over & cut).any() and (over & (kind(before) == 0)).any() and (over & (kind(before) == 2)).any()
    assert torch.equal(r.flags("terminated")[1:], over & ~cut) and torch.equal(r.flags("truncated")[1:], over & cut)


def check_last_observations(case: Case) -> None:
    """`final_obs` is the observation that the last transition led to, of the episode that ended."""
    r = recording(case)
    before, _ = before_each(case, r)
    for t, row in enumerate(r.rows[1:]):
        if row.final_obs is not None:
            ended = row.terminated | row.truncated
            last = as_tensor(Seen(before.step[t] + 1, before.episode[t], before.identity[t]))
            assert case.read is not None
            assert torch.equal(as_tensor(case.read(row.final_obs))[:, ended], last[:, ended])


class AlwaysOne:
    """A policy."""

    def __call__(self, step: EnvStep) -> Tensor:
        return torch.ones(step.reward.shape, dtype=torch.int64)


def known_return(identity: int, episode: int) -> tuple[float, int]:
    """Return and length of an episode in which every action is 1."""
    n = length(Seen(0, episode, identity))
    return float(sum(pays(Seen(s, episode, identity), 1) for s in range(n))), n


def check_evaluation(case: Case) -> None:
    """`evaluate` finds the known returns of the first episodes of each environment."""
    r = recording(case)
    seen, is_first = seen_in(case, r), r.flags("is_first")
    episodes = 5 * case.num_envs + 1  # the first environment plays one more
    expected = []
    for i in range(case.num_envs):
        begun = is_first[:, i].nonzero()[: 5 + (i == 0), 0]  # what is played does not depend on the actions
        expected += [known_return(int(seen.identity[t, i]), int(seen.episode[t, i])) for t in begun]
    assert len(expected) == episodes
    with closing(case.make()) as env:
        stats = evaluate(env, AlwaysOne(), episodes)
    assert list(zip(stats.returns, stats.lengths, strict=True)) == expected


class CountingValue(NamedTuple):
    logits: Tensor
    value: Tensor
    state: tuple[Tensor, Tensor]


class ValueOfStep(nn.Module):
    """Values an observation at 1000 + its step; it prefers nothing."""

    def __init__(self, case: Case, num_actions: int) -> None:
        super().__init__()
        self.case, self.num_actions = case, num_actions

    def initial_state(self, num_envs: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(num_envs, 1), torch.zeros(num_envs, 1)

    def forward(self, obs: Tensor, last_action: Tensor, reward: Tensor, is_first: Tensor, state: Any) -> CountingValue:
        assert self.case.read is not None
        value = 1000.0 + torch.stack([self.case.read(row).step for row in obs]).float()
        return CountingValue(torch.zeros(*is_first.shape, self.num_actions), value, state)


@cache
def collected(case: Case) -> tuple[list[Any], EpisodeTracker]:
    """Unrolls as training collects them, and the tracker that has seen them all."""
    unrolls = []
    with closing(case.make()) as env:
        net: Any = ValueOfStep(case, env.num_actions)
        tracker, generator = EpisodeTracker(env.num_envs), torch.Generator().manual_seed(3)
        rollout = Rollout(UNROLL, env.num_envs, env.obs_shape, env.num_actions, net.initial_state(env.num_envs))
        begin(env, rollout)
        for _ in range(6):
            collect(env, net, rollout, generator)
            tracker.update(rollout)
            unrolls.append(_frozen(rollout))
    return unrolls, tracker


def _frozen(rollout: Rollout) -> Any:
    """The rows of an unroll, kept."""
    names = ("obs", "reward", "terminated", "truncated", "is_first", "valid", "last_action", "final_value")
    return type("Unroll", (), {name: getattr(rollout, name).clone() for name in names})


def check_tracked_returns(case: Case) -> None:
    """`EpisodeTracker` finds the returns that the actions earned, across unrolls."""
    assert case.read is not None
    unrolls, tracker = collected(case)
    running, expected = [[0.0, 0] for _ in range(case.num_envs)], []
    for rollout in unrolls:
        for t in range(UNROLL):
            before = case.read(rollout.obs[t])
            for i in range(case.num_envs):
                if not rollout.valid[t + 1, i]:
                    continue
                one = Seen(*(int(field[i]) for field in before))
                running[i][0] += float(pays(one, int(rollout.last_action[t + 1, i])))
                running[i][1] += 1
                if one.step + 1 == length(one):
                    expected.append((running[i][0], running[i][1]))
                    assert running[i][1] == length(one)
                    running[i] = [0.0, 0]
    assert tracker.ended == expected and len(expected) > 10


def check_n_step_returns(case: Case) -> None:
    """Whatever the autoreset: nothing comes behind a terminal state, the last observation's value behind a cut."""
    assert case.read is not None
    cuts = 0
    for rollout in collected(case)[0]:
        value = torch.stack([1000.0 + case.read(row).step for row in rollout.obs])  # [T+1, B]
        rows = (rollout.terminated[1:], rollout.truncated[1:], rollout.is_first[1:])
        gamma = discounts(*rows, GAMMA, bootstrap_truncation=True)
        reward = rollout.reward[1:] + GAMMA * rollout.final_value[1:]
        returns = n_step_returns(reward, gamma, rollout.valid[1:], value)
        for i in range(case.num_envs):
            following = float(value[-1, i])
            for t in reversed(range(UNROLL)):
                one = Seen(*(int(field[i]) for field in case.read(rollout.obs[t])))
                if not rollout.valid[t + 1, i]:
                    continue
                if one.step + 1 == length(one):
                    following = 1000.0 + one.step + 1 if kind(one) == 1 else 0.0
                    cuts += kind(one) == 1
                following = float(pays(one, int(rollout.last_action[t + 1, i]))) + GAMMA * following
                assert returns[t, i] == following
    assert cuts > 3


SCRIPTED_CHECKS = [
    check_episodes,
    check_rewards,
    check_ends,
    check_last_observations,
    check_evaluation,
    check_tracked_returns,
    check_n_step_returns,
]
