"""Which environment, and how many."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field

Backend = Literal["minilab"]


class EnvConfig(BaseModel):
    """Environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, tyro.conf.arg(name="env")] = Field(
        default="rooms_watermaze", description="Level to play; `python -m envs list` prints them all."
    )
    backend: Backend = Field(default="minilab", description="Simulator: `minilab` is the built-in 3D suite.")
    num_envs: int = Field(default=16, ge=1, le=8192, description="Environments stepped as one batch (B).")
    height: int = Field(default=72, ge=24, le=256, multiple_of=2, description="Picture height in pixels.")
    width: int = Field(default=96, ge=24, le=256, multiple_of=2, description="Picture width in pixels.")
    env_threads: int = Field(
        default=1, ge=1, le=256, description="Threads that step and draw the environments (minilab)."
    )
