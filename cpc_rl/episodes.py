"""Playing whole episodes with a policy, and what they score: shared by evaluation and the random baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import scipy
import torch
from torch import Tensor

from cpc_rl.acting import sample
from cpc_rl.networks import ActorCritic, ActorCriticOutput
from envs import resolve
from envs.api import BatchedEnv, EnvStep, Restful, info_names
from envs.config import EnvConfig
from envs.cores import cores

AT_ONCE = (
    "Environments played at once, at most; 0: 32, or one a core where each is a process of its own (DeepMind Lab)."
)
MAX_STEPS = 100_000  # 111 minutes of DeepMind Lab, whose episodes take some; Atari's end after 27,000


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

    def state_dict(self) -> dict[str, Tensor]:
        """What decides the actions to come."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken."""
        self._generator.set_state(saved["generator"])


class NetworkPolicy:
    """A network's policy, acting as it does in training: the state lives on and is zeroed where `is_first`.

    Attributes:
        output: what the network gave for the row it acted on last, [1, B, ...] each.
    """

    output: ActorCriticOutput

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
        self.output = self._net(obs, self._last_action[None], reward, is_first, self._state)
        self._state = self.output.state
        logits = self.output.logits[0]  # [B, A]
        if self._greedy:
            self._last_action = logits.argmax(-1)  # [B]
        else:
            clocks = torch.empty_like(logits).exponential_(generator=self._generator)
            self._last_action = sample(logits, clocks)  # [B]
        return self._last_action.to(step.reward.device)

    def state_dict(self) -> dict[str, Tensor]:
        """What decides the actions to come, beside the weights."""
        h, c = self._state
        return {"generator": self._generator.get_state(), "h": h, "c": c, "last_action": self._last_action}

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Go on where `state_dict` was taken."""
        self._generator.set_state(saved["generator"])
        self._state = (saved["h"].to(self._device), saved["c"].to(self._device))
        self._last_action = saved["last_action"].to(self._device)


class Told(NamedTuple):
    """What an environment told of some episodes under one name."""

    mean: float
    low: float | None  # 95 % interval of the mean; None: too few counts for one
    high: float | None
    times: float  # how often: what the mean is over


@dataclass(frozen=True)
class EpisodeStats:
    """Raw returns and lengths (agent steps) of N episodes, of which `cut` were longer and count as far as they went.

    `info` is what the environment told of each: a total and a count by name (see `envs.api.Informative`), both 0 of
    those that were cut.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    cut: int = 0
    info: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)

    def summary(self) -> dict[str, float]:
        """Mean with its 95 % interval (`low`, `high`), median, min, max, mean length, number of episodes and of cut."""
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
            "cut": self.cut,
        }

    def told(self) -> dict[str, Told]:
        """Of each name that the environment told, but for what no episode had."""
        result: dict[str, Told] = {}
        for name, pairs in self.info.items():
            total, count = np.sum(pairs, 0).tolist()
            if count > 0:
                result[name] = Told(total / count, *ratio_interval(np.asarray(pairs)), count)
        return result


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by the percentile bootstrap (10,000 resamples, fixed seed)."""
    if len(values) < 2:  # one episode says nothing about the spread
        return float(values.min()), float(values.max())
    result = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0)
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def ratio_interval(pairs: np.ndarray) -> tuple[float | None, float | None]:
    """95 % interval of the sum of totals over the sum of counts, by the percentile bootstrap over rows.

    `pairs`: [N, 2]. None where resamples without a count reach into the interval, which then has no upper end.
    """
    rng, even = np.random.default_rng(0), np.full(len(pairs), 1 / len(pairs))
    chunks = [rng.multinomial(len(pairs), even, size=100) @ pairs for _ in range(100)]  # [100, 2] each
    totals, counts = np.concatenate(chunks).T
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.quantile(totals / counts, [0.025, 0.975])
    return (float(low), float(high)) if np.isfinite([low, high]).all() else (None, None)


def at_once(config: EnvConfig, episodes: int, most: int = 0) -> int:
    """In how many environments to play `episodes`, `most` at most.

    0 of `most` means 32, or one a core where each environment is a process of its own: more processes take memory (230
    MB a DeepMind Lab) and play no faster.

    Raises:
        ValueError: Nobody plays `config`.
    """
    config, _ = resolve(config)
    processes = config.backend == "dmlab" or (config.backend == "gymnasium" and config.env_processes)
    return min(episodes, most or (cores() if processes else 32))


def play(env: BatchedEnv, policy: Policy) -> Iterator[EnvStep]:
    """Reset `env` and yield its rows for ever, each before the policy acts on it."""
    step = env.reset()
    while True:
        yield step
        step = env.step(policy(step))


def evaluate(
    env: BatchedEnv,
    policy: Policy,
    episodes: int,
    max_steps: int = MAX_STEPS,
    progress: Callable[[int, int], None] | None = None,
) -> EpisodeStats:
    """Play `episodes` whole episodes.

    How many each of the B environments contributes is fixed beforehand (its first `ceil` or `floor` of N / B). The
    first N to finish would be a biased sample: short episodes finish first.

    Args:
        env: Environments to reset and play in.
        policy: Fresh, for B environments.
        episodes: N >= 1.
        max_steps: Where an episode does not end (a greedy policy may be stuck for ever), it is cut after so many agent
            steps. Its environment begins another one when it does end, or when all others are done too.
        progress: Told after each row how many episodes are done and how many agent steps each environment has taken.
    """
    tally = _Tally(env.num_envs, episodes, max_steps, info_names(env))
    steps = 0
    while tally.wanting:
        rows = play(env, policy)
        next(rows)  # the reset: no transition led to it
        tally.begin()
        while tally.going:
            if isinstance(env, Restful):
                env.rest(tally.last)
            tally.count(next(rows))
            steps += 1
            if progress is not None:
                progress(tally.done, steps)
    return tally.stats()


class _Episode(NamedTuple):
    score: float
    length: int
    cut: bool
    info: list[tuple[float, float]]  # N totals and counts


class _Tally:
    """Returns and lengths of the episodes that count, of B environments."""

    def __init__(self, batch: int, episodes: int, max_steps: int, names: Sequence[str]) -> None:
        self.wanted = torch.tensor([len(range(i, episodes, batch)) for i in range(batch)])  # [B]
        self.max_steps, self.names = max_steps, names
        self.played: list[list[_Episode]] = [[] for _ in range(batch)]
        self.begin()

    def begin(self) -> None:
        """All environments were reset."""
        self.returns = torch.zeros(len(self.played), dtype=torch.float64)  # [B]
        self.lengths = torch.zeros(len(self.played), dtype=torch.int64)  # [B]
        self.stuck = torch.zeros(len(self.played), dtype=torch.bool)  # [B], in an episode that was cut

    @property
    def _left(self) -> Tensor:
        return self.wanted > torch.tensor([len(each) for each in self.played])  # [B]

    @property
    def wanting(self) -> bool:
        """Whether an episode is missing."""
        return bool(self._left.any())

    @property
    def going(self) -> bool:
        """Whether an episode that is missing may still come without a reset."""
        return bool((self._left & ~self.stuck).any())

    @property
    def last(self) -> Tensor:
        """Environments whose present episode is the last that is wanted of them: bool [B]."""
        counted = torch.tensor([len(each) for each in self.played]) + (~self.stuck).long()
        return counted >= self.wanted

    @property
    def done(self) -> int:
        """Episodes that count."""
        return sum(min(len(each), int(wanted)) for each, wanted in zip(self.played, self.wanted, strict=True))

    def count(self, step: EnvStep) -> None:
        """Count the transition that led to a row."""
        valid = step.valid.cpu()
        self.returns += torch.where(valid, step.score.cpu(), 0.0)
        self.lengths += valid
        ended = valid & (step.terminated | step.truncated).cpu()
        cut = (self.lengths >= self.max_steps) & ~ended & ~self.stuck
        for i in ((ended & ~self.stuck) | cut).nonzero()[:, 0].tolist():
            info = [(0.0, 0.0)] * len(self.names)
            if step.info is not None and not cut[i]:
                info = [(total, count) for total, count in step.info[i].tolist()]
            self.played[i].append(_Episode(float(self.returns[i]), int(self.lengths[i]), bool(cut[i]), info))
        over = ended | step.is_first.cpu()  # a lost episode begins anew without an end: it counts for nothing
        self.stuck = (self.stuck | cut) & ~over
        self.returns[over] = 0.0
        self.lengths[over] = 0

    def stats(self) -> EpisodeStats:
        """The first episodes of each environment, as many as are wanted of it."""
        chosen = [episode for each, n in zip(self.played, self.wanted.tolist(), strict=True) for episode in each[:n]]
        returns, lengths, cut, infos = zip(*chosen, strict=True)
        told = zip(*infos, strict=True)  # by name
        return EpisodeStats(returns, lengths, sum(cut), dict(zip(self.names, told, strict=True)))
