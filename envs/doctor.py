"""What of the back ends works here: what is installed, what it can do, what is missing and how to get it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import rich.console

from envs import LEVELS, EnvConfig, make
from envs.dmlab.levels import DMLAB_LEVELS
from envs.dmlab.module import no_compiler
from envs.dmlab.module import why_not as why_not_dmlab
from envs.errors import EnvironmentFailure
from envs.lookup import why_not

TRIAL_STEPS = 50


class Finding(NamedTuple):
    """What was found out about one back end."""

    status: Literal["works", "missing", "fails"]
    lines: list[str]


def examine(backend: str) -> Finding:
    """Look what `backend` needs, and play a few steps of a small task where that is there."""
    module, trial, describe = _BACKENDS[backend]
    missing = why_not_dmlab() if backend == "dmlab" else why_not(module)
    if missing:
        return Finding("missing", [f"{module} cannot be imported ({missing})", _GET[backend]])
    works, line = _try(EnvConfig(name=trial, backend=backend, num_envs=1, env_timeout=120))
    return Finding("works" if works else "fails", [line, *describe()])


def _try(config: EnvConfig) -> tuple[bool, str]:
    """Play `TRIAL_STEPS` steps of one environment; whether that went well, and a line about it."""
    import torch  # takes a second: `python -m envs --help` does without

    try:
        env = make(config, seed=0, evaluation=True)
        try:
            env.reset()
            start = time.perf_counter()
            for step in range(TRIAL_STEPS):
                env.step(torch.full((1,), step % env.num_actions))
            rate = TRIAL_STEPS / (time.perf_counter() - start)
        finally:
            env.close()
    except (ValueError, EnvironmentFailure, ImportError, OSError) as error:
        return False, f"{config.name} does not run: {error}"
    shape = "x".join(map(str, env.obs_shape))
    return True, f"{config.name} runs: observations {shape}, {env.num_actions} actions, {rate:,.0f} steps/s alone"


def _minilab() -> list[str]:
    import torch

    count = torch.cuda.device_count()
    cuda = f"{count} CUDA devices" if count else "no CUDA device: it runs on the processor"
    look = "--textures labmaze is there" if not why_not("labmaze") else "without labmaze: --textures drawn alone"
    return [f"{len(LEVELS)} levels, built in (python -m envs list); {_versions('numba')}; {look}; {cuda}"]


def _dmlab() -> list[str]:
    missing = no_compiler()
    found = f"levels that make their maps cannot be played: {missing}" if missing else "maps can be compiled"
    return [f"{len(DMLAB_LEVELS)} levels by name, others by path (python -m envs list dmlab); {found}"]


def _envpool() -> list[str]:
    from envs.envpool import supported_ids

    return [f"{len(supported_ids())} ids (python -m envs list envpool); {_versions('envpool')}"]


def _gymnasium() -> list[str]:
    import gymnasium

    lines = [f"{len(gymnasium.registry)} ids (python -m envs list gymnasium), or your own; {_versions('gymnasium')}"]
    for module, of, package in (
        ("Box2D", "CarRacing-v3, LunarLander-v3", "gymnasium[box2d]"),
        ("ale_py", "ALE/Pong-v5 and other Atari games", "gymnasium[atari]"),
        ("pygame", "films of CartPole-v1 and the like", "cpc-rl[play]"),
    ):
        if why_not(module):
            lines.append(f'{of}: pip install "{package}"')
    return lines


def _versions(*packages: str) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


# back end -> (the module it stands on, what to try, more to say where that is there)
_BACKENDS: dict[str, tuple[str, str, Callable[[], list[str]]]] = {
    "minilab": ("numba", "seekavoid_arena_01", _minilab),
    "dmlab": ("deepmind_lab", "seekavoid_arena_01", _dmlab),
    "envpool": ("envpool", "Pong-v5", _envpool),
    "gymnasium": ("gymnasium", "CartPole-v1", _gymnasium),
}
_GET = {
    "minilab": "it belongs to this package: pip install -e . again",
    "dmlab": "build its wheel from DeepMind Lab's sources: docs/dmlab.md",
    "envpool": 'pip install "cpc-rl[envpool]" (Linux)',
    "gymnasium": "it belongs to this package: pip install -e . again",
}


def doctor() -> bool:
    """Print what works; whether the built-in suite does."""
    console = rich.console.Console()
    console.print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )
    works = {}
    for backend in _BACKENDS:
        with console.status(f"trying {backend}"):
            status, lines = examine(backend)
        works[backend] = status == "works"
        colour = {"works": "green", "missing": "yellow", "fails": "red"}[status]
        console.print(f"\n[bold]{backend}[/]: [{colour}]{status}[/]")
        for line in lines:  # not wrapped: some of it is there to be copied
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
    return works["minilab"]
