"""What a user's name of an environment means: which back end plays it, and why."""

from __future__ import annotations

import importlib

from envs.config import BACKENDS, EnvConfig
from envs.dmlab.levels import DMLAB_LEVELS
from envs.dmlab.module import why_not as why_not_dmlab
from envs.envpool.registry import supported_ids
from envs.lookup import unknown, why_not
from envs.minilab.levels import LEVELS


def resolve(config: EnvConfig) -> tuple[EnvConfig, str]:
    """Decide who plays `config.name`.

    Returns:
        The configuration with its back end named and the name free of it (`gymnasium/CartPole-v1` becomes
        `CartPole-v1` of `gymnasium`), and one line that says which back end and why; empty where the user chose it.

    Raises:
        ValueError: A bare name that neither suite has; the message lists near matches.
    """
    head, _, rest = config.name.partition("/")
    if rest and head in BACKENDS and config.backend in ("auto", head):
        return config.model_copy(update={"backend": head, "name": rest}), ""
    if config.backend != "auto":
        if rest and head in BACKENDS and config.backend != "gymnasium":  # gymnasium has names of its own with a slash
            raise ValueError(f"environment {config.name} is {head}'s, but the back end is {config.backend}: give one")
        return config, ""
    name = config.name
    if name not in LEVELS and name not in DMLAB_LEVELS:
        raise ValueError(unknown(name, "environment", [*LEVELS, *DMLAB_LEVELS, *_installed_ids()]))
    missing = why_not_dmlab()
    if name in DMLAB_LEVELS and not missing:
        return config.model_copy(update={"backend": "dmlab"}), f"{name} is played by DeepMind Lab, which is installed"
    if name in LEVELS:
        why = f"{name} is played by the built-in minilab: deepmind_lab cannot be imported ({missing})"
        return config.model_copy(update={"backend": "minilab"}), why
    raise ValueError(
        f"{name} is a level of DeepMind Lab only, and deepmind_lab cannot be imported ({missing}); "
        f"minilab has {', '.join(LEVELS)}"
    )


def names(backend: str) -> list[str]:
    """The environments that `backend` knows by name.

    Raises:
        ValueError: It is not installed, and only the package itself knows.
    """
    if backend == "minilab":
        return list(LEVELS)
    if backend == "dmlab":
        return list(DMLAB_LEVELS)
    if missing := why_not(backend):
        raise ValueError(f"{backend} cannot be imported ({missing}); python -m envs doctor says how to get it")
    if backend == "envpool":
        return supported_ids()
    return sorted(importlib.import_module("gymnasium").registry)


def _installed_ids() -> list[str]:
    """`gymnasium/...` and `envpool/...` names, of the packages that are there."""
    there = [backend for backend in ("gymnasium", "envpool") if not why_not(backend)]
    return [f"{backend}/{name}" for backend in there for name in names(backend)]
