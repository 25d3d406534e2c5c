"""Making Gymnasium's environments from a recipe, one or a batch of them.

Worker processes import this module: it does not import torch.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import gymnasium
from gymnasium import Space
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from envs.gymnasium.failures import Unmakeable, explained, forgiven, running
from envs.gymnasium.recipe import Env, Recipe
from envs.gymnasium.watching import Watch
from envs.quantities import one_number

T = TypeVar("T")


def make_batch(recipe: Recipe, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """B environments in this process: the kind's own batch where it is the same thing, else one after another.

    Raises:
        Unmakeable: not a Gymnasium environment, or a package is missing.
        EnvironmentFailure: the environment's own code failed.
    """
    with running(recipe.name), explained(recipe.name):
        keywords = recipe.keywords
        if recipe.batch is not None:
            batch = _typed(recipe.batch(num_envs=num_envs, **recipe.batch_keywords), VectorEnv, recipe.name)
            _check_spaces(batch, "single_", recipe.name)
            if recipe.single is None:
                return batch
            spaces = batch.single_observation_space, batch.single_action_space
            if autoreset(batch) is not None and spaces == spaces_of(recipe, keywords):
                return batch  # ALE's own is another thing: small greys, stacked, and rewards clipped
            batch.close()
        if recipe.continuous:
            keywords = with_choices(recipe)
        # Gymnasium's copy of each observation would be the second one: ours are copied by who keeps them.
        return SyncVectorEnv([partial(_make_one, recipe, i, keywords) for i in range(num_envs)], copy=False)


def autoreset(batch: VectorEnv[Any, Any, Any]) -> AutoresetMode | None:
    """What `batch` says of how its episodes begin anew; None where it says nothing that is known."""
    try:
        return AutoresetMode(batch.metadata.get("autoreset_mode"))
    except ValueError:
        return None


def spaces_of(recipe: Recipe, keywords: dict[str, Any]) -> tuple[Space[Any], Space[Any]]:
    """What one environment has: of observations and of actions."""
    env = _make_one(recipe, 0, keywords)
    env.close()
    return env.observation_space, env.action_space


def with_choices(recipe: Recipe) -> dict[str, Any]:
    """Keywords with which an environment that can have discrete actions has them."""
    _, actions = spaces_of(recipe, recipe.keywords)
    return {**recipe.keywords, "continuous": False} if isinstance(actions, Box) else recipe.keywords


class _Numbered(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Says which of the batch failed, and gives rewards as plain numbers."""

    def __init__(self, env: Env, name: str, i: int, watched: bool) -> None:
        super().__init__(env)
        self._name, self._i = name, i
        self._watch = Watch(env, name) if watched else None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        with running(self._name, self._i):
            begun = self.env.reset(seed=seed, options=options)
            if self._watch is not None:
                self._watch.episode_begins()
            return begun

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        with running(self._name, self._i):
            obs, reward, terminated, truncated, info = self.env.step(action)
            return obs, one_number(reward), terminated, truncated, info

    def close(self) -> None:
        with forgiven(self._name, self._i):
            self.env.close()


def _make_one(recipe: Recipe, i: int, keywords: dict[str, Any]) -> Env:
    assert recipe.single is not None
    with running(recipe.name, i), explained(recipe.name):
        env = _typed(recipe.single(**keywords), gymnasium.Env, recipe.name)
        _check_spaces(env, "", recipe.name)
        return _Numbered(env, recipe.name, i, watched=i == 0 and not recipe.evaluation)


def _typed(made: Any, wanted: type[T], name: str) -> T:
    if not isinstance(made, wanted):
        raise Unmakeable(f"{name} made a {type(made).__name__}, which is no gymnasium {wanted.__name__}")
    return made


def _check_spaces(made: Any, prefix: str, name: str) -> None:
    for attribute in (f"{prefix}observation_space", f"{prefix}action_space"):
        if not isinstance(space := getattr(made, attribute, None), Space):
            raise Unmakeable(f"{name}: {attribute} is {space!r}; it must be a gymnasium.Space")
