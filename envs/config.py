"""Which environment, and how many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, get_args

import tyro
from pydantic import BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")
MARK = "a resumed run may change it"  # as in `configs.MayChange`, which this floor cannot import
MayChange = Annotated[T, MARK]
Observation = Literal["auto", "picture", "vector", "grid"]
Backend = Literal["auto", "minilab", "dmlab", "envpool", "gymnasium"]
Textures = Literal["drawn", "labmaze"]
Look = Literal["plain", "engine"]
RandomisedPart = Literal["picture", "surfaces", "swap", "sky", "field", "items", "light", "display"]
Half = Literal["both", "first", "second"]
PARTS: tuple[RandomisedPart, ...] = get_args(RandomisedPart)
BACKENDS: tuple[str, ...] = ("minilab", "dmlab", "envpool", "gymnasium")


class EnvConfig(BaseModel):
    """Environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, tyro.conf.arg(name="env")] = Field(
        default="rooms_watermaze",
        min_length=1,
        description="Environment to play: a level such as rooms_watermaze, or BACKEND/NAME: dmlab/rooms_watermaze, "
        "envpool/MyWayHome-v1, envpool/Pong-v5, gymnasium/CartPole-v1. `python -m envs list` prints what there is.",
    )
    backend: Backend = Field(
        default="auto",
        description="Back end that simulates it: `minilab` (built in), `dmlab` (DeepMind Lab), `envpool` (ViZDoom, "
        "Atari), `gymnasium` (any of its environments). `auto`: what NAME begins with; a level by itself is played by "
        "DeepMind Lab where it is installed, else by minilab.",
    )
    num_envs: int = Field(default=16, ge=1, le=8192, description="Environments stepped as one batch (B).")
    height: int | None = Field(
        default=None, ge=24, le=256, multiple_of=2, description="Picture height in pixels; by default the back end's."
    )
    width: int | None = Field(
        default=None, ge=24, le=256, multiple_of=2, description="Picture width in pixels; by default the back end's."
    )
    observation: Observation = Field(
        default="auto",
        description="Reading of what Gymnasium's environments show: `picture`, `vector` (numbers as they are), `grid` "
        "(whole numbers that stand for kinds of things, one-hot, such as MiniGrid's view). `auto`: as the space says, "
        "where that can mean one thing only; the log says which.",
    )
    episode_info: MayChange[Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY")]] = Field(
        default=(),
        max_length=32,
        description="Keys of the `info` of Gymnasium's environments and envpool's, such as is_success: the number or "
        "yes-no at the end of an episode is logged as `episode/KEY`, the mean over episodes. minilab counts by itself.",
    )
    env_threads: MayChange[int] = Field(
        default=1, ge=1, le=256, description="Threads that step and draw the environments (minilab, envpool)."
    )
    env_processes: MayChange[bool] = Field(
        default=False,
        description="Process for each environment (gymnasium; DeepMind Lab always): for slow ones, and for those "
        "that crash.",
    )
    env_timeout: MayChange[float] = Field(
        default=300.0,
        gt=0,
        le=1e6,
        description="Seconds without an answer after which the process of an environment counts as hung.",
    )
    textures: Textures = Field(
        default="drawn",
        description="Walls, floors and skies of minilab: `drawn` by it, or DeepMind Lab's own, from the package "
        "`labmaze`. Agents know the look they were trained with only.",
    )
    look: Look = Field(
        default="plain",
        description="Look of minilab: `plain`, or `engine`: with DeepMind Lab's head-up display, and on watermaze and "
        "seekavoid its light and its sizes and places of things. Agents for the real levels train with it.",
    )
    randomise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Strength of domain randomisation: each episode of minilab has another look of the same task, "
        "which seed, environment and episode decide. 0: none.",
    )
    randomise_parts: tuple[RandomisedPart, ...] = Field(
        default=PARTS,
        description="Parts that --randomise changes: `picture` (hue, brightness and contrast of all), `surfaces` (the "
        "same of each wall, floor and picture by itself), `swap` (papers), `sky` (its colours), `field` (of view, by "
        "two degrees), `items` (size and colour), `light` (more of it on one side), `display` (head-up: none, DeepMind "
        "Lab's, or one of other content).",
    )
    randomise_half: Half = Field(
        default="both",
        description="Half of the looks that --randomise draws from: `first` or `second`, with papers and turns of hue "
        "of its own, so that an agent can be tested on looks that it was not trained with; or `both`.",
    )
    dmlab_renderer: Literal["software", "hardware"] = Field(
        default="software", description="Renderer that your deepmind_lab was built with."
    )
    dmlab_seeds: int = Field(
        default=1024,
        ge=1,
        le=2**31 - 1,
        description="Episodes to train on, each with a map that is compiled once (DeepMind Lab).",
    )
    dmlab_cache: MayChange[Annotated[Path | None, tyro.conf.arg(metavar="DIR")]] = Field(
        default=None, description="Folder of compiled maps, shared by all runs; by default ~/.cache/cpc-rl/dmlab."
    )

    @model_validator(mode="after")
    def _draws_no_looks(self) -> Self:
        if self.randomise == 0:
            for name in ("randomise_parts", "randomise_half"):
                if (value := getattr(self, name)) != type(self).model_fields[name].default:
                    words = " ".join(value) if isinstance(value, tuple) else value
                    raise ValueError(f"{name} is {words}, but randomise is 0, which changes nothing; give both")
        return self
