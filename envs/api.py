"""What every back end promises: a batch of environments stepped as one, in torch tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from envs.errors import EnvironmentFailure as EnvironmentFailure


class EnvStep(NamedTuple):
    """One row for each of B environments, on `env.device`.

    The tensors belong to the environment and may be overwritten by its next `reset` or `step`: copy what you keep.

    An episode ends and the next one begins in one of these ways, told by these fields alone:

    - *same-step* autoreset (minilab, DeepMind Lab): the row that ends an episode already shows the first frame of the
      next one, so `terminated | truncated` and `is_first` are true together. `final_obs` has the true last
      observation where the back end knows it;
    - *next-step* autoreset (Gymnasium's default, envpool): the row that ends an episode shows its last frame; the row
      after it has `is_first` true and `valid` false, because the action that led to it was ignored;
    - *rested* (see `Restful`): the row that ends an episode shows its last frame, and rows behind it have `valid` and
      `is_first` false, until the next `reset`;
    - *lost* (its process died): a row with `is_first` true, `valid` false and no end before it. What was left of the
      episode is unknown; this row begins another one.
    """

    obs: Tensor  # uint8 [B, H, W, C], channels last in memory; or float32 [B, F] where observations are vectors
    reward: Tensor  # float32 [B], of the transition that led here
    terminated: Tensor  # bool [B], that transition ended the episode in a terminal state
    truncated: Tensor  # bool [B], that transition ended the episode by a time limit
    is_first: Tensor  # bool [B], this `obs` begins an episode
    valid: Tensor  # bool [B], false on rows that no action of the agent led to
    final_obs: Tensor | None = None  # like obs: the true last observation, in rows that ended (same-step only)
    raw_reward: Tensor | None = None  # float32 [B], what to report, where wrappers made `reward` of it
    info: Tensor | None = None  # float32 [B, N, 2], in rows that ended: see `Informative`

    @property
    def score(self) -> Tensor:
        """What returns are reported of: the raw reward, float32 [B]."""
        return self.reward if self.raw_reward is None else self.raw_reward


class BatchedEnv(Protocol):
    """B environments behind one `step`. Episodes restart by themselves (autoreset, see `EnvStep`)."""

    name: str  # level, as the user names it
    backend: str  # "minilab", "dmlab", ...
    num_envs: int  # B
    num_actions: int  # A, discrete
    obs_shape: tuple[int, ...]  # (H, W, C) of pictures, (F,) of vectors
    reading: str  # how what the environment shows is read, in one line; empty where nobody could doubt it
    action_repeat: int  # engine frames in one agent step
    frames_per_second: float  # engine frames in a second of play, for films
    restores: bool  # `load_state_dict` brings the very episodes back; otherwise new ones begin at the next `reset`
    device: torch.device

    def reset(self) -> EnvStep:
        """Begin a new episode in every environment; `is_first` and `valid` are all true, `reward` is 0.

        Raises EnvironmentFailure where an environment cannot be made to work.
        """
        ...

    def step(self, actions: Tensor) -> EnvStep:
        """Apply one action to each environment. `actions` int64 [B] in [0, num_actions).

        Raises EnvironmentFailure where an environment is lost for good.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the future, as tensors and plain Python values (loadable with `weights_only`)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, or, where not `restores`, with seeds that were not used yet.

        Raises ValueError if it belongs to another environment.
        """
        ...

    def close(self) -> None:
        """Release workers and memory; safe to call twice."""
        ...


class Steps(Protocol):
    """What can be stepped: environments, or a part of them."""

    @property
    def device(self) -> torch.device:
        """Where actions are to lie."""
        ...

    def step(self, actions: Tensor) -> EnvStep:
        """As `BatchedEnv.step`, for as many environments as it is."""
        ...


@runtime_checkable
class Adaptive(Protocol):
    """A `BatchedEnv` that may change while it is played in (running means of its observations)."""

    def adopt(self, states: Sequence[dict[str, Any]]) -> None:
        """Be as the environments whose `state_dict` these are (one a rank), and change no more."""
        ...


@runtime_checkable
class Informative(Protocol):
    """A `BatchedEnv` that tells more of an episode than its return, in `EnvStep.info` of the row that ended it.

    Of each of N names there are a total and a count. What it comes to over episodes is the sum of their totals over the
    sum of their counts: the count is 1 where each episode has one value, 0 where it has none. In rows that ended no
    episode the numbers mean nothing.
    """

    episode_info: tuple[str, ...]  # names; none: `EnvStep.info` is None


@runtime_checkable
class Restful(Protocol):
    """A `BatchedEnv` in which it costs much to begin an episode, which may turn out not to be wanted."""

    def rest(self, rows: Tensor) -> None:
        """Until the next `reset`, begin no other episode where `rows`, bool [B], is true when the present one ends."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A `BatchedEnv` whose parts can be stepped by several threads at once, without regard to each other."""

    num_envs: int

    def part(self, start: int, stop: int) -> Steps:
        """Environments [start, stop), the very same ones."""
        ...


def info_names(env: object) -> tuple[str, ...]:
    """What `env` tells of an episode beside its return, if anything."""
    return env.episode_info if isinstance(env, Informative) else ()
