"""Score the uniform random policy: the number every agent has to beat.

python -m agents.random --env rooms_watermaze --episodes 200
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import Field

import envs
from configs import QUIET, Frozen, as_usage_error, guarded, load
from cpc_rl.environments import making, opened
from cpc_rl.episodes import AT_ONCE, MAX_STEPS, RandomPolicy, at_once, evaluate
from cpc_rl.evaluate import info_table, scores, summary_table, told
from cpc_rl.runs.files import check_writable, write_atomic
from cpc_rl.runs.screen import Screen
from envs.config import EnvConfig


class PlayedConfig(EnvConfig):
    """Environment."""

    num_envs: int = Field(default=0, ge=0, le=8192, description=AT_ONCE)


class RandomConfig(Frozen):
    """What to play."""

    env: tyro.conf.OmitArgPrefixes[PlayedConfig] = PlayedConfig()
    episodes: int = Field(default=200, ge=1, le=1_000_000, description="Whole episodes to play.")
    max_steps: int = Field(
        default=MAX_STEPS, ge=1, le=10**9, description="Agent steps after which an episode that does not end is cut."
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of episodes and actions.")
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = Field(
        default=None, description="File for the figures, beside the printed ones."
    )
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


def play(config: RandomConfig) -> int:
    """Play, and say how it went."""
    screen = Screen(config.quiet)
    if config.out is not None:
        check_writable(config.out, "--out")
    with as_usage_error():
        env_config, why = envs.resolve(config.env)
        env_config = env_config.model_copy(
            update={"num_envs": at_once(env_config, config.episodes, env_config.num_envs)}
        )
    if why:
        screen.say(why)
    with screen.step(making(env_config)) as step, opened(env_config, config.seed, evaluation=True) as env:
        if env.reading:
            screen.say(env.reading)
        start = time.perf_counter()
        policy = RandomPolicy(env.num_actions, config.seed)
        progress = partial(told(step, config.episodes), "random")
        stats = evaluate(env, policy, config.episodes, config.max_steps, progress)
        seconds = time.perf_counter() - start
    rows = {"random": scores(stats)}
    rate = sum(stats.lengths) / seconds
    title = f"{env.name} ({env.backend}), uniform random policy"
    screen.result(summary_table(title, rows, env.action_repeat))
    if (table := info_table(rows)) is not None:
        screen.result(table)
    screen.say(f"{rate:,.0f} agent steps/s, {rate * env.action_repeat:,.0f} frames/s")
    if config.out is not None:
        result = {
            "env": env.name,
            "backend": env.backend,
            "seed": config.seed,
            "steps_per_second": rate,
            **rows["random"],
        }
        text = json.dumps(result, indent=2) + "\n"
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(config.out, lambda file: file.write(text.encode()))
        screen.say(f"wrote {config.out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return play(load(RandomConfig, argv, prog="python -m agents.random", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
