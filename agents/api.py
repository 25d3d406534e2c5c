"""Train, evaluate and load agents from Python: the same engine and the same words as on the command line.

from agents import evaluate, load_agent, train

run = train(env="rooms_watermaze", aux="cpc", frames=1_000_000)
print(evaluate(run)["sampled"])
agent = load_agent(run)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from agents import a2c
from cpc_rl.distributed import together
from cpc_rl.environments import opened
from cpc_rl.episodes import NetworkPolicy
from cpc_rl.evaluate import environments_of, evaluate_run, restored, section, settings_of
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic, NetworkConfig
from cpc_rl.runs import RunDirectory, pick_device
from cpc_rl.runs.loop import Callback
from envs.api import BatchedEnv
from envs.config import EnvConfig

Checkpoint = Literal["newest", "best"]


def train(callback: Callback | None = None, **settings: Any) -> Path:
    """Train an agent as `python -m agents.a2c` does.

    Args:
        callback: Called with the frames so far and each line of metrics, as metrics.jsonl has it: every `log_updates`
            updates, and after each evaluation. The run ends early when it returns True, and stopped.json says so. Of
            several ranks the first one calls it.
        settings: The flags without dashes, `num_envs=8`; those of a section in a dictionary, `cpc={"steps": 10}`.
            `run=DIR` names a new run, `resume=DIR` goes on with one.

    Returns:
        The run directory.

    Raises:
        UsageError: Anything unknown or out of bounds, before anything is made.
        RunFailure: A loss is not finite, or an environment failed for good.
        KeyboardInterrupt: A signal stopped the run, which has a checkpoint; `resume` goes on.
    """
    keep_freed_memory()
    argv = words(settings)
    trained = together(lambda: a2c.parse(argv), lambda config, group: a2c.train(config, group, callback))
    if not trained.done:
        raise KeyboardInterrupt(f"{trained.path} is stopped; resume={str(trained.path)!r} goes on")
    return trained.path


def evaluate(
    run: Path | str,
    episodes: int = 30,
    *,
    checkpoint: Checkpoint = "newest",
    greedy: bool = True,
    video: Path | str | None = None,
    num_envs: int = 0,
    seed: int = 1,
    device: str = "auto",
) -> dict[str, Any]:
    """Score a run on new episodes, as `python -m cpc_rl.evaluate` does; `cpc_rl.evaluate.evaluate_run` has all of it.

    Returns:
        For `sampled` and `greedy`: `mean` with its 95 % interval `low` to `high`, `median`, `min`, `max`, `length` and
        `info`, what the environment told; and what was played.

    Raises:
        UsageError: `run` is not a run directory.
        RunFailure: No checkpoint is whole.
    """
    return evaluate_run(
        Path(run),
        episodes,
        checkpoint=checkpoint,
        greedy=greedy,
        video=None if video is None else Path(video),
        num_envs=num_envs,
        seed=seed,
        device=device,
    )


def load_agent(run: Path | str, *, checkpoint: Checkpoint = "newest", device: str = "cpu") -> Agent:
    """The trained agent of a run.

    Raises:
        UsageError: `run` is not a run directory, or there is no such device.
        RunFailure: No checkpoint is whole and of the network that config.yaml describes.
    """
    target, directory = pick_device(device), RunDirectory.open(Path(run))
    saved = settings_of(directory)
    env = section(EnvConfig, saved, "env", directory.config_path)
    network = section(NetworkConfig, saved, "network", directory.config_path)
    one = env.model_copy(update={"num_envs": 1})
    with restored(directory, one, network, seed=1, best=checkpoint == "best") as (_, net, state):
        return Agent(net.to(target), env, state["frames"], environments_of(state))


@dataclass(frozen=True)
class Agent:
    """A trained agent: its network, and how to play with it.

        with agent.environments(4) as env:
            for step in islice(cpc_rl.episodes.play(env, agent.policy(4)), 100):
                show(step.obs)

    Attributes:
        net: In evaluation mode.
        env: What it was trained in.
        frames: How long it was trained.
    """

    net: ActorCritic
    env: EnvConfig
    frames: int
    _trained: Sequence[dict[str, Any]] = ()  # states of training's environments

    def policy(self, num_envs: int = 1, *, greedy: bool = False, seed: int = 1) -> NetworkPolicy:
        """A fresh policy for B environments: it takes an `EnvStep` and gives actions, int64 [B].

        It holds the recurrent state, so call it on every step in order. `policy.output` has the latents z and c.
        """
        device: torch.device = next(self.net.parameters()).device
        return NetworkPolicy(self.net, num_envs, device, seed, greedy)

    @contextmanager
    def environments(self, num_envs: int = 1, *, seed: int = 1) -> Iterator[BatchedEnv]:
        """B environments as in training, with episodes that training never saw; closed behind the `with` block."""
        config = self.env.model_copy(update={"num_envs": num_envs})
        with opened(config, seed, evaluation=True, trained=self._trained) as env:
            yield env


def words(settings: Mapping[str, Any], section: str = "") -> list[str]:
    """`settings` as the command line has them: `{"num_envs": 8, "cpc": {"steps": 3}}` is `--num-envs=8 --cpc.steps=3`.

    A list is several values of one flag.
    """
    argv: list[str] = []
    for name, value in settings.items():
        flag = f"--{section}{name.replace('_', '-')}"
        if isinstance(value, Mapping):
            argv += words(value, f"{section}{name.replace('_', '-')}.")
        elif isinstance(value, list | tuple):
            argv += [flag, *map(str, value)]
        else:
            argv.append(f"{flag}={value}")
    return argv
