"""Auxiliary losses: `base` says what one is, `AUX_LOSSES` names those there are.

A new one: subclass `AuxLoss`, then `AUX_LOSSES["mine"] = Mine` before the agent starts; `--aux mine` finds it.
"""

from cpc_rl.aux.base import AuxLoss, AuxSizes
from cpc_rl.aux.cpc import CPC, CPCConfig
from cpc_rl.aux.cpc_action import CPCAction

AUX_LOSSES: dict[str, type[AuxLoss]] = {"cpc": CPC, "cpc_action": CPCAction}


def build_aux(name: str, sizes: AuxSizes, config: CPCConfig, seed: int) -> AuxLoss | None:
    """The auxiliary loss called `name`, or None for "none". Raises ValueError for a name nobody registered."""
    if name == "none":
        return None
    if name not in AUX_LOSSES:
        raise ValueError(f"aux {name!r}: allowed are {', '.join(['none', *sorted(AUX_LOSSES)])}")
    return AUX_LOSSES[name](sizes, config, seed)


__all__ = ["AUX_LOSSES", "CPC", "AuxLoss", "AuxSizes", "CPCAction", "CPCConfig", "build_aux"]
