"""Importing this registers `minilab/<level>-v0` with Gymnasium; the engine itself is imported when one is made."""

from __future__ import annotations

from gymnasium.envs.registration import register

from envs.minilab.levels import LEVELS

for _level in LEVELS:
    register(
        f"minilab/{_level}-v0",
        entry_point="envs.minilab.gym_envs:MinilabGymEnv",
        vector_entry_point="envs.minilab.gym_envs:MinilabVectorEnv",
        kwargs={"level": _level},
    )
