"""Toy environments and networks with answers known by counting; they implement `BatchedEnv` without a base class."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from envs.api import EnvStep

SHAPE = (4, 6, 3)


class CountingEnv:
    """Environment i plays episodes of `lengths[i]` steps; each step pays 1 + i, the last one also the episode's number.

    Every pixel shows the step within the episode, so a network's own count can be held against it.
    `next_step` switches to next-step autoreset: the last frame is shown, and a dead row follows. With `tell_final`,
    same-step rows have the last frame in `final_obs`. `lose` = (i, n): environment i is lost in the n-th step.
    """

    backend = "toy"
    reading = ""
    num_actions = 3
    action_repeat = 4
    frames_per_second = 60.0
    restores = True

    def __init__(
        self,
        lengths: list[int],
        next_step: bool = False,
        truncate: bool = False,
        obs_shape: tuple[int, ...] = SHAPE,
        tell_final: bool = False,
        lose: tuple[int, int] | None = None,
    ) -> None:
        self.tell_final, self.lose = tell_final, lose
        self.obs_shape = obs_shape
        self.name, self.num_envs, self.device = "counting", len(lengths), torch.device("cpu")
        self.lengths, self.next_step, self.truncate = torch.tensor(lengths), next_step, truncate
        self.step_number = torch.zeros(self.num_envs, dtype=torch.int64)
        self.episode = torch.zeros(self.num_envs, dtype=torch.int64)
        self.over = torch.zeros(self.num_envs, dtype=torch.bool)
        self.actions: list[Tensor] = []
        self.closed = False

    def reset(self) -> EnvStep:
        self.step_number.zero_()
        self.over.zero_()
        every = torch.ones(self.num_envs, dtype=torch.bool)
        return self._row(torch.zeros(self.num_envs), ~every, every, every)

    def step(self, actions: Tensor) -> EnvStep:
        assert actions.shape == (self.num_envs,) and actions.dtype == torch.int64
        self.actions.append(actions.clone())
        dead = self.over.clone()
        self.step_number = torch.where(dead, 0, self.step_number + 1)
        ended = ~dead & (self.step_number == self.lengths)
        reward = (1.0 + torch.arange(self.num_envs)) + torch.where(ended, self.episode, 0)
        self.episode += ended
        is_first = dead.clone()
        final_obs = self._pixels() if self.tell_final else None
        if self.lose is not None and len(self.actions) == self.lose[1]:
            ended[self.lose[0]], dead[self.lose[0]], is_first[self.lose[0]] = False, True, True
            self.step_number[self.lose[0]] = 0
        if self.next_step:
            self.over = ended
        else:
            self.step_number = torch.where(ended, 0, self.step_number)
            is_first = ended | is_first
        reward = torch.where(dead, 1000.0, reward)  # a dead row's reward must count nowhere
        return self._row(reward, ended, is_first, ~dead)._replace(final_obs=final_obs)

    def _row(self, reward: Tensor, ended: Tensor, is_first: Tensor, valid: Tensor) -> EnvStep:
        none = torch.zeros_like(ended)
        terminated, truncated = (none, ended) if self.truncate else (ended, none)
        return EnvStep(self._pixels(), reward.float(), terminated, truncated, is_first, valid)

    def _pixels(self) -> Tensor:
        """The step number everywhere: bytes for pictures, floats for vectors."""
        dtype = torch.uint8 if len(self.obs_shape) == 3 else torch.float32
        number = self.step_number.to(dtype).reshape(-1, *(1 for _ in self.obs_shape))
        return number.expand(-1, *self.obs_shape).clone()

    def returns(self, i: int, episode: int) -> float:
        """The known return of an episode."""
        return float(self.lengths[i] * (1 + i) + episode)

    def state_dict(self) -> dict[str, Any]:
        return {"step_number": self.step_number.clone(), "episode": self.episode.clone(), "over": self.over.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step_number, self.episode, self.over = (state[k].clone() for k in ("step_number", "episode", "over"))

    def close(self) -> None:
        self.closed = True


class TellingEnv(CountingEnv):
    """Tells the number of each episode, and the steps of a search that ends well in every second one only."""

    episode_info = ("number", "steps_to_find")

    def step(self, actions: Tensor) -> EnvStep:
        number = self.episode.clone()
        step = super().step(actions)
        counted = torch.stack([number, torch.ones_like(number)], -1)
        searched = torch.stack([self.lengths, number % 2], -1)
        return step._replace(info=torch.stack([counted, searched], 1).float())  # [B, 2, 2]


class CountingOutput(NamedTuple):
    logits: Tensor
    value: Tensor
    state: tuple[Tensor]


class CountingNet(nn.Module):
    """Counts the rows since the last `is_first` in its state and always prefers action `count % 3`.

    It fails where its count differs from the pixels, which show the environment's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(50.0))
        self.seen: list[tuple[Tensor, Tensor]] = []  # (last_action, last_reward) of each row

    def initial_state(self, num_envs: int, device: torch.device | str = "cpu") -> tuple[Tensor]:
        return (torch.full((num_envs,), 77, device=device),)  # wrong on purpose: only `is_first` may clear it

    def forward(
        self, obs: Tensor, last_action: Tensor, last_reward: Tensor, is_first: Tensor, state: tuple[Tensor]
    ) -> CountingOutput:
        assert obs.dtype == torch.uint8 and obs.shape[:2] == last_action.shape == last_reward.shape == is_first.shape
        (count,) = state
        logits = []
        for t in range(obs.shape[0]):
            count = torch.where(is_first[t], 0, count + 1)
            assert torch.equal(count, obs[t, :, 0, 0, 0].long()), "the state was dropped, kept or shifted"
            self.seen.append((last_action[t].clone(), last_reward[t].clone()))
            logits.append(nn.functional.one_hot(count % 3, 3) * self.sharpness)
        return CountingOutput(torch.stack(logits), torch.zeros(is_first.shape), (count,))
