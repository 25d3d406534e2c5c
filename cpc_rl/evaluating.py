"""Evaluation in the course of training: environments, episodes and chance of its own, and the run stays as it was."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cpc_rl.distributed import ProcessGroup
from cpc_rl.environments import opened
from cpc_rl.episodes import EpisodeStats, NetworkPolicy, at_once, evaluate
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.optim import Optimiser
from cpc_rl.runs import Evaluations, RunConfig, RunDirectory
from cpc_rl.runs.screen import Step
from cpc_rl.video import film
from envs.api import Adaptive, BatchedEnv
from envs.config import EnvConfig

SEEDS = 2**31


class Settings(Protocol):
    """Configuration of an agent."""

    @property
    def env(self) -> EnvConfig: ...  # noqa: D102
    @property
    def network(self) -> NetworkConfig: ...  # noqa: D102
    @property
    def run(self) -> RunConfig: ...  # noqa: D102


class Agent(Protocol):
    """What is evaluated while it learns."""

    @property
    def config(self) -> Settings: ...  # noqa: D102
    @property
    def env(self) -> BatchedEnv: ...  # noqa: D102
    @property
    def net(self) -> ActorCritic: ...  # noqa: D102
    @property
    def optimiser(self) -> Optimiser: ...  # noqa: D102
    @property
    def group(self) -> ProcessGroup: ...  # noqa: D102
    @property
    def frames(self) -> int: ...  # noqa: D102


def evaluating(agent: Agent, run: RunDirectory) -> Evaluations:
    """The evaluations of `agent`; `run` takes the films."""
    return Evaluations(agent.config.run, lambda step: _play(agent, run.path / "video", step))


def episodes_seed(run_seed: int) -> int:
    """Seed of the episodes that a run is evaluated on, far from those that `cpc_rl.evaluate` is given by hand.

    The best checkpoint was chosen on these, so that its return on them is too high; on others it is not.
    """
    return (run_seed + SEEDS // 2) % SEEDS


def _play(agent: Agent, films: Path, step: Step) -> dict[str, float]:
    """The same episodes each time, on the first rank; every rank gets the line of metrics."""
    adaptive = isinstance(agent.env, Adaptive)
    trained = agent.group.collect(agent.env.state_dict()) if adaptive else []
    scores = _scores(agent, trained, films, step) if agent.group.is_main else {}
    return agent.group.collect(scores)[0]


def _scores(agent: Agent, trained: list[dict[str, Any]], films: Path, step: Step) -> dict[str, float]:
    run, seed = agent.config.run, episodes_seed(agent.config.run.seed)
    config = agent.config.env.model_copy(update={"num_envs": at_once(agent.config.env, run.eval_episodes)})
    device = next(agent.net.parameters()).device
    stats: dict[bool, EpisodeStats] = {}
    with torch.random.fork_rng(devices=[]):  # an auxiliary loss of the user's may draw from torch's own generator
        net = _copy(agent)
        with opened(config, seed, evaluation=True, trained=trained) as env:
            for greedy in (False, True):
                policy = NetworkPolicy(net, env.num_envs, device, seed, greedy)
                before = run.eval_episodes if greedy else 0
                tick = partial(_tick, step, before, 2 * run.eval_episodes)
                stats[greedy] = evaluate(env, policy, run.eval_episodes, progress=tick)
        if run.eval_video:
            step.begin("filming an evaluation")
            one = config.model_copy(update={"num_envs": 1})
            with opened(one, seed, evaluation=True, trained=trained) as env:
                film(env, NetworkPolicy(net, 1, device, seed), films / f"eval-{agent.frames}.mp4")
    told = {
        f"eval/{which}episode/{name}": each.mean
        for which, greedy in (("", False), ("greedy_", True))
        for name, each in stats[greedy].told().items()
    }
    sampled, greedy_ones = stats[False].summary(), stats[True].summary()
    return {
        "eval/return": sampled["mean"],
        "eval/return_low": sampled["low"],
        "eval/return_high": sampled["high"],
        "eval/length": sampled["length"],
        "eval/greedy_return": greedy_ones["mean"],
        "eval/greedy_length": greedy_ones["length"],
        "eval/episodes": sampled["episodes"],
        "eval/cut": sampled["cut"] + greedy_ones["cut"],
        **told,
    }


def _tick(step: Step, before: int, total: int, done: int, steps: int) -> None:
    step(before + done, total, f"{steps:,} agent steps")


def _copy(agent: Agent) -> ActorCritic:
    """The network with its present weights, or their running mean where the run keeps one."""
    net = ActorCritic(agent.config.network, agent.env.obs_shape, agent.env.num_actions)
    average: Mapping[str, Tensor] = {} if agent.optimiser.average is None else agent.optimiser.average.weights()
    net.load_state_dict({**agent.net.state_dict(), **average})
    return net.to(next(agent.net.parameters()).device).eval()
