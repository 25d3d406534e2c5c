"""Gymnasium's environments as a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["GymnasiumEnv"]

if TYPE_CHECKING:
    from envs.gymnasium.env import GymnasiumEnv
else:

    def __getattr__(name: str) -> Any:
        """Import on demand: worker processes import this package's modules and must not import torch."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from envs.gymnasium import env

        return getattr(env, name)
