"""What Gymnasium's wrappers learn while they are played in: to be saved, put back, pooled and held still.

Worker processes import this module: it does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.wrappers.utils import RunningMeanStd, update_mean_var_count_from_moments

AnyEnv = gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]
Learnt = dict[str, Any]  # of one wrapper: "of" says whose, the rest is plain values and arrays


def wrappers(env: AnyEnv) -> Iterator[Any]:
    """The wrappers around an environment or a batch, from the outside inwards."""
    inner: Any = env
    while isinstance(inner, gymnasium.Wrapper | VectorWrapper):
        yield inner
        inner = inner.env


def saves_itself(wrapper: Any) -> bool:
    """Whether somebody's own wrapper says what is to be saved of it."""
    kind = type(wrapper)
    return callable(getattr(kind, "state_dict", None)) and callable(getattr(kind, "load_state_dict", None))


def learnt(env: AnyEnv) -> list[Learnt]:
    """All that the wrappers around `env` have learnt: running means, and what a wrapper's own `state_dict` gives."""
    found: list[Learnt] = []
    for wrapper in wrappers(env):
        if saves_itself(wrapper):
            found.append({"of": type(wrapper).__name__, "state": wrapper.state_dict()})
            continue
        for name, value in vars(wrapper).items():
            if isinstance(value, RunningMeanStd):
                of = f"{type(wrapper).__name__}.{name}"
                found.append({"of": of, "mean": value.mean, "var": value.var, "count": float(value.count)})
    return found


def teach(env: AnyEnv, saved: Sequence[Learnt], *, frozen: bool = False) -> list[str]:
    """Put back what `learnt` gave; returns what is here and was not saved.

    Wrappers are told apart by their names, and by their order where a name stands twice: an environment for
    evaluation may do without some. `frozen`: they learn no more.
    """
    left, missing = list(saved), []

    def take(of: str) -> Learnt | None:
        entry = next((entry for entry in left if entry["of"] == of), None)
        if entry is None:
            missing.append(of)
        else:
            left.remove(entry)
        return entry

    for wrapper in wrappers(env):
        if saves_itself(wrapper):
            if (entry := take(type(wrapper).__name__)) is not None:
                wrapper.load_state_dict(entry["state"])
            continue
        for name, value in vars(wrapper).items():
            if isinstance(value, RunningMeanStd) and (entry := take(f"{type(wrapper).__name__}.{name}")) is not None:
                value.mean, value.var, value.count = entry["mean"], entry["var"], entry["count"]
                if frozen and hasattr(type(wrapper), "update_running_mean"):
                    wrapper.update_running_mean = False
    return missing


def pooled(each: Sequence[Sequence[Learnt]]) -> list[Learnt]:
    """What several environments have learnt, as if one had seen all of it; of a wrapper's own state the first one's."""
    merge: Any = update_mean_var_count_from_moments
    result = [dict(entry) for entry in each[0]]
    for others in each[1:]:
        for mine, other in zip(result, others, strict=True):
            if "mean" in mine:
                moments = (entry[key] for entry in (mine, other) for key in ("mean", "var", "count"))
                mine["mean"], mine["var"], mine["count"] = merge(*moments)
    return result
