"""The settings of `agents.a2c`, and what a run keeps of them."""

from __future__ import annotations

from typing import Annotated, Any, Self

import tyro
from pydantic import Field, model_validator

from configs import Frozen
from cpc_rl import losses, optim
from cpc_rl.aux import AUX_LOSSES, loss_names, upgrade, with_sections
from cpc_rl.networks import NetworkConfig
from cpc_rl.returns import RewardClip
from cpc_rl.runs import RunConfig
from cpc_rl.starting import StartConfig
from envs.config import EnvConfig


class A2CConfig(Frozen):
    """Advantage actor-critic."""

    unroll: int = Field(default=100, ge=2, le=10_000, description="Agent steps between two updates (T).")
    discount: float = Field(default=0.99, ge=0, le=1, description="Discount of an agent step.")
    bootstrap_truncation: bool = Field(
        default=True,
        description="Go on with the value of the last observation at a time limit, where it is seen; off: discount 0 "
        "at every end. minilab and DeepMind Lab, as IMPALA uses it, show none, so that it is 0 there either way.",
    )
    reward_clip: RewardClip = Field(
        default="abs_one",
        description="Clip of the rewards in the loss, IMPALA's two ways or none; reported returns are raw.",
    )
    reward_scale: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Factor of the rewards in the loss, behind the clip: 1 - discount keeps values near 1 where each "
        "step pays.",
    )
    reduction: losses.Reduction = Field(
        default="mean",
        description="Reduction of all losses over the T x B rows. IMPALA sums, and its learning rates are for sums.",
    )
    baseline_cost: float = Field(default=0.5, ge=0, le=1000, description="Weight of the baseline loss, 0.5 (G - V)^2.")
    entropy_cost: float = Field(default=2.5e-4, ge=0, le=1000, description="Weight of the policy's entropy.")


class Config(Frozen):
    """Train a batched recurrent A2C agent, with or without auxiliary losses; `full_config` adds a section for each."""

    env: Annotated[EnvConfig, tyro.conf.OmitArgPrefixes] = EnvConfig()
    aux: str = Field(
        default="none",
        description=f"Auxiliary losses, with commas between several, or none. There are {', '.join(AUX_LOSSES)}.",
    )
    run: Annotated[RunConfig, tyro.conf.OmitArgPrefixes] = RunConfig()
    a2c: Annotated[A2CConfig, tyro.conf.OmitArgPrefixes] = A2CConfig()
    network: NetworkConfig = NetworkConfig()
    optimiser: optim.OptimiserConfig = optim.OptimiserConfig()
    start: Annotated[StartConfig, tyro.conf.OmitArgPrefixes] = StartConfig()

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        loss_names(self.aux)
        return self


def full_config() -> type[Config]:
    """`Config` with a section for each auxiliary loss that is registered now."""
    return with_sections(Config)


def recorded(config: Config) -> Config:
    """`config` as config.yaml keeps it: `--config` of it makes the same run elsewhere.

    So without the places, and without sections of auxiliary losses that are not in use.
    """
    names = loss_names(config.aux)
    kept = {name: getattr(config, name) for name in (*Config.model_fields, *names)}
    return with_sections(Config, names).model_validate({**kept, "run": config.run.without_places()})


def reread(saved: dict[str, Any]) -> Config:
    """The configuration that a checkpoint holds, as `recorded` gives it today."""
    return recorded(full_config().model_validate(upgrade(saved)))
