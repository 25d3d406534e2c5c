"""What environments showed for a series of random actions."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from envs.api import BatchedEnv, EnvStep
from tests.envs.conformance.cases import Case


class Recording(NamedTuple):
    """T + 1 rows and the T actions between them; every row is a copy."""

    rows: list[EnvStep]
    counts: Tensor  # int64 [T+1, B], agent steps since the episode of each row began
    actions: Tensor  # int64 [T, B]

    def flags(self, name: str) -> Tensor:
        """One field of all rows: [T+1, B, ...]."""
        return torch.stack([getattr(row, name) for row in self.rows])

    @property
    def ended(self) -> Tensor:
        """[T+1, B]."""
        return self.flags("terminated") | self.flags("truncated")


def copied(step: EnvStep) -> EnvStep:
    return EnvStep(*(x if x is None else x.clone() for x in step))


def random_actions(steps: int, env: BatchedEnv) -> Tensor:
    generator = torch.Generator().manual_seed(11)
    return torch.randint(env.num_actions, (steps, env.num_envs), generator=generator)


def record(case: Case, env: BatchedEnv, steps: int, *, begun: EnvStep | None = None) -> Recording:
    """`steps` random actions from a reset on, or from the row `begun` on."""
    actions = random_actions(steps, env)
    step = env.reset() if begun is None else begun
    rows, counts = [copied(step)], [case.count(env, step.obs).clone()]
    for action in actions:
        step = env.step(action)
        rows.append(copied(step))
        counts.append(case.count(env, step.obs).clone())
    return Recording(rows, torch.stack(counts), actions)


@cache
def recording(case: Case) -> Recording:
    """The one recording of `case` that most checks look at."""
    env = case.make()
    try:
        return record(case, env, case.steps)
    finally:
        env.close()


@cache
def shared(case: Case) -> BatchedEnv:
    """Environments for checks that begin with a `reset` and leave nothing behind; `close_shared` closes them."""
    _shared.append(case.make())
    return _shared[-1]


def close_shared() -> None:
    while _shared:
        _shared.pop().close()
    shared.cache_clear()


_shared: list[BatchedEnv] = []


def same(a: Recording, b: Recording) -> bool:
    """Whether both show the same, to the bit."""
    fields = ("obs", "reward", "terminated", "truncated", "is_first", "valid")
    return all(torch.equal(a.flags(name), b.flags(name)) for name in fields)
