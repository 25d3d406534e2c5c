"""Batched recurrent advantage actor-critic (A2C) with a pluggable auxiliary loss.

    python -m agents.a2c --env rooms_watermaze --aux cpc

Act 100 steps in B environments, then take one gradient step on those T x B rows: policy gradient, baseline and
entropy, and beside them an auxiliary loss on the network's own layers. van den Oord et al. 2018, section 3.4, on the
network and settings of Espeholt et al. 2018 (IMPALA).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import envs
from agents.config import Config, full_config, recorded, reread
from configs import UsageError, as_usage_error, guarded, load
from configs.errors import INTERRUPTED
from cpc_rl import losses, optim, starting
from cpc_rl.acting import Actor, begin
from cpc_rl.aux import AuxSizes, Unroll, build_aux, loss_names, upgrade, upgrade_state
from cpc_rl.distributed import SINGLE, ProcessGroup, together
from cpc_rl.dynamo import spare_dynamo
from cpc_rl.environments import default_preset, making, opened
from cpc_rl.evaluating import evaluating
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic, ActorCriticOutput
from cpc_rl.processor import bfloat16_notice
from cpc_rl.returns import clip_reward, discounts, n_step_returns
from cpc_rl.rollout import EpisodeTracker, Rollout
from cpc_rl.runs import StopSignal, loop, open_run, resume_command, set_up
from cpc_rl.runs.curve import plot_curve
from cpc_rl.runs.directory import fresh_path
from cpc_rl.runs.screen import Screen
from envs.api import BatchedEnv, info_names

RANK = ("rollout", "episodes", "env")  # what each rank has of its own


class Learner:
    """The agent and all that a checkpoint must hold for a run to go on as if it had never stopped."""

    def __init__(
        self, config: Config, env: BatchedEnv, device: torch.device | None = None, group: ProcessGroup = SINGLE
    ) -> None:
        """Fresh weights, drawn from the run's seed; on `device`, by default that of the environments.

        `env` is this rank's share of the environments.
        """
        device = device or env.device
        torch.manual_seed(config.run.seed)
        self.config, self.env, self.group = config, env, group
        self.net = ActorCritic(config.network, env.obs_shape, env.num_actions).to(device)
        starting.freeze(self.net, config.start.freeze)
        z_c, num_envs = (config.network.features, config.network.hidden), env.num_envs * group.size
        sizes = AuxSizes(*z_c, env.num_actions, config.a2c.unroll, env.obs_shape, num_envs)
        settings = {name: getattr(config, name) for name in loss_names(config.aux)}
        self.aux = build_aux(settings, sizes, self.net, config.run.seed, group).to(device)
        self.params = [p for module in (self.net, self.aux) for p in module.parameters() if p.requires_grad]
        self.optimiser = optim.Optimiser(config.optimiser, self.params, self.net)
        self.generator = torch.Generator(device).manual_seed(config.run.seed)  # draws the actions
        state = self.net.initial_state(env.num_envs, device)
        batch = (config.a2c.unroll, env.num_envs, env.obs_shape, env.num_actions)
        told = info_names(env)
        self.rollout = Rollout(*batch, state, self.net.encoder, info=len(told))
        self.actor = Actor(env, self.net, self.rollout, self.generator, group)
        self.episodes = EpisodeTracker(env.num_envs, told)
        self.agent_steps = 0
        self.updates = 0
        self.total = config.run.frames
        self.source = ""  # of the first weights, in words

    @property
    def frames(self) -> int:
        """Engine frames so far, as the papers count: agent steps x action repeat."""
        return self.agent_steps * self.env.action_repeat

    unit, progress = "frames", frames  # what the training loop counts

    def begin(self) -> None:
        """Take over the weights of `--init` and reset the environments: the first rows of a run that is not resumed."""
        if (path := self.config.start.init) is not None:
            names = starting.begin_with(path, self.net, self.aux, self.config.network)
            self.source = f" from {path} ({', '.join(['network', *names])}),"
            self.optimiser.begin_average()
        begin(self.env, self.rollout)

    def describe(self, path: Path) -> str:
        """One paragraph in front of the run, which lies at `path`."""
        config, env, size = self.config, self.env, self.group.size
        start = f"resuming at {self.frames:,} of" if self.frames else "training"
        batch = f"{config.env.num_envs} environments" + (f" in {size} ranks" if size > 1 else "")
        millions = sum(p.numel() for p in self.params) / 1e6
        return (
            f"{path}: {start} {self.total:,} frames of {env.name} ({env.backend}, {batch}),{self.source} "
            f"aux {config.aux}, preset {config.run.preset}, {millions:.2f} M parameters on {self.generator.device}, "
            f"{torch.get_num_threads()} threads"
        )

    def losses(self) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the unroll that lies in `rollout`, and its terms: this rank's part of sums over all ranks."""
        a2c, r = self.config.a2c, self.rollout
        out = self.net(r.obs, r.last_action, r.reward, r.is_first, r.state, r.recall())
        valid = r.valid[1:]  # [T, B]
        gamma = discounts(r.terminated[1:], r.truncated[1:], r.is_first[1:], a2c.discount, a2c.bootstrap_truncation)
        reward = a2c.reward_scale * clip_reward(r.reward[1:], a2c.reward_clip)  # [T, B]
        if a2c.bootstrap_truncation:
            reward = reward + a2c.discount * r.final_value[1:]
        returns = n_step_returns(reward, gamma, valid, out.value)  # [T, B]
        logits, value = out.logits[:-1], out.value[:-1]  # [T, B, A], [T, B]
        terms = {
            "policy": losses.policy_gradient(logits, r.action, returns - value),
            "baseline": losses.baseline(value, returns),
            "entropy": losses.entropy(logits),
        }
        rows = self.group.sum(valid.sum())
        reduced = {name: losses.reduce(term, valid, a2c.reduction, rows) for name, term in terms.items()}
        total = reduced["policy"] + a2c.baseline_cost * reduced["baseline"] - a2c.entropy_cost * reduced["entropy"]
        means = {name: losses.reduce(term.detach(), valid, "mean", rows) for name, term in terms.items()}
        metrics = {"loss/policy": means["policy"], "loss/baseline": means["baseline"], "entropy": means["entropy"]}
        if self.aux:
            aux, aux_metrics = self.aux(self.unroll(out))
            each = rows if a2c.reduction == "sum" else 1  # a weight means the same under both reductions
            total = total + each * aux
            metrics |= aux_metrics
        metrics["loss/total"] = total.detach()
        return total, metrics

    def unroll(self, out: ActorCriticOutput) -> Unroll:
        """What auxiliary losses may read of the unroll in `rollout`; `out` is the network's on all its rows."""
        r = self.rollout
        seen = (r.obs, out.z, out.c, out.logits, out.value, r.action, r.reward[1:], r.is_first, r.valid)
        return Unroll(*seen, self.net)

    def update(self) -> dict[str, float]:
        """Act for one unroll, take one gradient step, return the metrics.

        Raises RunFailure if a loss or the gradient is not finite, before it can touch the weights.
        """
        self.actor.unroll()
        total, metrics = self.losses()
        metrics["steps"] = self.rollout.valid[1:].sum()
        self.optimiser.zero_grad()
        torch.autograd.backward(total)
        self.group.sum_gradients(self.params)
        norm = self.optimiser.clip()
        summed = self.group.sum(torch.stack([m.float() for m in metrics.values()]))
        values = dict(zip([*metrics, "gradient_norm"], [*summed.tolist(), norm.item()], strict=True))
        optim.check_finite(values, f"at update {self.updates}, frame {self.frames}")
        values["learning_rate"] = self.optimiser.step(self.updates, self.frames / self.total)
        self.aux.after_step(self.net)
        self.episodes.update(self.rollout)
        self.agent_steps += int(values.pop("steps"))
        self.updates += 1
        return values

    def record(self) -> dict[str, Any]:
        """What a line of metrics holds besides the means over its updates."""
        return {"agent_steps": self.agent_steps, **self.episodes.pop(self.group)}

    def state_dict(self) -> dict[str, Any]:
        """For `torch.save`; tensors and plain Python only."""
        return {
            "frames": self.frames,
            "agent_steps": self.agent_steps,
            "updates": self.updates,
            "network": self.net.state_dict(),
            "aux": self.aux.state_dict(),
            **self.optimiser.state_dict(self.total),
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),  # what a user's own loss may draw from
            "device": self.generator.device.type,
            "ranks": self.group.collect({part: getattr(self, part).state_dict() for part in RANK}),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises:
            UsageError: It was taken on another kind of device or with other ranks, or the rate falls over other frames.
        """
        if saved["device"] != (here := self.generator.device.type):
            raise UsageError(f"cannot resume on {here}: the run's random numbers are {saved['device']}'s")
        if len(saved["ranks"]) != self.group.size:
            raise UsageError(f"cannot resume with {self.group.size} ranks: the run has {len(saved['ranks'])}")
        mine = saved["ranks"][self.group.rank]
        torch.set_rng_state(saved["torch_rng"])
        self.agent_steps, self.updates = saved["agent_steps"], saved["updates"]
        self.net.load_state_dict(saved["network"])
        self.aux.load_state_dict(upgrade_state(saved["aux"], self.config.aux))
        self.optimiser.load_state_dict(saved, self.updates, self.total)
        self.generator.set_state(saved["generator"])
        self.env.load_state_dict(mine["env"])
        if self.env.restores:
            self.rollout.load_state_dict(mine["rollout"])
            self.episodes.load_state_dict(mine["episodes"])
        else:  # the episodes that were running are lost; new ones begin
            begin(self.env, self.rollout)


class Trained(NamedTuple):
    """A run that `train` has left."""

    path: Path  # of its directory
    done: bool  # False: a signal stopped it
    frames: int  # that it was trained for so far


def train(config: Config, group: ProcessGroup = SINGLE, callback: loop.Callback | None = None) -> Trained:
    """Train as `config` says, until all frames are done, an evaluation or `callback` ends the run, or a signal comes.

    `callback` is told the frames and each line of metrics, on the first rank; True ends the run.
    """
    device = set_up(config.run)
    with as_usage_error():
        env_config, why = envs.resolve(config.env)
        env_device, notice = envs.best_device(env_config, device.type)
    config = config.model_copy(update={"env": env_config})  # it records who plays, not "auto"
    screen = Screen(config.run.quiet or not group.is_main)
    with ExitStack() as stack:
        with screen.step(making(config.env)):
            share = (group.rank, group.size)
            env = stack.enter_context(opened(config.env, config.run.seed, share=share, device=env_device))
        slow = bfloat16_notice(config.network.precision, device)
        for line in filter(None, (why, notice, slow, env.reading)):
            screen.say(line)
        return train_in(env, config, device, group, callback)


def train_in(
    env: BatchedEnv,
    config: Config,
    device: torch.device,
    group: ProcessGroup = SINGLE,
    callback: loop.Callback | None = None,
) -> Trained:
    """`train`, in environments that somebody else closes."""
    with as_usage_error():
        learner = Learner(config, env, device, group)
    fresh = fresh_path(config.env.name, config.aux, config.run.seed)
    with open_run(config.run, fresh, recorded(config), group) as run, StopSignal() as stop:
        evaluations, kept = evaluating(learner, run), recorded(config)
        done = loop.train(learner, run, config.run, kept, stop, evaluations, reread=reread, callback=callback)
    if group.is_main and done:
        print(f"done: {run.path}  curve: {plot_curve(run.path)}")
        if not config.run.quiet:
            print(f"next: python -m cpc_rl.evaluate {run.path} --episodes 30 --video {run.path}/video/episode.mp4")
    return Trained(run.path, done, learner.frames)


def parse(argv: Sequence[str]) -> Config:
    """The resolved configuration of a command line. Raises UsageError for what is not allowed."""
    return load(
        full_config(),
        argv,
        prog="python -m agents.a2c",
        description=__doc__ or "",
        default_preset=default_preset,
        upgrade=upgrade,
    )


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()
    spare_dynamo()

    def work(config: Config, group: ProcessGroup) -> int:
        trained = train(config, group)
        if trained.done:
            return 0
        if group.is_main:
            again = resume_command("agents.a2c", argv, trained.path)
            print(f"stopped at {trained.frames:,} frames; go on with: {again}")
        return INTERRUPTED

    def program() -> int:
        return together(lambda: parse(argv), work)

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
