"""Playing whole episodes with a policy, and what they score: shared by evaluation and the random baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from cpc_rl.acting import sample
from cpc_rl.networks import ActorCritic
from envs.api import BatchedEnv, EnvStep


class Policy(Protocol):
    """Chooses actions row by row."""

    def __call__(self, step: EnvStep) -> Tensor:
        """Actions int64 [B] for the row `step`; called once for every row, in order, from a reset on."""
        ...


class RandomPolicy:
    """Uniform over the actions."""

    def __init__(self, num_actions: int, seed: int) -> None:
        self._num_actions = num_actions
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, step: EnvStep) -> Tensor:
        """Draw one action for each environment: int64 [B]."""
        shape = step.reward.shape
        return torch.randint(self._num_actions, shape, generator=self._generator).to(step.reward.device)


class NetworkPolicy:
    """A network's policy, acting as it does in training: the state lives on and is zeroed where `is_first`."""

    def __init__(self, net: ActorCritic, num_envs: int, device: torch.device, seed: int, greedy: bool = False) -> None:
        """`greedy` takes the likeliest action instead of drawing one."""
        self._net, self._device, self._greedy = net, device, greedy
        self._generator = torch.Generator(device).manual_seed(seed)
        self._state = net.initial_state(num_envs, device)
        self._last_action = torch.zeros(num_envs, dtype=torch.int64, device=device)  # [B]

    @torch.no_grad()
    def __call__(self, step: EnvStep) -> Tensor:
        """Act on one row: int64 [B], on the device of `step`."""
        row = step.obs, step.reward, step.is_first
        obs, reward, is_first = (x.to(self._device)[None] for x in row)  # [1, B, ...] each
        out = self._net(obs, self._last_action[None], reward, is_first, self._state)
        self._state = out.state
        logits = out.logits[0]  # [B, A]
        if self._greedy:
            self._last_action = logits.argmax(-1)  # [B]
        else:
            clocks = torch.empty_like(logits).exponential_(generator=self._generator)
            self._last_action = sample(logits, clocks)  # [B]
        return self._last_action.to(step.reward.device)


@dataclass(frozen=True)
class EpisodeStats:
    """Raw returns and lengths (agent steps) of N episodes."""

    returns: tuple[float, ...]
    lengths: tuple[int, ...]

    def summary(self) -> dict[str, float]:
        """Mean with its 95 % interval (`low`, `high`), median, min, max, mean length, number of episodes."""
        returns = np.asarray(self.returns)
        low, high = interval(returns)
        return {
            "mean": float(returns.mean()),
            "low": low,
            "high": high,
            "median": float(np.median(returns)),
            "min": float(returns.min()),
            "max": float(returns.max()),
            "length": float(np.mean(self.lengths)),
            "episodes": len(self.returns),
        }


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by the percentile bootstrap (10,000 resamples, fixed seed)."""
    if len(values) < 2:  # one episode says nothing about the spread
        return float(values.min()), float(values.max())
    result = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def play(env: BatchedEnv, policy: Policy) -> Iterator[EnvStep]:
    """Reset `env` and yield its rows for ever, each before the policy acts on it."""
    step = env.reset()
    while True:
        yield step
        step = env.step(policy(step))


def evaluate(env: BatchedEnv, policy: Policy, episodes: int) -> EpisodeStats:
    """Play `episodes` whole episodes.

    How many each of the B environments contributes is fixed beforehand (its first `ceil` or `floor` of N / B). The
    first N to finish would be a biased sample: short episodes finish first.

    Args:
        env: Environments to reset and play in.
        policy: Fresh, for B environments.
        episodes: N >= 1.
    """
    batch = env.num_envs
    quota = [len(range(i, episodes, batch)) for i in range(batch)]
    played: list[list[tuple[float, int]]] = [[] for _ in range(batch)]
    returns = torch.zeros(batch, dtype=torch.float64)  # [B]
    lengths = torch.zeros(batch, dtype=torch.int64)  # [B]
    rows = play(env, policy)
    next(rows)  # the reset: no transition led to it
    while any(len(done) < wanted for done, wanted in zip(played, quota, strict=True)):
        step = next(rows)
        valid = step.valid.cpu()
        returns += torch.where(valid, step.score.cpu(), 0.0)
        lengths += valid
        ended = valid & (step.terminated | step.truncated).cpu()
        for i in ended.nonzero()[:, 0].tolist():
            played[i].append((float(returns[i]), int(lengths[i])))
        over = ended | step.is_first.cpu()  # a lost episode begins anew without an end: it counts for nothing
        returns[over] = 0.0
        lengths[over] = 0
    chosen = [episode for done, wanted in zip(played, quota, strict=True) for episode in done[:wanted]]
    return EpisodeStats(tuple(r for r, _ in chosen), tuple(n for _, n in chosen))
