"""nav_maze_static_01: a small maze that is always the same: its goal and its apples, too.

Walls, places and papers from DeepMind Lab's map of that name (docs/levels.md).
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
*P*P P*P P P P P P P*
* * * * *** *** *****
*A*A*P P*P P P P*P P*
* * *****     * * * *
*P P*   *P P P*P*A*A*
* *** * ******* * * *
*P*P P* * *P*P P A*P*
* * *** * * ******* *
*P P*    G*P P P P P*
*********************
""",
    looks="""
0000000000
0000101000
0000111000
0000000000
0000000000
""",
    papers=(
        ("green", "orange"),
        ("red", "orange"),
    ),
    pictures=(
        (0, 2, "S", 17, 64), (0, 2, "W", 22, 72), (1, 3, "W", 10, 28), (1, 4, "E", 59, 70),
        (1, 4, "N", 46, 34), (1, 4, "W", 7, 74), (1, 5, "N", 28, 70), (1, 6, "S", 3, 52), (1, 8, "E", 44, 68),
        (2, 8, "E", 31, 60), (3, 0, "E", 20, 50), (3, 2, "S", 55, 58), (3, 8, "N", 70, 42),
        (4, 6, "S", 58, 32),
    ),
    style=1,
    seconds=60,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (750.0, 50.0, 190.0), (550.0, 450.0, -15.0), (750.0, 450.0, 200.0), (50.0, 50.0, 80.0),
    (350.0, 450.0, 15.0), (50.0, 450.0, 250.0), (950.0, 450.0, 180.0), (550.0, 50.0, 25.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
