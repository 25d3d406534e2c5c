"""One unroll: T steps of B environments in preallocated tensors, and the bookkeeping of episodes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.encoders import Activations, Recallable, Weights
from cpc_rl.networks import State
from envs.api import EnvStep

ROWS = ("obs", "reward", "terminated", "truncated", "is_first", "valid", "last_action")  # what has T + 1 rows


class Rollout:
    """One unroll: T + 1 rows of what the environments showed, T rows of what the agent did.

    Row 0 is the last row of the unroll before, so no transition is lost. `reward[t + 1]`, `terminated[t + 1]`,
    `truncated[t + 1]` and `valid[t + 1]` belong to the transition t -> t + 1, `is_first[t]` to observation t.
    `final_value[t + 1]` is the value of the true last observation where a time limit cut that transition's episode
    and row t + 1 already shows the next one; elsewhere 0. All memory stays where it is for the life of a rollout.
    """

    def __init__(
        self,
        unroll: int,
        num_envs: int,
        obs_shape: tuple[int, ...],
        actions: int,
        state: State,
        encoder: nn.Module | None = None,
        info: int = 0,
    ) -> None:
        """Allocates on the device of `state`, the recurrent state before row 0. Pictures are bytes, vectors floats.

        Where `encoder` can recall its activations, there is room to keep those of acting. `info` is N of
        `envs.api.Informative`.
        """
        device, rows = state[0].device, (unroll + 1, num_envs)
        dtype = torch.uint8 if len(obs_shape) == 3 else torch.float32
        self.obs = torch.zeros(*rows, *obs_shape, dtype=dtype, device=device)  # [T+1, B, H, W, C] or [T+1, B, F]
        self.reward, self.final_value = (torch.zeros(rows, device=device) for _ in range(2))  # [T+1, B] each
        self.raw_reward: Tensor | None = None  # [T+1, B], where environments tell it apart from `reward`
        self.info = torch.zeros(*rows, info, 2, device=device)  # [T+1, B, N, 2], of rows that ended
        self.terminated, self.truncated, self.is_first, self.valid = (
            torch.zeros(rows, dtype=torch.bool, device=device) for _ in range(4)
        )  # [T+1, B] each
        self.last_action = torch.zeros(rows, dtype=torch.int64, device=device)  # [T+1, B], the action before row t
        self.logits = torch.zeros(unroll, num_envs, actions, device=device)  # [T, B, A], as they were while acting
        self.noise = torch.ones(unroll, num_envs, actions, device=device)  # [T, B, A], the chance in each action
        self.encoder: Recallable | None = encoder if isinstance(encoder, Recallable) else None
        self.activations: Activations | None = None  # [T+1, B, ...], of the encoder
        if self.encoder is not None:
            self.activations = self.encoder.activations(*rows, device)
        self._weights_version = -1  # of the encoder, under which `activations` came to be
        self.state: State = (state[0].clone(), state[1].clone())  # before row 0
        self.next_state: State = (state[0].clone(), state[1].clone())  # before row T

    @property
    def action(self) -> Tensor:
        """What was done at rows 0..T-1: int64 [T, B]."""
        return self.last_action[1:]

    def write(self, t: int, step: EnvStep) -> None:
        """Copy one row of the environments."""
        self.obs[t].copy_(step.obs)
        self.reward[t].copy_(step.reward)
        self.terminated[t].copy_(step.terminated)
        self.truncated[t].copy_(step.truncated)
        self.is_first[t].copy_(step.is_first)
        self.valid[t].copy_(step.valid)
        if step.raw_reward is not None:
            self.raw_reward = torch.zeros_like(self.reward) if self.raw_reward is None else self.raw_reward
            self.raw_reward[t].copy_(step.raw_reward)
        if step.info is not None:
            self.info[t].copy_(step.info)

    def part(self, start: int, stop: int) -> Rollout:
        """A view of environments [start, stop)."""
        view = copy.copy(self)
        for name in (*ROWS, "final_value", "info", "logits", "noise"):
            setattr(view, name, getattr(self, name)[:, start:stop])
        view.activations = self.activations and self.activations.columns(start, stop)
        view.state = (self.state[0][start:stop], self.state[1][start:stop])
        view.next_state = (self.next_state[0][start:stop], self.next_state[1][start:stop])
        return view

    def encode(self, t: int, weights: Weights) -> Tensor:
        """The encoder's output [1, B, features] for row t, without gradient; its activations are kept."""
        assert self.encoder is not None and self.activations is not None
        return self.encoder(self.obs[t], self.activations.row(t), weights)[None]

    def recall(self) -> Tensor | None:
        """The encoder's output [T+1, B, features] for all rows, with gradient, if acting has kept what it takes.

        Raises:
            RuntimeError: The encoder's weights have changed since: the activations are those of other weights.
        """
        if self.encoder is None or self.activations is None:
            return None
        if self._weights_version != _version(self.encoder):
            raise RuntimeError("the encoder's weights have changed since this unroll was acted: act anew first")
        return self.encoder.recall(self.obs, self.activations)

    def roll(self) -> None:
        """Make the last row the first one of the next unroll, which is acted with the encoder's present weights."""
        self._weights_version = -1 if self.encoder is None else _version(self.encoder)
        for name in ROWS:
            rows: Tensor = getattr(self, name)
            rows[0].copy_(rows[-1])
        for now, reached in zip(self.state, self.next_state, strict=True):
            now.copy_(reached)

    def state_dict(self) -> dict[str, Any]:
        """The last row, which is all that the next unroll needs."""
        last = {name: getattr(self, name)[-1].to("cpu", copy=True) for name in ROWS}
        return {**last, "state": tuple(x.cpu() for x in self.next_state)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name in ROWS:
            getattr(self, name)[-1].copy_(saved[name])
        for ours, theirs in zip(self.next_state, saved["state"], strict=True):
            ours.copy_(theirs)


def _version(encoder: Recallable) -> int:
    """A number that grows with each change of the weights in place."""
    return sum(p._version for p in encoder.parameters())


class EpisodeTracker:
    """Sums the raw rewards and the lengths of running episodes, and keeps those of the ended ones until `pop`."""

    def __init__(self, num_envs: int, info: tuple[str, ...] = ()) -> None:
        """`num_envs` environments, none of which has begun; `info` is what they tell (see `envs.api.Informative`)."""
        self.returns = torch.zeros(num_envs, dtype=torch.float64)  # [B]
        self.lengths = torch.zeros(num_envs, dtype=torch.int64)  # [B], agent steps
        self.ended: list[tuple[float, int]] = []  # (return, length) since the last `pop`
        self.names = info
        self.info = torch.zeros(len(info), 2, dtype=torch.float64)  # [N, 2], sums of totals and counts until `pop`

    def update(self, rollout: Rollout) -> int:
        """Read one unroll; returns the number of its valid steps."""
        scores = rollout.reward if rollout.raw_reward is None else rollout.raw_reward
        reward, valid = scores[1:].cpu().double(), rollout.valid[1:].cpu()  # [T, B]
        ended = (rollout.terminated[1:] | rollout.truncated[1:]).cpu()  # [T, B]
        over = ended | rollout.is_first[1:].cpu()  # [T, B], a lost episode begins anew without an end
        self.info += rollout.info[1:].cpu()[ended].double().sum(0)  # [episodes, N, 2] -> [N, 2]
        last = -1
        for t in sorted({*over.any(1).nonzero().flatten().tolist(), reward.shape[0] - 1}):
            rows = slice(last + 1, t + 1)
            self.returns += torch.where(valid[rows], reward[rows], 0.0).sum(0)
            self.lengths += valid[rows].sum(0)
            self.ended += zip(self.returns[ended[t]].tolist(), self.lengths[ended[t]].tolist(), strict=True)
            last = t
            self.returns[over[t]] = 0.0
            self.lengths[over[t]] = 0
        return int(valid.sum())

    def pop(self, group: ProcessGroup = SINGLE) -> dict[str, float]:
        """Mean return, length and information of the episodes that ended since the last call, and their number.

        Those of all ranks, each of which must call it. What no episode had is absent.
        """
        shares = group.collect((self.ended, self.info))
        ended = [episode for share, _ in shares for episode in share]
        info = torch.stack([share for _, share in shares]).sum(0)  # [N, 2]
        self.ended = []
        self.info[info[:, 1] > 0] = 0.0  # totals without a count, as steps of a search so far in vain, wait for one
        means = (
            {
                "episode_return": sum(r for r, _ in ended) / len(ended),
                "episode_length": sum(n for _, n in ended) / len(ended),
            }
            if ended
            else {}
        )
        told = {
            f"episode/{name}": total / n for name, (total, n) in zip(self.names, info.tolist(), strict=True) if n > 0
        }
        return {"episodes": len(ended), **means, **told}

    def state_dict(self) -> dict[str, Any]:
        """All counters and the episodes nobody has asked for yet."""
        info = dict(zip(self.names, self.info.tolist(), strict=True))
        return {"returns": self.returns, "lengths": self.lengths, "ended": list(self.ended), "info": info}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.returns.copy_(saved["returns"])
        self.lengths.copy_(saved["lengths"])
        self.ended = [(r, n) for r, n in saved["ended"]]
        told = saved.get("info", {})  # earlier versions, and other `--episode-info`, told other things or none
        self.info = torch.tensor([told.get(name, (0.0, 0.0)) for name in self.names], dtype=torch.float64).view(-1, 2)
