"""Gymnasium's environments in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gymnasium.spaces import Box

from envs.config import EnvConfig
from envs.gymnasium.boxed import make_boxed
from envs.gymnasium.failures import Unmakeable, explained, running
from envs.gymnasium.make import spaces_of, with_choices
from envs.gymnasium.reading import read
from envs.gymnasium.recipe import Recipe
from envs.workers import Workers


def make_workers(recipe: Recipe, config: EnvConfig, seeds: Callable[[int, int], int]) -> Workers:
    """B environments, one a process; `seeds(i, k)` is the seed of the k-th episode in the i-th.

    Raises:
        Unmakeable: not a Gymnasium environment, a package is missing, observations that cannot be read, or `recipe`
            makes nothing but whole batches.
        EnvironmentFailure: the environment's own code failed.
    """
    if recipe.single is None:
        raise Unmakeable(f"{recipe.name} makes a whole VectorEnv, which one process each cannot play")
    with running(recipe.name), explained(recipe.name):
        keywords = with_choices(recipe) if recipe.continuous else recipe.keywords
        space, _ = spaces_of(recipe, keywords)
    try:
        reading = read(space, config.observation)
    except ValueError as error:
        raise Unmakeable(f"{recipe.name}: {error}") from error
    flatten = not isinstance(space, Box)  # several parts cross as one row of numbers, choices one-hot
    if flatten and reading.kind == "grid":
        raise Unmakeable(f"{recipe.name}: a grid beside other parts cannot be read from processes of their own")
    one = partial(make_boxed, recipe.single, keywords, name=recipe.name, flatten=flatten, saved=())
    each = [partial(one, i=i, watched=i == 0 and not recipe.evaluation) for i in range(config.num_envs)]
    with running(recipe.name), explained(recipe.name):
        return Workers(each, name=recipe.name, seeds=seeds, timeout=config.env_timeout)
