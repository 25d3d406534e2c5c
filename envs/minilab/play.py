"""Play a level with the keyboard, in a window of Gymnasium's."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import gymnasium
from gymnasium.error import DependencyNotInstalled

import envs.minilab.gym
from envs.minilab.physics import ACTION_NAMES

_UP, _DOWN, _RIGHT, _LEFT = 0x40000052, 0x40000051, 0x4000004F, 0x40000050  # the arrows' codes in SDL, hence in pygame
_KEYS = {
    "forward": (_UP, ord("w")),
    "backward": (_DOWN, ord("s")),
    "look_left": (_LEFT,),
    "look_right": (_RIGHT,),
    "strafe_left": (ord("a"),),
    "strafe_right": (ord("d"),),
    "fire": (ord(" "),),
}
_HELP = """\
up or W     forward            left, right   look (and forward with it)
down or S   backward           A, D          strafe
space       fire               escape        quit
Time stands still while no key is held: the agent has no action for waiting."""
