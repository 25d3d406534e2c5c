"""Record play: what the policy sees, does and is paid, in files that `cpc_rl.pretrain` learns from.

    python -m cpc_rl.collect --env rooms_watermaze --policy random --frames 1000000 --out play/watermaze

The same command goes on where it was stopped or killed; with more frames it adds to what is there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from pydantic import Field
from torch import Tensor

from configs import (
    QUIET,
    Frozen,
    RunFailure,
    UsageError,
    as_usage_error,
    changeable_keys,
    difference,
    flags_given,
    guarded,
    load,
)
from cpc_rl.environments import making, opened
from cpc_rl.episodes import NetworkPolicy, RandomPolicy
from cpc_rl.evaluate import restored, section, settings_of
from cpc_rl.keyboard import KeyboardPolicy, PlayerLeft, check_window
from cpc_rl.networks import NetworkConfig
from cpc_rl.runs import Checkpoints, Console, RunDirectory, StopSignal, pick_device
from cpc_rl.runs.config import DEVICE, THREADS
from cpc_rl.runs.lock import owned
from cpc_rl.runs.metrics import Row
from cpc_rl.runs.screen import Screen
from cpc_rl.runs.throughput import Throughput
from cpc_rl.trajectories import FIELDS, MANIFEST, Manifest, read_manifest, write_rows
from envs import resolve
from envs.api import BatchedEnv, EnvStep
from envs.config import EnvConfig

Player = RandomPolicy | NetworkPolicy | KeyboardPolicy
RANDOM, KEYBOARD = "random", "keyboard"
SHOWN = {"megabytes": "megabytes"}


class RecordedEnv(EnvConfig):
    """Environment."""

    name: Annotated[str, tyro.conf.arg(name="env")] = Field(
        default="auto",
        description="Environment to play, as for training; `auto`: that of the agent, or rooms_watermaze.",
    )


class CollectConfig(Frozen):
    """What to record."""

    env: tyro.conf.OmitArgPrefixes[RecordedEnv] = RecordedEnv()
    policy: Annotated[str, tyro.conf.arg(metavar="random|keyboard|RUN")] = Field(
        default=RANDOM,
        description="Policy that plays: `random`, uniform over the actions; `keyboard`, you, in a window (the extra "
        "`play`); or the run directory of an agent, which plays with its newest checkpoint, sampled, in its own "
        "environment.",
    )
    frames: int = Field(
        default=1_000_000, ge=1, le=10**15, description="Engine frames to record: agent steps times action repeat."
    )
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Field(description="Folder of the files, new or begun before.")
    rows: int = Field(
        default=100,
        ge=2,
        le=10_000,
        description="Agent steps of each environment in one file (T). One file is one update of pretraining.",
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of episodes and actions.")
    device: str = Field(default="auto", pattern=DEVICE, description="Device of the agent's network: as for training.")
    threads: int = THREADS
    quiet: bool = Field(default=False, description=QUIET)
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class PlayRecorder:
    """Plays on and on, and gives what happened T rows at a time.

    Attributes:
        left: whether a person has ended the play, and with it the rows of that time.
    """

    def __init__(self, env: BatchedEnv, policy: Player, manifest: Manifest) -> None:
        """`policy` is fresh; `manifest` says what the rows are like."""
        self.env, self.policy, self.left = env, policy, False
        self.rows = {name: torch.zeros(shape, dtype=dtype) for name, (shape, dtype) in manifest.layout().items()}
        self.action: Tensor | None = None  # [B], that leads to the next row; None: a reset does

    def record(self) -> dict[str, Tensor] | None:
        """The next T rows, the arrays of `FIELDS`; they are overwritten by the next call.

        Where a person leaves, the last row stands for those that are missing, and is not `valid`; None if there is no
        other one.
        """
        for t in range(len(self.rows["valid"])):
            if self.action is None:
                step, self.action = self.env.reset(), torch.zeros(self.env.num_envs, dtype=torch.int64)
            else:
                step = self.env.step(self.action)
            self._write(t, step)
            try:
                self.action = self.policy(step)
            except PlayerLeft:
                self.left = True
                return self._cut(t) if t else None
        return self.rows

    def _cut(self, t: int) -> dict[str, Tensor]:
        """Behind row t there is nothing more; the next rows begin with another episode."""
        self.action = None
        for name, rows in self.rows.items():
            rows[t + 1 :] = rows[t] if name == "obs" else 0
        return self.rows

    def _write(self, t: int, step: EnvStep) -> None:
        seen = {**step._asdict(), "last_action": self.action}
        for name in FIELDS:
            self.rows[name][t].copy_(seen[name])

    def state_dict(self) -> dict[str, Any]:
        """What the next rows hang on."""
        return {"env": self.env.state_dict(), "policy": self.policy.state_dict(), "action": self.action}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; with new episodes where the environment cannot bring the old back."""
        self.env.load_state_dict(saved["env"])
        self.policy.load_state_dict(saved["policy"])
        self.action = saved["action"] if self.env.restores else None


@contextmanager
def player(
    config: CollectConfig, stop: StopSignal, argv: Sequence[str] = ()
) -> Iterator[tuple[BatchedEnv, Player, Manifest]]:
    """Environments, who plays in them, and a manifest without files; a person looks at `stop` too.

    `argv`: what gave `config`.
    """
    if config.policy == KEYBOARD:
        check_window()
    run = None if config.policy in (RANDOM, KEYBOARD) else RunDirectory(Path(config.policy))
    if run is not None and not run.config_path.is_file():
        allowed = f"{RANDOM}, {KEYBOARD} and the DIR of a run"
        raise UsageError(f"--policy {config.policy}: no such run directory; allowed are {allowed}")
    saved = {} if run is None else settings_of(run)
    asked = {name: value for name, value in config.env if value != RecordedEnv.model_fields[name].default}
    asked |= {name: getattr(config.env, name) for name in _named(argv)}
    env_config = _environment(config.env, asked, run, saved, config.policy == KEYBOARD)
    device = pick_device(config.device)
    policy: Player
    frames: int | None = None
    with as_usage_error():
        env_config = resolve(env_config)[0]
    if run is None:
        with ExitStack() as stack:
            with stop.at_once(), Screen(config.quiet).step(making(env_config)):
                env = stack.enter_context(opened(env_config, config.seed))
            if config.policy == KEYBOARD:
                policy = KeyboardPolicy(env, lambda: stop.stop)
            else:
                policy = RandomPolicy(env.num_actions, config.seed)
            yield env, policy, _manifest(config, env_config, env, frames)
        return
    network = section(NetworkConfig, saved, "network", run.config_path)
    with ExitStack() as stack:
        with stop.at_once(), Screen(config.quiet).step(making(env_config)):
            played = restored(run, env_config, network, config.seed, evaluation=False)
            env, net, checkpoint = stack.enter_context(played)
        policy, frames = NetworkPolicy(net.to(device), env.num_envs, device, config.seed), int(checkpoint["frames"])
        yield env, policy, _manifest(config, env_config, env, frames)


def _named(argv: Sequence[str]) -> list[str]:
    """Settings of the environment that flags name, be it with their default."""
    section, names = "env.", flags_given(CollectConfig, argv)
    return [key.removeprefix(section) for key in names if key.startswith(section)]


def _environment(
    asked: RecordedEnv, given: dict[str, Any], run: RunDirectory | None, saved: dict[str, Any], alone: bool
) -> EnvConfig:
    """The one that is asked for; an agent's own, with as many environments and threads as asked.

    `given` are the settings that the user chose; `alone`: a person plays in one.
    """
    if alone and given.setdefault("num_envs", 1) != 1:
        raise UsageError(f"--num-envs {given['num_envs']}: a person plays in one, so 1")
    if run is None:
        return EnvConfig(**given)
    own = section(EnvConfig, saved, "env", run.config_path)
    free = changeable_keys(EnvConfig) | {"num_envs"}
    for name, value in given.items():
        if name not in free and value != getattr(own, name):
            flag = "env" if name == "name" else name.replace("_", "-")
            raise UsageError(f"--{flag} {value}: {run.path} was trained with {getattr(own, name)}, and plays there")
    return own.model_copy(update={name: getattr(asked, name) for name in free})


def _manifest(config: CollectConfig, env_config: EnvConfig, env: BatchedEnv, frames: int | None) -> Manifest:
    return Manifest(
        env=env_config,
        policy=config.policy if config.policy in (RANDOM, KEYBOARD) else str(Path(config.policy).resolve()),
        policy_frames=frames,
        seed=config.seed,
        rows=config.rows,
        obs_shape=env.obs_shape,
        num_actions=env.num_actions,
        action_repeat=env.action_repeat,
    )


def take_up(checkpoints: Checkpoints, fresh: Manifest, recorder: PlayRecorder) -> Manifest:
    """Go on with what the folder of `checkpoints` holds, or begin.

    Raises:
        UsageError: It holds something else, or play of other settings.
        RunFailure: What it holds is damaged.
    """
    folder = checkpoints.folder
    if not (folder / MANIFEST).is_file():
        if other := [entry.name for entry in folder.iterdir() if entry.name[0] != "."]:
            raise UsageError(f"{folder} exists and holds other things ({min(other)}); give another --out")
        fresh.write(folder)
        return fresh
    manifest = read_manifest(folder)
    free = changeable_keys(Manifest) | {"files"}
    for key, before, now in difference(manifest.model_copy(update={"files": ()}), fresh):
        if key not in free and not (key == "policy" and Path(before).resolve() == Path(now).resolve()):
            raise UsageError(f"{folder} was recorded with {key} = {before}, not {now}; give another --out")
    if len(manifest.files) == 1 and not checkpoints.paths():  # killed between the two: recorded anew, to the same bytes
        return fresh
    if manifest.files:
        saved = checkpoints.load(lambda state: recorder.load_state_dict(state["recorder"]))
        manifest = manifest.model_copy(update={"files": manifest.files[: saved["files"]]})
    return manifest


def collect(config: CollectConfig, argv: Sequence[str] = ()) -> int:
    """Record as `config`, which `argv` gave, says; 0 when all frames are there, 130 when a signal stopped it."""
    if config.threads:
        torch.set_num_threads(config.threads)
    with ExitStack() as stack:
        stop = stack.enter_context(StopSignal())
        env, policy, fresh = stack.enter_context(player(config, stop, argv))
        try:
            config.out.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(f"--out {config.out} exists and is no directory") from error
        with owned(config.out):
            recorder = PlayRecorder(env, policy, fresh)
            checkpoints = Checkpoints(config.out)
            manifest = take_up(checkpoints, fresh, recorder)
            manifest = record(config, manifest, recorder, checkpoints, stop)
    size = f"{manifest.frames:,} frames in {len(manifest.files)} files, {manifest.bytes / 1e6:,.1f} MB"
    if manifest.frames < config.frames and (stop.stop or not recorder.left):
        print(f"stopped: {config.out} has {size}; the same command goes on")
        return 130
    print(f"done: {config.out} has {size}" + ("; the same command adds to it" if recorder.left else ""))
    if not config.quiet and manifest.files:
        print(f"next: python -m cpc_rl.pretrain --data {config.out} --aux cpc")
    return 0


def record(
    config: CollectConfig, manifest: Manifest, recorder: PlayRecorder, checkpoints: Checkpoints, stop: StopSignal
) -> Manifest:
    """Add files to `manifest` until all frames are there, or `stop` asks to end."""
    start, speed = len(manifest.files), Throughput(manifest.frames)
    with Console(config.frames, quiet=config.quiet, shown=SHOWN) as console:
        env = manifest.env
        console.say(f"{config.out}: recording {env.name} ({env.backend}, {env.num_envs} environments), {config.policy}")
        if isinstance(recorder.policy, KeyboardPolicy):
            console.say(recorder.policy.help)
        while manifest.frames < config.frames and not stop.stop and not recorder.left:
            number = len(manifest.files)
            if (rows := recorder.record()) is None:
                break
            with stop.held():
                file = write_rows(config.out, number, rows)
                manifest = manifest.model_copy(update={"files": (*manifest.files, file)})
                manifest.write(config.out)
                # Behind the manifest: what it names and no checkpoint knows is recorded anew, to the same bytes.
                checkpoints.save({"files": number + 1, "recorder": recorder.state_dict()}, number + 1)
            if number == start:
                check_room(config, manifest)
            rate = round(speed.mark(manifest.frames), 1)
            row: Row = {"frames": manifest.frames, "frames_per_second": rate, "megabytes": manifest.bytes / 1e6}
            console.show(row)
    return manifest


def check_room(config: CollectConfig, manifest: Manifest) -> None:
    """Raise RunFailure where the rest of the play would not fit on the disk, going by the play so far."""
    left = max(0, config.frames - manifest.frames)
    need, free = manifest.bytes / max(1, manifest.frames) * left, shutil.disk_usage(config.out).free
    if need > free:
        size = f"{left:,} frames more take about {need / 1e6:,.0f} MB, its disk has {free / 1e6:,.0f} MB left"
        raise RunFailure(f"{config.out}: {size}; make room, or give fewer --frames: the same command goes on")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return collect(load(CollectConfig, argv, prog="python -m cpc_rl.collect", description=__doc__ or ""), argv)

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
