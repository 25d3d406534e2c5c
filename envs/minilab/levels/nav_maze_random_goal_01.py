"""nav_maze_random_goal_01: a small maze, always the same; each episode has goal and apples elsewhere.

The layout is that of DeepMind Lab's script, papers and pictures are those of its map (docs/levels.md).
What happens is in `envs.minilab.nav_maze.rules`.
"""

from functools import partial

from envs.minilab.nav_maze import rules
from envs.minilab.nav_maze.rules import (
    BACKDROP,
    COUNTS,
    arrange,
    begin_episode,
    draw_column,
    open_cells,
    plan,
    step_one,
)
from envs.minilab.nav_maze.text import MazeText, apples_of

__all__ = [
    "BACKDROP",
    "COUNTS",
    "PANELS",
    "SHOWCASE",
    "SURFACES",
    "arrange",
    "begin_episode",
    "draw_column",
    "new_scene",
    "new_state",
    "open_cells",
    "plan",
    "step_one",
]

MAZE = MazeText(
    layout="""
*********************
*   *   *           *
* * * ***** ***** * *
* * * *   *     * * *
* * * *   *     * * *
* *   *   *     * * *
* *****   * *   * * *
*     *   * *   * * *
***** * *********** *
*                   *
*********************
""",
    looks="""
0000000000
0001102200
0001100200
0001102200
0000000000
""",
    papers=(
        ("green", "orange"),
        ("red_bright", "orange_bright"),
        ("green_bright", "orange"),
    ),
    pictures=(
        (0, 1, "N", 40, 64), (0, 1, "S", 25, 36), (0, 8, "N", 32, 54), (0, 9, "S", 47, 38),
        (1, 0, "W", 73, 40), (1, 2, "E", 52, 54), (1, 5, "W", 66, 46), (1, 6, "S", 31, 34),
        (1, 6, "W", 46, 58), (2, 0, "E", 5, 32), (3, 1, "E", 54, 30), (3, 3, "W", 76, 72), (3, 7, "N", 7, 48),
        (4, 6, "S", 33, 34),
    ),
    style=1,
    seconds=60,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (50.0, 50.0, 10.0), (250.0, 50.0, -15.0), (450.0, 50.0, 20.0), (950.0, 50.0, 170.0),
    (550.0, 450.0, 15.0), (850.0, 450.0, 160.0), (650.0, 50.0, 0.0), (50.0, 450.0, 295.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
