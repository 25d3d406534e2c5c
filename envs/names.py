"""What a user's name of an environment means: which back end plays it, and why."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable

from envs.config import BACKENDS, EnvConfig
from envs.dmlab_levels import DMLAB_LEVELS
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
    missing = why_not("deepmind_lab")
    if name in DMLAB_LEVELS and not missing:
        return config.model_copy(update={"backend": "dmlab"}), f"{name} is played by DeepMind Lab, which is installed"
    if name in LEVELS:
        why = f"{name} is played by the built-in minilab: deepmind_lab cannot be imported ({missing})"
        return config.model_copy(update={"backend": "minilab"}), why
    raise ValueError(
        f"{name} is a level of DeepMind Lab only, and deepmind_lab cannot be imported ({missing}); "
        f"minilab has {', '.join(LEVELS)}"
    )


def why_not(module: str) -> str:
    """Why `module` cannot be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation may raise anything
        return str(error).partition("\n")[0] or type(error).__name__
    return ""


def unknown(name: str, kind: str, known: Iterable[str]) -> str:
    """The message for a name that is not there: near matches, or all where there are few."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if not near:  # the letters may be right and only a prefix or a version missing
        short = {n.rpartition("/")[2].partition("-v")[0].lower(): n for n in names}
        near = [short[s] for s in difflib.get_close_matches(name.lower(), short, n=3, cutoff=0.6)]
    if near:
        return f"unknown {kind} {name!r}. Did you mean {' or '.join(near)}?"
    few = names if len(names) <= 20 else [level for level in LEVELS if level in names]
    known = f"Known: {', '.join(few)}; " if few else ""
    return f"unknown {kind} {name!r}. {known}`python -m envs list` prints the built-in ones, `list BACKEND` others"


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
        ids: list[str] = importlib.import_module("envs.envpool").supported_ids()
        return ids
    return sorted(importlib.import_module("gymnasium").registry)


def _installed_ids() -> list[str]:
    """`gymnasium/...` and `envpool/...` names, of the packages that are there."""
    there = [backend for backend in ("gymnasium", "envpool") if not why_not(backend)]
    return [f"{backend}/{name}" for backend in there for name in names(backend)]
