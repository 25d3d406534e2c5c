"""A person at the keyboard as a policy: a window shows what the agent would see, keys that are held choose the action.

The window is Gymnasium's (`gymnasium.utils.play`), which draws with pygame: the extra `play`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from configs import UsageError
from cpc_rl.video import picture
from envs.api import BatchedEnv, EnvStep
from envs.minilab import play

if TYPE_CHECKING:
    from gymnasium.utils.play import PlayableGame

WIDTH = 768  # of the window in pixels, about
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
HELP = f"""\
{DIGITS[:10]}  the action of that number; {DIGITS[10]}, {DIGITS[11]}, ... those from 10 on       escape  end
Time stands still while no key is held.
"""
BODIES = ("minilab", "dmlab")  # back ends whose nine actions move a body


class PlayerLeft(Exception):
    """The person at the keyboard has ended the play."""


def check_window() -> None:
    """Raise UsageError where no window can be opened."""
    try:
        play.need_window()
    except OSError as error:
        raise UsageError(f"--policy keyboard: {error}") from error


class KeyboardPolicy:
    """Waits for a key that is an action. For one environment that shows pictures."""

    def __init__(self, env: BatchedEnv, asked_to_stop: Callable[[], bool]) -> None:
        """`asked_to_stop` is looked at while waiting, too.

        Raises UsageError where there is nothing to look at, or no key for an action.
        """
        if len(env.obs_shape) != 3:
            raise UsageError(f"--policy keyboard: {env.name} shows {env.obs_shape[0]} numbers and no picture")
        if env.num_actions > len(DIGITS):
            raise UsageError(f"--policy keyboard: {env.name} has {env.num_actions} actions, and keys are for 36")
        self._env, self._asked_to_stop = env, asked_to_stop
        self._body = env.backend in BODIES
        self._return, self._steps, self._episodes = 0.0, 0, 0

    @property
    def help(self) -> str:
        """The keys."""
        return play.HELP if self._body else HELP

    def __call__(self, step: EnvStep) -> Tensor:
        """The action int64 [1] of the keys that are held, once there are any.

        Raises PlayerLeft when the window is closed or a signal came.
        """
        import pygame
        from gymnasium.utils.play import display_arr

        self._count(step)
        shown = picture(self._env, step)
        while True:
            display_arr(self._game.screen, shown, self._game.video_size, transpose=True)
            pygame.display.flip()
            self._clock.tick(self._env.frames_per_second / self._env.action_repeat)
            for event in pygame.event.get():
                self._game.process_event(event)
            if not self._game.running or self._asked_to_stop():
                raise PlayerLeft
            action = self._actions.get(frozenset(self._game.pressed_keys))
            if action is not None:
                return torch.tensor([action])

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing: a person has it."""
        return {}

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Nothing."""

    def _count(self, step: EnvStep) -> None:
        """Tell in the window's title how the episode goes."""
        import pygame

        ended = bool(step.terminated[0] | step.truncated[0])
        if step.valid[0] and (ended or not step.is_first[0]):
            self._return, self._steps = self._return + float(step.score[0]), self._steps + 1
        title = f"{self._env.name}: return {self._return:g} in {self._steps} steps"
        if ended:
            self._episodes, self._return, self._steps = self._episodes + 1, 0.0, 0
        title += f", {self._episodes} episodes before" if self._episodes else ""
        _ = self._game  # opens the window
        pygame.display.set_caption(f"{title} - escape ends")

    @cached_property
    def _game(self) -> PlayableGame:
        """The window, which keeps track of keys."""
        from gymnasium.utils.play import PlayableGame

        height, width, _ = self._env.obs_shape
        zoom = max(1, round(WIDTH / width))
        blank: Any = SimpleNamespace(render_mode="rgb_array", render=lambda: np.zeros((height, width, 3), np.uint8))
        return PlayableGame(blank, {tuple(keys): action for keys, action in self._actions.items()}, zoom)

    @cached_property
    def _actions(self) -> dict[frozenset[int], int]:
        """The action of each set of keys that can be held."""
        import pygame

        if self._body:
            return {frozenset(keys): int(action) for keys, action in play.keys_to_action().items()}
        codes = [pygame.key.key_code(digit) for digit in DIGITS[: self._env.num_actions]]
        return {frozenset([code]): action for action, code in enumerate(codes)}

    @cached_property
    def _clock(self) -> Any:
        import pygame

        return pygame.time.Clock()
