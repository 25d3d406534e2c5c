"""ViZDoom and Atari as envpool steps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envs.envpool.registry import supported_ids

__all__ = ["EnvpoolEnv", "supported_ids"]

if TYPE_CHECKING:
    from envs.envpool.env import EnvpoolEnv
else:

    def __getattr__(name: str) -> Any:
        """Import on demand: a list of names is no reason to import torch."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from envs.envpool import env

        return getattr(env, name)
