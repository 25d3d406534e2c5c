"""The levels of minilab, one module each, loaded by name when an environment is made."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # listing the levels must not import numba
    import numpy as np
    import numpy.typing as npt

    from envs.minilab.rng import Streams
    from envs.minilab.state import Body, Outputs


class PlanShape(NamedTuple):
    """A filled polygon of a plan, in DeepMind Lab's units."""

    points: list[tuple[float, float]]
    colour: tuple[int, int, int]


class State(Protocol):
    """A level's state is a named tuple with at least these two, and arrays or named tuples of arrays beside them."""

    @property
    def streams(self) -> Streams:
        """Random numbers."""
        ...

    @property
    def body(self) -> Body:
        """Where the agents are."""
        ...


class Level(Protocol):
    """What a level's module offers. A launcher works on environments [lo, hi) of the batch."""

    SHOWCASE: tuple[tuple[float, float, float], ...]  # poses (x, y, yaw) worth a look

    def new_state(self, streams: Streams) -> State:
        """Arrays for as many environments as `streams` has."""
        ...

    def new_scene(self) -> Any:
        """What never changes: geometry and textures, as a named tuple of arrays."""
        ...

    def reset(self, lo: int, hi: int, state: Any, scene: Any, out: Outputs) -> None:
        """Begin new episodes and draw them."""
        ...

    def step(self, lo: int, hi: int, actions: npt.NDArray[np.int64], state: Any, scene: Any, out: Outputs) -> None:
        """One agent step with same-step autoreset, and its picture."""
        ...

    def plan(self, i: int, state: Any, scene: Any) -> list[PlanShape]:
        """Environment i from above, for people."""
        ...

    def draw(self, lo: int, hi: int, state: Any, scene: Any, out: Outputs) -> None:
        """Draw the state as it is."""
        ...


class LevelInfo(NamedTuple):
    """What a person wants to know of a level before playing it."""

    task: str
    agent_steps: int
    reward: str


LEVELS: dict[str, LevelInfo] = {
    "rooms_watermaze": LevelInfo(
        task="Find the platform hidden under the water; it stays in place for the episode.",
        agent_steps=1800,
        reward="+1 five times a find",
    ),
}


def load_level(name: str) -> Level:
    """Import the module of a level in `LEVELS`."""
    level: Any = importlib.import_module(f"{__name__}.{name}")
    checked: Level = level
    return checked
