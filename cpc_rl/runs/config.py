"""How long to train, where, and what to write down."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, Self

import torch
import tyro
from pydantic import Field, field_validator, model_validator

from configs import QUIET, Frozen, MayChange, UsageError
from cpc_rl.runs.trackers import TRACKERS, tracker_names

DEVICE = r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$"
THREADS: Any = Field(  # the field `threads` of every program that computes
    default=0,
    ge=0,
    le=1024,
    description="Threads of PyTorch; 0 leaves its own choice; 1 where several runs share the cores.",
)
Folder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]


class RunSettings(Frozen):
    """The run: place, devices and records."""

    seed: int = Field(default=1, ge=0, lt=2**31, description="Seed of the weights and of everything drawn.")
    device: MayChange[str] = Field(
        default="auto",
        pattern=DEVICE,
        description=(
            "Device of the networks: `auto` (a CUDA or ROCm GPU where there is one, else `cpu`), `cpu`, `cuda`, "
            "`cuda:N`, or `mps`, Apple's GPU, on which nothing was ever run."
        ),
    )
    threads: MayChange[int] = THREADS
    run: MayChange[Folder] = Field(
        default=None, description="Run directory to make. By default a fresh one: runs/<what>-s<seed>-<time>."
    )
    resume: MayChange[Folder] = Field(
        default=None, description="Run directory to continue, with its own configuration; other flags still count."
    )
    preset: MayChange[Annotated[str | None, tyro.conf.arg(metavar="NAME")]] = Field(
        default=None, description="Settings to start from, by name; a name that is not there lists those that are."
    )
    config: MayChange[Annotated[Path | None, tyro.conf.arg(metavar="FILE")]] = Field(
        default=None, description="YAML file laid over the preset; flags are laid over both."
    )
    log_updates: MayChange[int] = Field(
        default=10, ge=1, le=10**9, description="Updates between two lines of metrics.jsonl."
    )
    checkpoint_minutes: MayChange[float] = Field(
        default=5.0, gt=0, le=10**6, description="Minutes between two checkpoints."
    )
    track: MayChange[str] = Field(
        default="none",
        description="Trackers that get the metrics too, with commas between several, or none. "
        f"There are {', '.join(TRACKERS)}.",
    )
    track_project: MayChange[Annotated[str, tyro.conf.arg(aliases=("--wandb-project",))]] = Field(
        default="cpc-rl", min_length=1, description="Project the run belongs to there; an experiment of MLflow's."
    )
    wandb: MayChange[bool] = Field(default=False, description="Short for `--track wandb`, beside what that names.")
    quiet: MayChange[bool] = Field(default=False, description=QUIET)
    debug: MayChange[bool] = Field(default=False, description="Show tracebacks of errors.")

    @field_validator("track")
    @classmethod
    def _known(cls, track: str) -> str:
        tracker_names(track)
        return track

    @property
    def trackers(self) -> list[str]:
        """Names of the trackers that are asked for."""
        return list(dict.fromkeys([*tracker_names(self.track), *(["wandb"] if self.wandb else [])]))

    def without_places(self) -> Self:
        """As config.yaml keeps it, so that `--config` of that makes the same run elsewhere."""
        return self.model_copy(update=dict.fromkeys(("run", "resume", "config")))


class RunConfig(RunSettings):
    """The run: length, place, devices and records."""

    frames: MayChange[int] = Field(
        default=4_000_000,
        ge=1,
        le=10**15,
        description="Engine frames to train for: agent steps times action repeat, as papers count.",
    )
    eval_every: MayChange[int] = Field(
        default=0,
        ge=0,
        le=10**15,
        description="Frames between two evaluations on episodes apart from those of training; 0: none.",
    )
    eval_episodes: MayChange[int] = Field(
        default=20, ge=1, le=100_000, description="Episodes of an evaluation, of the sampled and of the greedy policy."
    )
    eval_video: MayChange[bool] = Field(default=False, description="Film of one episode with each evaluation.")
    stop_at: MayChange[Annotated[float | None, tyro.conf.arg(metavar="RETURN")]] = Field(
        default=None,
        ge=-1e15,
        le=1e15,
        description="Return that ends the run early when an evaluation's mean reaches it; needs --eval-every.",
    )
    patience: MayChange[int] = Field(
        default=0,
        ge=0,
        le=10**15,
        description="Frames without a better evaluation that end the run early; 0: never. Needs --eval-every.",
    )

    @model_validator(mode="after")
    def _stops_by_evaluations(self) -> Self:
        for flag, given in (("--stop-at", self.stop_at is not None), ("--patience", self.patience > 0)):
            if given and not self.eval_every:
                raise ValueError(f"{flag} goes by evaluations: give --eval-every FRAMES too")
        if self.eval_video and not self.eval_every:
            raise ValueError("--eval-video films evaluations: give --eval-every FRAMES too")
        return self


def pick_device(name: str) -> torch.device:
    """Turn `RunSettings.device` into a device. Raises UsageError for a GPU that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count()
    if kind == "cuda" and int(index or 0) >= count:
        raise UsageError(f"--device {name}: PyTorch sees {count} CUDA devices here; auto and cpu always work")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: PyTorch sees no GPU of Apple's here; auto and cpu always work")
    return torch.device(name)


def set_up(settings: RunSettings) -> torch.device:
    """The device to train on, made the current one, and the number of threads. Raises UsageError as `pick_device`."""
    device = pick_device(settings.device)
    # The thread of autograd may meet the GPU in a matrix product first; PyTorch tells, then does the right thing.
    warnings.filterwarnings("ignore", "Attempting to run cuBLAS, but there was no current CUDA context")
    if device.index is not None:
        torch.cuda.set_device(device)  # where environments on a GPU live
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return device
