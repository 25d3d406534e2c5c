"""A program of the shape all of ours have, for the tests of the loader: `python -m tests.configs.tiny`."""

import sys
from pathlib import Path
from typing import Annotated, Literal, Self

import tyro
from pydantic import Field, model_validator

from configs import Frozen, RunFailure, dump, guarded, load


class World(Frozen):
    """The world."""

    name: Annotated[str, tyro.conf.arg(name="env")] = Field(default="maze", description="Level to play.")
    num_envs: int = Field(default=16, ge=1, le=64, description="How many.")


class Run(Frozen):
    """The run."""

    preset: str | None = None
    config: Path | None = None
    resume: Path | None = None
    wandb: bool = False
    most: int | None = Field(default=None, ge=1, le=9_000_000)
    fail: Literal["no", "failure", "disk", "interrupt", "bug"] = "no"
    debug: bool = False


class Head(Frozen):
    """The head."""

    weight: float = Field(default=1.0, ge=0, le=10, description="Weight of the loss.")
    steps: int = Field(default=30, ge=1, description="Prediction steps.")
    by_action: bool = False
    sizes: tuple[Annotated[int, Field(ge=1, le=9)], ...] = ()


class Config(Frozen):
    """Everything."""

    world: tyro.conf.OmitArgPrefixes[World] = World()
    run: tyro.conf.OmitArgPrefixes[Run] = Run()
    head: Head = Head()
    aux: Literal["none", "cpc"] = Field(default="none", description="Auxiliary loss.")

    @model_validator(mode="after")
    def _short(self) -> Self:
        if self.head.steps >= 100:
            raise ValueError(f"head.steps {self.head.steps}: must be smaller than the unroll, 100")
        return self


def main() -> int:
    config = load(Config, sys.argv[1:], prog="tiny", description="A tiny program.")
    match config.run.fail:
        case "failure":
            raise RunFailure("loss/total is nan at update 3")
        case "disk":
            Path("/dev/null/x").write_text("")
        case "interrupt":
            raise KeyboardInterrupt
        case "bug":
            raise RuntimeError("a bug")
    print(dump(config))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main, debug="--debug" in sys.argv))
