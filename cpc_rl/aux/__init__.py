"""Auxiliary losses: `base` says what one is, `AUX_LOSSES` names those there are.

A new one: subclass `AuxLoss`, then `AUX_LOSSES["mine"] = Mine` before the agent's `main` runs; `--aux mine` and the
flags of its `Config`, `--mine.weight` and so on, are there. See docs/extending.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, create_model

from cpc_rl.aux.base import AuxConfig, AuxLoss, AuxSizes, Unroll
from cpc_rl.aux.combined import AuxLosses
from cpc_rl.aux.cpc import CPC, CPCConfig
from cpc_rl.aux.cpc_action import CPCAction, CPCActionConfig
from cpc_rl.aux.curl import CURL, CURLConfig
from cpc_rl.aux.pixel_control import PixelControl, PixelControlConfig
from cpc_rl.aux.reward_prediction import RewardPrediction, RewardPredictionConfig
from cpc_rl.aux.spr import SPR, SPRConfig
from cpc_rl.aux.upgrade import upgrade, upgrade_state
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.networks import ActorCritic

AUX_LOSSES: dict[str, type[AuxLoss]] = {
    "cpc": CPC,
    "cpc_action": CPCAction,
    "curl": CURL,
    "pixel_control": PixelControl,
    "reward_prediction": RewardPrediction,
    "spr": SPR,
}

M = TypeVar("M", bound=BaseModel)


def loss_names(aux: str) -> list[str]:
    """The losses that `--aux` names: `none`, or names with commas between them.

    Raises:
        ValueError: nobody registered one of them, or it is named twice.
    """
    names = [] if aux == "none" else [name.strip() for name in aux.split(",")]
    for name in names:
        if name not in AUX_LOSSES:
            allowed = ", ".join(["none", *sorted(AUX_LOSSES)])
            raise ValueError(f"aux {name!r}: allowed are {allowed}, and several with commas between them")
    if len(set(names)) < len(names):
        raise ValueError(f"aux {aux!r}: each loss once")
    return names


def with_sections(base: type[M], names: Iterable[str] | None = None) -> type[M]:
    """`base` with a section for each of the losses `names`; by default of all that are registered.

    Raises:
        ValueError: a loss has the name of something else in `base`.
    """
    fields: dict[str, Any] = {}
    for name in AUX_LOSSES if names is None else names:
        if name in base.model_fields:
            raise ValueError(f"an auxiliary loss cannot be called {name!r}: that is a section of its own")
        fields[name] = (AUX_LOSSES[name].Config, AUX_LOSSES[name].Config())
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)


def build_aux(
    configs: Mapping[str, AuxConfig],
    sizes: AuxSizes,
    network: ActorCritic,
    seed: int,
    group: ProcessGroup = SINGLE,
) -> AuxLosses:
    """The losses with these names and settings, for an agent whose network is `network`.

    Raises:
        ValueError: settings that do not fit the sizes; names the loss.
    """
    losses = {}
    for name, config in configs.items():
        try:
            losses[name] = AUX_LOSSES[name](config, sizes, network, seed)
        except ValueError as error:
            raise ValueError(f"{name}.{error}") from error
    return AuxLosses(losses, group)


__all__ = [
    "AUX_LOSSES",
    "CPC",
    "CURL",
    "SPR",
    "AuxConfig",
    "AuxLoss",
    "AuxLosses",
    "AuxSizes",
    "CPCAction",
    "CPCActionConfig",
    "CPCConfig",
    "CURLConfig",
    "PixelControl",
    "PixelControlConfig",
    "RewardPrediction",
    "RewardPredictionConfig",
    "SPRConfig",
    "Unroll",
    "build_aux",
    "loss_names",
    "upgrade",
    "upgrade_state",
    "with_sections",
]
