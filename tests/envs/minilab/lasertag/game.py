"""One environment of lasertag in which nobody is about and nothing lies until a test puts it there."""

from functools import cache

import numpy as np
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.lasertag.arena import (
    AIM,
    ALIVE,
    DIED,
    FIRE,
    FROM,
    KIND,
    PACE,
    SHOT_UNTIL,
    THINK,
    UNTIL,
    VX,
)
from envs.minilab.physics import ACTION_NAMES, place_body

NAME = "lasertag_three_opponents_small"
HALL = """
***********
*P       P*
*         *
*         *
*         *
*P       P*
***********
"""  # free from 101 to 999 across and from 101 to 599 upwards
NEVER = 2**29


@cache
def shared(layout: str, height: int, width: int) -> MinilabEnv:
    return MinilabEnv(NAME, 1, height, width, layout=layout)


class Game:
    def __init__(self, layout: str = HALL, height: int = 24, width: int = 32):
        self.env = shared(layout, height, width)
        self.env.state.streams.episode[:] = -1  # the same episode for every test
        self.env.reset()
        self.state = self.env.state
        self.facts, self.body = self.state.players.facts, self.state.players.body
        self.marks, self.minds = self.state.players.marks, self.state.minds
        self.orbs, self.items = self.state.orbs, self.state.items
        self.items.facts[0, :, UNTIL] = 0
        self.facts[1:, DIED] = NEVER  # and nobody comes back

    @property
    def now(self) -> int:
        return 16 * int(self.state.body.frame[0])

    def put(self, p: int, x: float, y: float, yaw: float = 0.0, *, thinks: bool = False) -> None:
        """Player p stands there; a bot does nothing unless it `thinks`."""
        if p == 0:
            self.env.place(0, x, y, yaw)
            return
        place_body.py_func(self.body, p, x, y, yaw)
        self.facts[p, DIED] = ALIVE
        self.minds.facts[p, THINK] = self.now if thinks else NEVER
        self.minds.facts[p, FIRE] = 0
        self.minds.wishes[p, [AIM, PACE]] = yaw, 0

    def lay(self, k: int, kind: int, x: float, y: float) -> None:
        self.items.facts[0, k, [KIND, FROM, UNTIL]] = kind, 0, NEVER
        self.items.places[0, k] = x, y

    def lies(self, k: int) -> bool:
        return bool(self.items.facts[0, k, FROM] <= self.now < self.items.facts[0, k, UNTIL])

    def act(self, name: str = "look_left", steps: int = 1) -> float:
        """The same action for some agent steps; returns the reward."""
        action = torch.tensor([ACTION_NAMES.index(name)])
        return sum(float(self.env.step(action, autoreset=False).reward[0]) for _ in range(steps))

    def shots_seen(self, p: int) -> bool:
        return bool(self.marks[p, SHOT_UNTIL] > self.now)

    def flying(self) -> bool:
        return bool(np.any(self.orbs[:, :, VX:]))
