"""The levels of minilab, one module each, loaded by name when an environment is made."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # listing the levels must not import numba
    import numpy as np

    from envs.config import Textures
    from envs.minilab.render import Obs
    from envs.minilab.rng import Streams
    from envs.minilab.state import Body, Outputs
    from envs.minilab.view import View


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
    """What a level's module offers. Those with an `i` are device functions for environment i."""

    __file__: str  # its source, on which compiled code depends
    PANELS: int  # upright panels in a picture at most
    # It may have SURFACES, a letter for each texture from the first on (s sky, w wall, f floor, a point for anything
    # else), and BACKDROP, the packed colour of a plain sky: `randomise.py` goes by them.
    # It may have MEASURES and ENGINE_MEASURES, numbers of its picture in either look (`View.measures`), ENGINE_COLOURS
    # and `engine_images`, its textures in the engine's (`engine_look.py`), and OWN_NUMBERS where it shows health and
    # ammunition itself.
    # It may have COUNTS, what it counts in an episode: its state has them in `counts` then (`counts.py`).
    # It may have open_cells(i, state, scene), the `plans.Cells` of environment i's map, of one shape on all maps.
    SHOWCASE: tuple[tuple[float, float, float], ...]  # poses (x, y, yaw) worth a look; none: a random agent's

    def new_state(self, streams: Streams) -> State:
        """Arrays for as many environments as `streams` has."""
        ...

    def new_scene(self, *, evaluation: bool = False, textures: Textures = "drawn") -> Any:
        """What never changes: geometry, pool of mazes, textures, as a named tuple of arrays."""
        ...

    def begin_episode(self, i: int, state: Any, scene: Any) -> None:
        """Open the next stream of random numbers and set everything up."""
        ...

    def step_one(self, i: int, action: int, state: Any, scene: Any, out: Outputs) -> None:
        """One agent step: writes `reward`, `terminated` and `truncated`."""
        ...

    def arrange(self, i: int, state: Any, scene: Any, view: View) -> None:
        """Set the camera and the panels of the picture."""
        ...

    def draw_column(
        self, i: int, column: int, screen: np.float32, hint: int, state: Any, scene: Any, view: View, obs: Obs
    ) -> int:
        """Draw one column, whose ray has the horizontal tangent `screen`.

        What it returns is the `hint` for the column beside it: it may save time but must not change the picture.
        """
        ...

    def plan(self, i: int, state: Any, scene: Any) -> list[PlanShape]:
        """Environment i from above, for people."""
        ...


class LevelInfo(NamedTuple):
    """What a person wants to know of a level before playing it."""

    task: str
    agent_steps: int
    reward: str
    # Mean returns in DeepMind Lab as its DMLab-30 code publishes them; seekavoid_arena_01 is not among them.
    random: float | None = None
    human: float | None = None
    module: str = ""  # where it is; by default the module of its name in this package


_MAZES = (("01", "small", 900), ("02", "middle-sized", 2250), ("03", "large", 4500))
LEVELS: dict[str, LevelInfo] = {
    "rooms_watermaze": LevelInfo(
        task="Find the platform hidden under the water; it stays in place for the episode.",
        agent_steps=1800,
        reward="+1 five times a find",
        random=4.065,
        human=54.0,
    ),
    "explore_goal_locations_small": LevelInfo(
        task="Find the goal of a new maze, again and again from new places.",
        agent_steps=1350,
        reward="+10 a visit to the goal",
        random=7.66,
        human=267.5,
    ),
    "seekavoid_arena_01": LevelInfo(
        task="Gather apples, leave lemons; when all apples are gone everything comes back.",
        agent_steps=300,
        reward="+1 an apple, -1 a lemon",
    ),
    "lasertag_three_opponents_small": LevelInfo(
        task="Tag three opponents that hunt you and one another through a maze.",
        agent_steps=3600,
        reward="+1 an opponent tagged out, -1 yourself",
        random=-0.214,
        human=18.55,
    ),
    "rooms_keys_doors_puzzle": LevelInfo(
        task="Open coloured doors with the right keys in the right order to reach the goal.",
        agent_steps=900,
        reward="+1 a key, +1 a door, +50 the goal",
        random=4.135,
        human=53.8,
    ),
    **{
        f"nav_maze_static_{number}": LevelInfo(
            task=f"Find the goal of a {size} maze that is always the same, from anywhere; apples lie on the way.",
            agent_steps=steps,
            reward="+10 the goal, +1 an apple",
        )
        for number, size, steps in _MAZES
    },
    **{
        f"nav_maze_random_goal_{number}": LevelInfo(
            task=f"Find the goal of a {size} maze, again and again; each episode has it somewhere else.",
            agent_steps=steps,
            reward="+10 the goal, +1 an apple",
        )
        for number, size, steps in _MAZES
    },
}


def load_level(name: str) -> Level:
    """Import the module of a level in `LEVELS`.

    Raises:
        ValueError: there is none of that name; near ones are proposed.
    """
    if name not in LEVELS:
        near = [level for level in LEVELS if name in level] or difflib.get_close_matches(name, LEVELS)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"unknown environment {name!r}.{hint} Known: {', '.join(sorted(LEVELS))}.")
    level: Any = importlib.import_module(LEVELS[name].module or f"{__name__}.{name}")
    checked: Level = level
    return checked
