"""Play a level with the keyboard, in Gymnasium's window (the extra `play` brings pygame)."""

from __future__ import annotations

import contextlib
import os
import sys
from itertools import combinations
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import RecordEpisodeStatistics

from envs.minilab.gym_envs import MinilabGymEnv
from envs.minilab.physics import ACTION_NAMES

HELP = """\
up or W     forward            left, right   look; with up or W while running
down or S   backward           A, D          strafe
space       fire               escape        quit
Time stands still while no key is held: the agent has no action for waiting.
"""
_CONTROLS = {
    "UP": "forward",
    "w": "forward",
    "DOWN": "backward",
    "s": "backward",
    "LEFT": "look_left",
    "RIGHT": "look_right",
    "a": "strafe_left",
    "d": "strafe_right",
    "SPACE": "fire",
}  # by pygame's names of the keys
_PRIORITY = ("fire", "look_left", "look_right", "forward", "backward", "strafe_left", "strafe_right")
_ZOOM = 2.0  # beyond the enlargement of `render`


def play(level: str, seed: int | None = None) -> None:
    """Open a window and play episodes until it is closed; prints the keys, and the return of each episode.

    Raises:
        ValueError: unknown level.
        OSError: pygame is missing, or there is no display.
    """
    need_window()
    from gymnasium.utils.play import play as play_in_window

    env = RecordEpisodeStatistics(_BeginOnce(MinilabGymEnv(level, render_mode="rgb_array")))
    env.reset(seed=seed)
    print(HELP)
    play_in_window(env, zoom=_ZOOM, callback=_report, keys_to_action=keys_to_action(), wait_on_player=True)
    env.close()


class _BeginOnce(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An episode that nobody has played yet is not begun anew: Gymnasium's `play` resets twice before it begins."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._begun: tuple[Any, dict[str, Any]] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None or self._begun is None:
            self._begun = super().reset(seed=seed, options=options)
        return self._begun

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._begun = None
        return super().step(action)


def need_window() -> None:
    """Raise OSError where no window can be opened: pygame is missing, or there is no display."""
    try:
        import gymnasium.utils.play  # noqa: F401
        import pygame
    except (DependencyNotInstalled, ImportError) as error:
        raise OSError("playing needs pygame: pip install 'cpc-rl[play]'") from error
    asked = "SDL_VIDEODRIVER" in os.environ
    shown = asked or sys.platform != "linux" or not {"DISPLAY", "WAYLAND_DISPLAY"}.isdisjoint(os.environ)
    if shown:  # else SDL would look for one, and complain by itself
        with contextlib.suppress(pygame.error):
            pygame.display.init()
        # Without a display SDL draws into memory, which is of use only to those who asked for it.
        shown = pygame.display.get_init() and pygame.display.get_driver() not in ("dummy", "offscreen")
    if not shown and not asked:
        raise OSError("there is no display to open a window on; start it on a desktop, or with ssh -X")


def keys_to_action() -> dict[tuple[int, ...], np.int64]:
    """The action for every set of keys that can be held: what comes first in `_PRIORITY`."""
    import pygame

    actions = {}
    for held in (keys for count in range(1, len(_CONTROLS) + 1) for keys in combinations(_CONTROLS, count)):
        controls = {_CONTROLS[key] for key in held}
        name = next(name for name in _PRIORITY if name in controls)
        if name.startswith("look") and "forward" in controls:
            name += "_forward"
        actions[tuple(getattr(pygame, f"K_{key}") for key in held)] = np.int64(ACTION_NAMES.index(name))
    return actions


def _report(before: Any, after: Any, action: Any, reward: float, terminated: bool, truncated: bool, info: Any) -> None:
    if terminated or truncated:
        print(f"return {info['episode']['r']:g} after {info['episode']['l']} agent steps")
