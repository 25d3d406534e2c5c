"""What envpool has registered, and what of it is played."""

from __future__ import annotations

import importlib
from typing import Any

from envs.envpool.presets import NOT_PLAYED, SCENARIOS, Scenario
from envs.lookup import unknown, why_not


def supported_ids() -> list[str]:
    """The ids that `EnvpoolEnv` plays: ViZDoom's scenarios and Atari's games.

    Raises:
        ValueError: envpool is missing.
    """
    specs = _registry()
    return sorted(name for name, (family, _, _) in specs.items() if name in SCENARIOS or family == "envpool.atari")


def _registry() -> Any:
    """All that envpool knows: id -> (module, class of its specification, options)."""
    if missing := why_not("envpool"):
        raise ValueError(
            f'envpool cannot be imported ({missing}): pip install "cpc-rl[envpool]". '
            "Its wheels are for Linux on x86-64, and not for every Python"
        )
    return importlib.import_module("envpool.registration").registry.specs


def look_up(name: str) -> tuple[Scenario | None, dict[str, Any]]:
    """The rules of a ViZDoom scenario (None for Atari), and the options that envpool registered it with."""
    specs = _registry()
    if name not in specs:
        raise ValueError(unknown(name, "environment of envpool", supported_ids()))
    if name in NOT_PLAYED:
        raise ValueError(f"{name} is not played: {NOT_PLAYED[name]}")
    family, _, options = specs[name]
    if name not in SCENARIOS and family != "envpool.atari":
        kind = family.removeprefix("envpool.")
        raise ValueError(
            f"{name} ({kind}) is not played: of envpool only ViZDoom and Atari are. gymnasium/{name} may play it"
        )
    return SCENARIOS.get(name), options
