"""`MinilabEnv`: a minilab level as a `BatchedEnv` of torch tensors on the CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.api import EnvStep
from envs.minilab.levels import load_level
from envs.minilab.physics import ACTION_REPEAT, ACTIONS
from envs.minilab.rng import new_streams
from envs.minilab.state import named_arrays, new_outputs


class MinilabEnv:
    """B environments of one level (see `envs.api.BatchedEnv`); autoreset is same-step.

    The tensors of an `EnvStep` share memory with the engine's arrays and are overwritten by the next call. What
    happens in environment i depends on (`seed`, i) and its actions only, not on `num_envs` or `threads`.
    """

    backend = "minilab"
    num_actions = len(ACTIONS)
    action_repeat = ACTION_REPEAT
    device = torch.device("cpu")

    def __init__(
        self, name: str, num_envs: int, height: int, width: int, seed: int, *, evaluation: bool, threads: int
    ) -> None:
        """Prepare the level `name` of `envs.minilab.levels.LEVELS`; nothing is simulated before `reset`.

        Args:
            name: level.
            num_envs: B.
            height: of the picture in pixels.
            width: of the picture in pixels.
            seed: in [0, 2**63).
            evaluation: draw episodes from a seed space that training never sees.
            threads: how many threads share the batch.
        """
        self.name = name
        self.num_envs = num_envs
        self.obs_shape = (height, width, 3)
        self.level = load_level(name)
        self.scene = self.level.new_scene()
        self.state = self.level.new_state(new_streams(num_envs, seed, evaluation=evaluation))
        self.outputs = new_outputs(num_envs, height, width)
        valid = torch.ones(num_envs, dtype=torch.bool)
        self._view = EnvStep._make([*(torch.from_numpy(array) for array in self.outputs), valid])
        threads = min(threads, num_envs)
        self._pool = ThreadPoolExecutor(threads - 1, "minilab") if threads > 1 else None
        bounds = [num_envs * k // threads for k in range(threads + 1)]
        self._slices = list(itertools.pairwise(bounds))

    def reset(self) -> EnvStep:
        """Begin a new episode in every environment: the first call episode 0, the next one episode 1, ..."""
        self._launch(self.level.reset)
        return self._view

    def step(self, actions: Tensor) -> EnvStep:
        """Apply `actions`, int64 [B] in [0, 9) (the order of `envs.minilab.physics.ACTION_NAMES`).

        Raises:
            ValueError: wrong shape, type or an action out of range.
        """
        array = actions.numpy()
        if array.dtype != np.int64 or array.shape != (self.num_envs,):
            raise ValueError(f"actions are {array.dtype} {list(array.shape)}; they must be int64 [{self.num_envs}]")
        if array.min() < 0 or array.max() >= self.num_actions:
            raise ValueError(f"actions lie in [{array.min()}, {array.max()}]; allowed: [0, {self.num_actions - 1}]")
        self._launch(self.level.step, array)
        return self._view

    def poses(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Where the agents are: float32 [B, 3] of x, y (DeepMind Lab's units) and yaw (degrees)."""
        body = self.state.body
        return np.stack([body.x, body.y, body.yaw], axis=1)  # [B, 3]

    def place(self, i: int, x: float, y: float, yaw: float) -> None:
        """Put agent i at rest at (x, y), looking along `yaw` (degrees from east), and draw what it sees."""
        body = self.state.body
        body.x[i], body.y[i] = x, y
        body.yaw[i] = (yaw + 180) % 360 - 180
        body.vx[i] = body.vy[i] = 0
        self.level.draw(i, i + 1, self.state, self.scene, self.outputs)

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the future, and for which environment: plain values and tensors (copies)."""
        arrays = named_arrays(self.state)
        return {
            **self._identity(),
            "arrays": {name: torch.from_numpy(_signed(array).copy()) for name, array in arrays.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken; pictures are redrawn.

        Raises:
            ValueError: the state belongs to another level, picture size or number of environments.
        """
        for key, mine in self._identity().items():
            if state.get(key) != mine:
                raise ValueError(f"the saved environment has {key} {state.get(key)!r}, this one {mine!r}")
        for name, array in named_arrays(self.state).items():
            _signed(array)[...] = state["arrays"][name].numpy()
        self._launch(self.level.draw)

    def close(self) -> None:
        """Stop the threads; safe to call twice."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _identity(self) -> dict[str, Any]:
        return {"name": self.name, "num_envs": self.num_envs, "obs_shape": list(self.obs_shape)}

    def _launch(self, launcher: Callable[..., None], *inputs: Any) -> None:
        """Run a launcher on the whole batch, each thread on its slice."""
        rest = (*inputs, self.state, self.scene, self.outputs)
        if self._pool is None:
            launcher(0, self.num_envs, *rest)
            return
        (lo, hi), *others = self._slices
        running = [self._pool.submit(launcher, a, b, *rest) for a, b in others]
        launcher(lo, hi, *rest)
        for future in running:
            future.result()


def _signed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Unsigned 64-bit arrays as signed ones, which every torch can save."""
    return array.view(np.int64) if array.dtype == np.uint64 else array
