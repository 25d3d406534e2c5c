"""The back ends that must conform: how to build each, and what is known of what it plays."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from envs import make
from envs.api import BatchedEnv
from envs.config import EnvConfig
from envs.gymnasium import GymnasiumEnv
from tests.envs.conformance.counting import Counting, Seen
from tests.envs.dmlab.double import Double, installed
from tests.envs.dmlab.double import read as read_frame


@dataclass(frozen=True)
class Case:
    """One back end, in one of its ways of working."""

    name: str
    build: Callable[..., BatchedEnv]  # (num_envs, seed, evaluation)
    next_step: bool  # autoreset: next-step, else same-step
    count: Callable[[BatchedEnv, Tensor], Tensor]  # agent steps since the episode of this `obs` began, int64 [B]
    tells_final: bool = False  # same-step with `final_obs`
    read: Callable[[Tensor], Seen] | None = None  # plays `counting`'s script: what a batch of observations tells
    limit: int | None = None  # agent steps at which every episode is cut
    num_envs: int = 3
    steps: int = 60  # rows that show at least two ends in each environment
    reseeds: bool = False  # each episode has a seed of its own, not only the first one
    failing: Callable[[str], tuple[BatchedEnv, list[str]]] | None = None  # (method): raises there; what is to be told
    losing: Callable[[], BatchedEnv] | None = None  # loses an episode now and then
    around: Callable[[], AbstractContextManager[Any]] = nullcontext  # what must hold while it is used
    needs: str = "envs"  # module without which there is nothing to test

    def make(self, seed: int = 7, *, evaluation: bool = False, num_envs: int | None = None) -> BatchedEnv:
        return self.build(num_envs or self.num_envs, seed, evaluation)


def _by_name(num_envs: int, seed: int, evaluation: bool, **config: Any) -> BatchedEnv:
    return make(EnvConfig(num_envs=num_envs, **config), seed, evaluation=evaluation)


def read(obs: Tensor) -> Seen:
    """What a batch of `counting`'s observations tells: int64 [B] each."""
    told = obs[:, 1, 2] if obs.dim() == 4 else obs
    return Seen(*told.long().unbind(-1))


def _counting(factory: Callable[[], Counting], num_envs: int, **config: Any) -> BatchedEnv:
    return GymnasiumEnv(EnvConfig(name="counting", num_envs=num_envs, **config), 7, factory=factory)


CAUSE = {"step": "RuntimeError: the engine broke", "reset": "RuntimeError: no map of that name"}


def _failing(method: str) -> tuple[BatchedEnv, list[str]]:
    """Environment 1 raises in the second call of `method`."""
    made: list[Counting] = []

    def factory() -> Counting:
        made.append(Counting(**({f"fail_{method}": 2} if len(made) == 1 else {})))
        return made[-1]

    return _counting(factory, 3), ["environment 1", CAUSE[method]]


def _failing_processes(method: str) -> tuple[BatchedEnv, list[str]]:
    """The worker raises in each first call of `method`, whatever is tried."""
    return _counting(partial(Counting, **{f"fail_{method}": 1}), 1, env_processes=True), ["worker 0", CAUSE[method]]


def _losing_processes() -> BatchedEnv:
    """Every worker raises in its 20th step, and so does the one in its place."""
    return _counting(partial(Counting, fail_step=20), 2, env_processes=True)


def _step_told(env: BatchedEnv, obs: Tensor) -> Tensor:
    return read(obs).step


def _minilab_count(env: Any, obs: Tensor) -> Tensor:
    return env.tensors["body.frame"].long() // env.action_repeat


def _cartpole_count(env: Any, obs: Tensor) -> Tensor:
    return torch.from_numpy(env._batch.steps).long()


def _elapsed(env: Any, obs: Tensor) -> Tensor:
    return torch.from_numpy(env.elapsed).long()


@cache
def _folder() -> Path:
    folder = TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _double() -> AbstractContextManager[Double]:
    return installed(_folder())


def _dmlab(num_envs: int, seed: int, evaluation: bool, **config: Any) -> BatchedEnv:
    size = {"height": 24, "width": 32, "dmlab_cache": _folder() / "cache"}
    return _by_name(num_envs, seed, evaluation, name="dmlab/rooms_watermaze", **size, **config)


def _failing_labs(method: str) -> tuple[BatchedEnv, list[str]]:
    Double(_folder()).set(faults=[{"at": method, "do": "raise", "times": -1}])
    return _dmlab(1, 7, False), ["worker 0", "RuntimeError: the fault that was asked for"]


def _losing_labs() -> BatchedEnv:
    """Both Labs die once, in the seventh step of an episode."""
    Double(_folder()).set(faults=[{"at": "step", "do": "kill", "step": 7, "times": 2}])
    return _dmlab(2, 7, False)


def _frames_told(env: BatchedEnv, obs: Tensor) -> Tensor:
    return torch.tensor([read_frame(picture).frames for picture in obs.numpy()]) // env.action_repeat


def _scripted(name: str, function: str, *, processes: bool = False, **known: Any) -> Case:
    config = {"name": f"gymnasium/tests.envs.conformance.counting:{function}", "env_processes": processes}
    config["observation"] = "auto" if function == "next_step" else "picture"  # so small that it could be a grid
    return Case(f"gymnasium: {name}", partial(_by_name, **config), count=_step_told, read=read, **known)


CASES = [
    Case(
        "minilab",
        partial(_by_name, name="minilab/seekavoid_arena_01", height=24, width=32),
        next_step=False,
        count=_minilab_count,
        limit=300,
        num_envs=2,
        steps=610,
    ),
    _scripted("one by one, pictures", "pictures", next_step=True, failing=_failing),
    _scripted("next-step batch, vectors", "next_step", next_step=True),
    _scripted("same-step batch, pictures", "same_step", next_step=False, tells_final=True),
    _scripted("batch without autoreset", "disabled", next_step=False, tells_final=True),
    _scripted(
        "processes, pictures",
        "pictures",
        processes=True,
        num_envs=2,
        next_step=False,
        tells_final=True,
        reseeds=True,
        failing=_failing_processes,
        losing=_losing_processes,
    ),
    Case(
        "gymnasium: CartPole's own batch",
        partial(_by_name, name="gymnasium/CartPole-v1"),
        next_step=True,
        count=_cartpole_count,
        steps=150,
    ),
    Case(
        "DeepMind Lab's double",
        _dmlab,
        next_step=False,
        count=_frames_told,
        limit=10,  # 40 frames
        num_envs=2,
        failing=_failing_labs,
        losing=_losing_labs,
        around=_double,
        needs="envs.dmlab",
    ),
    Case(
        "envpool: ViZDoom",
        partial(_by_name, name="envpool/Basic-v1", height=24, width=32),
        next_step=True,
        count=_elapsed,
        limit=75,
        num_envs=2,
        steps=180,
        needs="envpool",
    ),
    Case(
        "envpool: Atari",
        partial(_by_name, name="envpool/Breakout-v5", height=24, width=24),
        next_step=True,
        count=_elapsed,
        num_envs=2,
        steps=500,
        needs="envpool",
    ),
]
