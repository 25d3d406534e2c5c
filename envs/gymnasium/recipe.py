"""How to make Gymnasium's environments, by id or by factory, and saying in one line what is missing.

Worker processes import this module: it does not import torch.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import VectorEnv

from envs.gymnasium.failures import Unmakeable, explained, running
from envs.lookup import unknown

Env = gymnasium.Env[Any, Any]
Factory = Callable[..., Any]

REGISTRARS = {"ALE/": "ale_py", "minilab/": "envs.minilab.gym"}  # importing it registers the ids that begin so


@dataclass(frozen=True)
class Recipe:
    """How to make environments of one kind: one by one, or (`batch`) many that step as one."""

    name: str
    single: Callable[..., Env] | None
    batch: Callable[..., VectorEnv[Any, Any, Any]] | None
    evaluation: bool = False
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
        Unmakeable: no such id, module or function, a package is missing, or the factory wants what nobody gives it.
        EnvironmentFailure: the module's own code failed.
    """
    head, _, attribute = name.partition(":")
    if evaluation:  # pictures for people come from pygame, which would look for a screen, and complain of none
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    with running(name), explained(name):
        if factory is None and attribute.isidentifier():  # an id would end in -v0
            module = importlib.import_module(head)
            if not callable(factory := getattr(module, attribute, None)):
                known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
                raise Unmakeable(unknown(attribute, f"function of {head}", known or ["none at all"]))
        if factory is not None:
            offers = {"evaluation": evaluation, **({"render_mode": "rgb_array"} if evaluation else {})}
            asks = _parameters(factory)
            if wants := [key for key, needed in asks.items() if needed and key not in {*offers, "num_envs"}]:
                raise Unmakeable(
                    f"{name} cannot be made without {', '.join(wants)}: a factory is given `num_envs`, `evaluation` "
                    "and `render_mode` where it has such parameters, and needs a default for each other one"
                )
            keywords = {key: value for key, value in offers.items() if key in asks}
            if "num_envs" in asks:
                return Recipe(name, None, factory, evaluation, batch_keywords=keywords)
            return Recipe(name, factory, None, evaluation, keywords=keywords)
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
        evaluation=evaluation,
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


def _creator(entry_point: Any) -> Any:
    return load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point


def _parameters(function: Callable[..., Any]) -> dict[str, bool]:
    """The parameters of a function, or of what a class is made with, and whether each must be given.

    Nothing where nobody can tell.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: p.default is p.empty for p in named}
