"""What every back end promises: a batch of environments stepped as one, in torch tensors."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class EnvStep(NamedTuple):
    """One row for each of B environments, on `env.device`.

    The tensors belong to the environment and may be overwritten by its next `reset` or `step`: copy what you keep.

    There are two kinds of autoreset, and both are told by these fields alone:

    - *same-step* (minilab, DeepMind Lab): the row that ends an episode already shows the first frame of the next
      one, so `terminated | truncated` and `is_first` are true together and the true last frame is not seen;
    - *next-step* (Gymnasium's default, envpool): the row that ends an episode shows its last frame; the row after it
      has `is_first` true and `valid` false, because the action that led to it was ignored.
    """

    obs: Tensor  # uint8   [B, H, W, 3], channels last in memory
    reward: Tensor  # float32 [B], of the transition that led here
    terminated: Tensor  # bool [B], that transition ended the episode in a terminal state
    truncated: Tensor  # bool [B], that transition ended the episode by a time limit
    is_first: Tensor  # bool [B], this `obs` begins an episode
    valid: Tensor  # bool [B], false on the dead row of next-step autoreset


class BatchedEnv(Protocol):
    """B environments behind one `step`. Episodes restart by themselves (autoreset, see `EnvStep`)."""

    name: str  # level, as the user names it
    backend: str  # "minilab", "dmlab", ...
    num_envs: int  # B
    num_actions: int  # A, discrete
    obs_shape: tuple[int, int, int]  # (H, W, 3)
    action_repeat: int  # engine frames in one agent step
    device: torch.device

    def reset(self) -> EnvStep:
        """Begin a new episode in every environment; `is_first` and `valid` are all true, `reward` is 0."""
        ...

    def step(self, actions: Tensor) -> EnvStep:
        """Apply one action to each environment. `actions` int64 [B] in [0, num_actions)."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the future, as tensors and plain Python values (loadable with `weights_only`)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken. Raises ValueError if it belongs to another environment."""
        ...

    def close(self) -> None:
        """Release workers and memory; safe to call twice."""
        ...
