"""The real DeepMind Lab as a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["DMLabEnv", "LabEnv", "episode_seed"]

if TYPE_CHECKING:
    from envs.dmlab.env import DMLabEnv, LabEnv, episode_seed
else:

    def __getattr__(name: str) -> Any:
        """Import on demand: worker processes import this package's modules and must not import torch."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from envs.dmlab import env

        return getattr(env, name)
