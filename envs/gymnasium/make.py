"""Making Gymnasium's environments, by id or by factory, and saying in one line what is missing.

Worker processes import this module: it does not import torch.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import gymnasium
from gymnasium import Space
from gymnasium.envs.registration import load_env_creator
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from envs.lookup import unknown

Env = gymnasium.Env[Any, Any]
Factory = Callable[..., Any]
T = TypeVar("T")

REGISTRARS = {"ALE/": "ale_py", "minilab/": "envs.minilab.gym"}  # importing it registers the ids that begin so


class Unmakeable(ValueError):
    """What the user asked for is not there; one line says what is missing."""


@dataclass(frozen=True)
class Recipe:
    """How to make environments of one kind: one by one, or (`batch`) many that step as one."""

    name: str
    single: Callable[..., Env] | None
    batch: Callable[..., VectorEnv[Any, Any, Any]] | None
    continuous: bool = False  # takes `continuous=False`
    keywords: dict[str, Any] = field(default_factory=dict)  # of `single`
    batch_keywords: dict[str, Any] = field(default_factory=dict)


def find_recipe(name: str, factory: Factory | None, *, evaluation: bool) -> Recipe:
    """How to make what `name` means, or `factory` where one is given.

    Args:
        name: an id (`CartPole-v1`), an id that a module registers (`module:Id-v0`), or a factory (`module:function`).
        factory: makes one gymnasium.Env; or, where it has a parameter `num_envs`, a whole VectorEnv.
        evaluation: pictures for people are wanted (`render_mode="rgb_array"`) where the environment has them.

    Raises:
        Unmakeable: no such id, module or function, or a package is missing.
    """
    head, _, attribute = name.partition(":")
    if evaluation:  # pictures for people come from pygame, which would look for a screen, and complain of none
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    with explained(name):
        if factory is None and attribute.isidentifier():  # an id would end in -v0
            module = importlib.import_module(head)
            if not callable(factory := getattr(module, attribute, None)):
                known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
                raise Unmakeable(unknown(attribute, f"function of {head}", known or ["none at all"]))
        if factory is not None:
            offers = {"evaluation": evaluation, **({"render_mode": "rgb_array"} if evaluation else {})}
            keywords = {key: value for key, value in offers.items() if key in _parameters(factory)}
            if "num_envs" in _parameters(factory):
                return Recipe(name, None, factory, batch_keywords=keywords)
            return Recipe(name, factory, None, keywords=keywords)
        return _recipe_of_id(name, evaluation)


def _recipe_of_id(name: str, evaluation: bool) -> Recipe:
    env_id = _register(name)
    if env_id not in gymnasium.registry:
        raise Unmakeable(unknown(env_id, "environment of gymnasium", gymnasium.registry))
    spec = gymnasium.registry[env_id]
    given = {"evaluation": evaluation} if env_id.startswith("minilab/") else {}

    def keywords(creator: Any) -> dict[str, Any]:
        modes = (getattr(creator, "metadata", None) or {}).get("render_modes") or ()
        return {**given, **({"render_mode": "rgb_array"} if evaluation and "rgb_array" in modes else {})}

    one, many = _creator(spec.entry_point), None if spec.additional_wrappers else _creator(spec.vector_entry_point)
    return Recipe(
        name,
        single=one and partial(_by_id, name),
        batch=many and partial(gymnasium.make_vec, env_id, vectorization_mode="vector_entry_point"),
        continuous=one is not None and "continuous" in _parameters(one),
        keywords=keywords(one),
        batch_keywords=keywords(many),
    )


def _register(name: str) -> str:
    """Import what registers `name`; returns the id by itself."""
    module, _, env_id = name.rpartition(":")
    registrar = REGISTRARS.get(env_id.partition("/")[0] + "/")
    for needed in filter(None, (registrar, module)):
        gymnasium.register_envs(importlib.import_module(needed))
    return env_id


def _by_id(name: str, **keywords: Any) -> Env:
    """One environment, in a process that may have nothing registered yet."""
    return gymnasium.make(_register(name), disable_env_checker=True, **keywords)


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


def in_a_box(single: Callable[..., Env], keywords: dict[str, Any], *, flatten: bool) -> Env:
    """One environment as workers can share it."""
    env = single(**keywords)
    return gymnasium.wrappers.FlattenObservation(env) if flatten else env


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn a package that is missing into an Unmakeable."""
    try:
        yield
    except (ImportError, DependencyNotInstalled) as error:
        how = '; pip install "gymnasium[atari]"' if name.startswith("ALE/") else ""
        raise Unmakeable(f"{name} cannot be made: {_line(error)}{how}") from error


@contextmanager
def running(name: str, i: int | None = None) -> Iterator[None]:
    """Turn what an environment's own code raises into an EnvironmentFailure that says which one it was."""
    try:
        yield
    except Unmakeable:
        raise
    except Exception as error:
        from envs.api import EnvironmentFailure  # brings torch: not where workers would import it too

        if isinstance(error, EnvironmentFailure):
            raise
        which = name if i is None else f"{name}, environment {i}"
        raise EnvironmentFailure(f"{which}: {type(error).__name__}: {_line(error)}") from error


class _Numbered(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Says which of the batch failed."""

    def __init__(self, env: Env, name: str, i: int) -> None:
        super().__init__(env)
        self._name, self._i = name, i

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        with running(self._name, self._i):
            return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        with running(self._name, self._i):
            return self.env.step(action)


def _make_one(recipe: Recipe, i: int, keywords: dict[str, Any]) -> Env:
    assert recipe.single is not None
    with running(recipe.name, i), explained(recipe.name):
        return _Numbered(_typed(recipe.single(**keywords), gymnasium.Env, recipe.name), recipe.name, i)


def _typed(made: Any, wanted: type[T], name: str) -> T:
    if not isinstance(made, wanted):
        raise Unmakeable(f"{name} made a {type(made).__name__}, which is no gymnasium {wanted.__name__}")
    return made


def _creator(entry_point: Any) -> Any:
    return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point


def _parameters(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters of a function, or of what a class is made with; none where nobody can tell."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
