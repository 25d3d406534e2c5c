"""Train encoder and core on recorded play, by auxiliary losses alone: no reward is followed, nobody acts.

    python -m cpc_rl.pretrain --data play/watermaze --aux cpc --frames 4000000

One file of `cpc_rl.collect` is one update, in the order in which it was played, so that the core's state goes on from
file to file as it does for an agent. The last files are held out: their losses stand beside those of training.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Self

import torch
import tyro
from pydantic import Field, model_validator
from torch import Tensor

from configs import Frozen, MayChange, UsageError, as_usage_error, guarded, load
from cpc_rl import optim
from cpc_rl.aux import AUX_LOSSES, AuxLosses, AuxSizes, Unroll, build_aux, loss_names, upgrade, with_sections
from cpc_rl.distributed import SINGLE
from cpc_rl.dynamo import spare_dynamo
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.networks import ActorCritic, ActorCriticOutput, NetworkConfig, State
from cpc_rl.runs import RunSettings, StopSignal, loop, open_run, resume_command, set_up
from cpc_rl.runs.curve import plot_curve
from cpc_rl.runs.directory import fresh_path
from cpc_rl.trajectories import Manifest, read_manifest, read_rows
from envs.config import EnvConfig

NEEDS_AN_AGENT = frozenset({"logits", "value"})  # of `Unroll`: here policy and baseline are not trained


class PretrainRun(RunSettings):
    """The run: length, place, devices and records."""

    frames: MayChange[int] = Field(
        default=4_000_000,
        ge=1,
        le=10**15,
        description="Engine frames to train for, those of several passes over the files counted each time.",
    )


class PretrainConfig(Frozen):
    """Pretrain an agent's encoder and core on recorded play."""

    data: MayChange[Annotated[Path, tyro.conf.arg(metavar="DIR")]] = Field(
        description="Folder that `cpc_rl.collect` wrote."
    )
    aux: str = Field(
        default="cpc",
        description=f"Auxiliary losses, with commas between several. There are {', '.join(AUX_LOSSES)}.",
    )
    held_out: int = Field(default=2, ge=1, le=1000, description="Files at the end of the play that are held out.")
    run: Annotated[PretrainRun, tyro.conf.OmitArgPrefixes] = PretrainRun()
    network: NetworkConfig = NetworkConfig()
    optimiser: optim.OptimiserConfig = optim.OptimiserConfig(clip_norm=0.5)

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        if not (names := loss_names(self.aux)):
            raise ValueError("aux none: there is nothing else to learn from; give one or more of the losses")
        for name in names:
            if missing := AUX_LOSSES[name].needs & NEEDS_AN_AGENT:
                raise ValueError(f"aux {name} needs {' and '.join(sorted(missing))}, which only a training agent has")
        return self


def full_config() -> type[PretrainConfig]:
    """`PretrainConfig` with a section for each auxiliary loss that is registered now."""
    return with_sections(PretrainConfig)


class Pretrainer:
    """The networks and all that a checkpoint must hold for a run to go on as if it had never stopped."""

    unit, group = "frames", SINGLE

    def __init__(self, config: PretrainConfig, manifest: Manifest, device: torch.device) -> None:
        """Fresh weights, drawn from the run's seed as an agent's are.

        Raises:
            ValueError: There is no file to train on, or settings of a loss do not fit the play.
        """
        self.trained_files = len(manifest.files) - config.held_out
        if self.trained_files < 1:
            raise ValueError(f"held_out is {config.held_out}: {config.data} has {len(manifest.files)} files in all")
        torch.manual_seed(config.run.seed)
        self.config, self.manifest, self.device = config, manifest, device
        self.net = ActorCritic(config.network, manifest.obs_shape, manifest.num_actions).to(device)
        z_c = (config.network.features, config.network.hidden)
        sizes = AuxSizes(*z_c, manifest.num_actions, manifest.rows - 1, manifest.obs_shape, manifest.env.num_envs)
        settings = {name: getattr(config, name) for name in loss_names(config.aux)}
        try:
            self.aux = build_aux(settings, sizes, self.net, config.run.seed).to(device)
        except ValueError as error:
            raise ValueError(f"{error} (the unroll is a file of {manifest.rows} rows)") from error
        self.params = [p for module in (self.net, self.aux) for p in module.parameters() if p.requires_grad]
        self.optimiser = optim.Optimiser(config.optimiser, self.params, self.net)
        self.state = self.net.initial_state(manifest.env.num_envs, device)  # before row 0 of the next file
        self.steps = 0  # agent steps learnt from, each as often as it was
        self.updates = 0
        self.total = config.run.frames
        self.ahead = Ahead(config.data, manifest)

    @property
    def frames(self) -> int:
        """Engine frames learnt from so far, as runs count them."""
        return self.steps * self.manifest.action_repeat

    progress = frames

    def begin(self) -> None:
        """Nothing: the play is there."""

    def describe(self, path: Path) -> str:
        """One paragraph in front of the run, which lies at `path`."""
        config, manifest = self.config, self.manifest
        start = f"resuming at {self.frames:,} of" if self.frames else "pretraining for"
        millions = sum(p.numel() for p in self.params) / 1e6
        data = f"{config.data} ({manifest.frames:,} frames of {manifest.env.name})"
        held_out = f"{config.held_out} of {len(manifest.files)} files held out"
        return (
            f"{path}: {start} {self.total:,} frames on {data}, {held_out}, aux {config.aux}, "
            f"{millions:.2f} M parameters on {self.device}, {torch.get_num_threads()} threads"
        )

    def losses(
        self, rows: Mapping[str, Tensor], aux: AuxLosses, state: State
    ) -> tuple[Tensor, dict[str, Tensor], State]:
        """The loss on one file, metrics, and the core's state behind its last row."""
        r = {name: x.to(self.device) for name, x in rows.items()}
        out = self.net(r["obs"], r["last_action"], r["reward"], r["is_first"], state)
        total, metrics = aux(unroll(r, out, self.net))
        return total, {**metrics, "loss/total": total.detach()}, (out.state[0].detach(), out.state[1].detach())

    def update(self) -> dict[str, float]:
        """Take one gradient step on the next file, return the metrics.

        Raises RunFailure if a loss or the gradient is not finite, or a file is damaged, before the weights change.
        """
        number = self.updates % self.trained_files
        rows = self.ahead.read(number, (number + 1) % self.trained_files)
        if number == 0:  # another pass
            self.state = self.net.initial_state(self.manifest.env.num_envs, self.device)
        total, metrics, state = self.losses(rows, self.aux, self.state)
        self.optimiser.zero_grad()
        torch.autograd.backward(total)
        values = {name: float(x) for name, x in metrics.items()}
        values["gradient_norm"] = float(self.optimiser.clip())
        optim.check_finite(values, f"at update {self.updates}, frame {self.frames}")
        values["learning_rate"] = self.optimiser.step(self.updates, self.frames / self.total)
        self.aux.after_step(self.net)
        self.state = state
        self.steps += self.manifest.files[number].steps
        self.updates += 1
        return values

    @cached_property
    def held_out(self) -> list[dict[str, Tensor]]:
        """The rows of the files that are held out, and in front of them of the last file that is trained on."""
        files = range(self.trained_files - 1, len(self.manifest.files))
        return [read_rows(self.config.data, self.manifest, number) for number in files]

    @torch.no_grad()
    def record(self) -> dict[str, float]:
        """How far training is, and the mean metrics of the files held out, as `held_out/<metric>`."""
        series: dict[str, list[float]] = {}
        aux = copy.deepcopy(self.aux)  # which draws: training must draw what it would have drawn
        state = self.net.initial_state(self.manifest.env.num_envs, self.device)
        with torch.random.fork_rng(devices=[]):
            for i, rows in enumerate(self.held_out):
                _, metrics, state = self.losses(rows, aux, state)
                for name, x in metrics.items() if i else ():  # the first one only leads the core's state in
                    series.setdefault(f"held_out/{name}", []).append(float(x))
        passes = self.updates / self.trained_files
        return {"updates": self.updates, "passes": round(passes, 3), **{name: fmean(xs) for name, xs in series.items()}}

    def state_dict(self) -> dict[str, Any]:
        """All that decides the rest of the run; tensors and plain Python only."""
        return {
            "frames": self.frames,
            "steps": self.steps,
            "updates": self.updates,
            "network": self.net.state_dict(),
            "aux": self.aux.state_dict(),
            **self.optimiser.state_dict(self.total),
            "state": self.state,
            "torch_rng": torch.get_rng_state(),  # what a user's own loss may draw from
            "data": self.manifest.digest,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises UsageError if the play is another."""
        if saved["data"] != self.manifest.digest:
            raise UsageError(f"cannot resume on {self.config.data}: the run learnt from other files, or fewer of them")
        torch.set_rng_state(saved["torch_rng"])
        self.steps, self.updates = saved["steps"], saved["updates"]
        self.net.load_state_dict(saved["network"])
        self.aux.load_state_dict(saved["aux"])
        self.optimiser.load_state_dict(saved, self.updates, self.total)
        self.state = (saved["state"][0].to(self.device), saved["state"][1].to(self.device))


class Ahead:
    """Reads files, each next one while the present one is learnt from."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._pool = ThreadPoolExecutor(1, "reader")
        self._coming: dict[int, Future[dict[str, Tensor]]] = {}

    def read(self, number: int, following: int) -> dict[str, Tensor]:
        """The rows of one file; `following` is the one that will be asked for next."""
        rows = self._coming.pop(number, None) or self._submit(number)
        self._coming = {following: self._submit(following)}
        return rows.result()

    def _submit(self, number: int) -> Future[dict[str, Tensor]]:
        return self._pool.submit(read_rows, self._folder, self._manifest, number)


def unroll(rows: Mapping[str, Tensor], out: ActorCriticOutput, network: ActorCritic) -> Unroll:
    """What auxiliary losses may read of a file; `out` is the network's on its rows."""
    latents = (rows["obs"], out.z, out.c, out.logits, out.value)
    return Unroll(*latents, rows["last_action"][1:], rows["reward"][1:], rows["is_first"], rows["valid"], network)


def recorded(config: PretrainConfig, env: EnvConfig) -> PretrainConfig:
    """`config` as config.yaml keeps it: with the environment, for programs that play, and only the losses in use."""
    names = loss_names(config.aux)
    kept = {name: getattr(config, name) for name in (*PretrainConfig.model_fields, *names)}
    return _with_env(names).model_validate({**kept, "run": config.run.without_places(), "env": env})


def _with_env(names: Sequence[str]) -> type[PretrainConfig]:
    class Recorded(PretrainConfig):
        env: EnvConfig

    return with_sections(Recorded, names)


def without_env(saved: dict[str, Any]) -> dict[str, Any]:
    """What a run's config.yaml says, without what the data say themselves."""
    return {name: value for name, value in upgrade(saved).items() if name != "env"}


def reread(saved: dict[str, Any]) -> PretrainConfig:
    """The configuration that a checkpoint holds, as `recorded` gives it today."""
    env = EnvConfig.model_validate(upgrade(saved)["env"])
    return recorded(full_config().model_validate(without_env(saved)), env)


def shown(names: Sequence[str]) -> dict[str, str]:
    """What the live line shows: losses, and accuracies (one step ahead) where a loss has them."""
    line = {"loss": "loss/total", "held out": "held_out/loss/total"}
    for name in names:
        for metric in ("accuracy", "accuracy_1"):
            line |= {f"{name} {metric}": f"{name}/{metric}", f"{name} {metric} held out": f"held_out/{name}/{metric}"}
    return line


def pretrain(config: PretrainConfig, argv: Sequence[str] = ()) -> int:
    """Train as `config`, which `argv` gave, says; 0 when all frames are done, 130 when a signal stopped the run."""
    manifest = read_manifest(config.data)
    device = set_up(config.run)
    with as_usage_error():
        learner = Pretrainer(config, manifest, device)
    kept = recorded(config, manifest.env)
    fresh = fresh_path(manifest.env.name, f"pretrain-{config.aux}", config.run.seed)
    with open_run(config.run, fresh, kept, SINGLE) as run, StopSignal() as stop:
        done = loop.train(learner, run, config.run, kept, stop, shown=shown(loss_names(config.aux)), reread=reread)
    if not done:
        again = resume_command("cpc_rl.pretrain", argv, run.path)
        print(f"stopped at {learner.frames:,} frames; go on with: {again}")
        return 130
    print(f"done: {run.path}  curve: {plot_curve(run.path)}")
    if not config.run.quiet:
        print(f"next: {following(manifest, config.network, run.path)}")
    return 0


def following(manifest: Manifest, network: NetworkConfig, run: Path) -> str:
    """What to do with the run: a probe, which reads minilab's state and no other's, or an agent that begins with it."""
    env = manifest.env
    if env.backend == "minilab":
        return f"python -m cpc_rl.probe {run}"
    flags = [f"--{side} {size}" for side in ("height", "width") if (size := getattr(env, side)) is not None]
    if len(manifest.obs_shape) == 1:  # vectors, for which agents have a smaller network by default
        flags += [f"--network.features {network.features}", f"--network.hidden {network.hidden}"]
    return " ".join([f"python -m agents.a2c --env {env.backend}/{env.name} --init {run}", *flags])


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv
    keep_freed_memory()
    spare_dynamo()

    def program() -> int:
        model, prog = full_config(), "python -m cpc_rl.pretrain"
        about = __doc__ or ""
        return pretrain(load(model, argv, prog=prog, description=about, family="pretrain", upgrade=without_env), argv)

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
