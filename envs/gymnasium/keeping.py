"""What the wrappers of a batch have learnt, in checkpoints: collected from all environments, and put back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv
from torch import Tensor

from envs.errors import EnvironmentFailure
from envs.gymnasium.statistics import Learnt, learnt, pooled, teach
from envs.workers import Workers

Batch = VectorEnv[Any, Any, Any]


def save(batch: Batch, name: str) -> dict[str, Any]:
    """All that wrappers have learnt: of the batch, and of each environment in it; tensors and plain values.

    Raises EnvironmentFailure where a wrapper's own state is something else.
    """
    base, each = batch.unwrapped, []
    if isinstance(base, SyncVectorEnv):
        each = [learnt(env) for env in base.envs]
    elif isinstance(base, Workers):
        try:
            each = list(base.call("learnt"))
        except RuntimeError:  # a worker is dead: the next step finds out, and the one in its place knows this
            makers: Any = base.env_fns
            each = [list(maker.keywords["saved"]) for maker in makers]
        _remember(base, each)
    return {"batch": _plain(learnt(batch), name), "each": _plain(each if any(each) else [], name)}


def load(batch: Batch, saved: dict[str, Any] | None, name: str) -> None:
    """Go on from what `save` gave for a batch of as many environments."""
    kept = _arrays(saved or {"batch": [], "each": []})
    _put(batch, kept["batch"], kept["each"] or [[]] * batch.num_envs, name, frozen=False)


def adopt(batch: Batch, saved: Sequence[dict[str, Any] | None], name: str) -> None:
    """Take over what batches of any size have learnt, pooled, and learn no more."""
    every = [_arrays(one) for one in saved if one is not None]
    whole = pooled([one["batch"] for one in every]) if every else []
    each = [entries for one in every for entries in one["each"]]
    _put(batch, whole, [pooled(each) if each else []] * batch.num_envs, name, frozen=True)


def warn_of_processes(batch: Batch, name: str) -> None:
    """Say so where wrappers lie in processes of somebody's own, out of reach."""
    base = batch.unwrapped
    if not isinstance(base, AsyncVectorEnv) or isinstance(base, Workers):
        return
    if found := [attribute for attribute in ("obs_rms", "return_rms") if any(base.call("has_wrapper_attr", attribute))]:
        _say(
            f"{name}: statistics of wrappers within a batch of processes ({', '.join(found)}) are not saved, and its "
            "normalised rewards are reported as returns: have the factory make one environment, with --env-processes"
        )


def _put(batch: Batch, whole: list[Learnt], each: list[list[Learnt]], name: str, *, frozen: bool) -> None:
    base, missing = batch.unwrapped, teach(batch, whole, frozen=frozen)
    if isinstance(base, SyncVectorEnv):
        missing += [of for env, mine in zip(base.envs, each, strict=True) for of in teach(env, mine, frozen=frozen)]
    elif isinstance(base, Workers) and any(each):
        _remember(base, each, frozen=frozen)
        missing += [of for told in base.call("teach", each, frozen) for of in told]
    if missing:
        _say(f"{name}: the checkpoint does not hold {', '.join(dict.fromkeys(missing))}: it begins anew")


def _remember(workers: Workers, each: list[list[Learnt]], **more: Any) -> None:
    """A worker that replaces another begins with these."""
    makers: Any = workers.env_fns
    workers.env_fns = [partial(maker, saved=mine, **more) for maker, mine in zip(makers, each, strict=True)]


def _plain(tree: Any, name: str) -> Any:
    """Arrays as tensors, so that a checkpoint can be read with `weights_only`."""
    if isinstance(tree, dict):
        return {key: _plain(value, name) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(value, name) for value in tree]
    if isinstance(tree, np.ndarray | np.generic):
        return torch.from_numpy(np.array(tree)) if tree.dtype.kind in "biuf" else _refuse(tree, name)
    return tree if isinstance(tree, int | float | str | Tensor) or tree is None else _refuse(tree, name)


def _refuse(value: Any, name: str) -> Any:
    raise EnvironmentFailure(
        f"{name}: the state of a wrapper holds a {type(value).__name__}; allowed are numbers, texts, arrays of "
        "numbers, and lists and dicts of them"
    )


def _arrays(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _arrays(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_arrays(value) for value in tree]
    return tree.numpy().copy() if isinstance(tree, Tensor) else tree


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
