"""nav_maze_static_02: a middle-sized maze that is always the same: its goal and its apples, too.

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
*******************************
*P P P P P*P P P P P P P*P P P*
* ******* *** * ***** *** *** *
*P*P P A P P P*P*P P*P*P P P*P*
* *********** *** * *** ***** *
*P P*P P P P P P*P*P P P*P P P*
* * *           * ******* *****
*P*P*A P P A P A*P*P P P*A*   *
*** *           * *     * *** *
*P P P P P P P P*P*P A P*P P*G*
* ***           * *     ***** *
*P P*A P P P P A*A*P P P P  *a*
* * * *********** ******* * * *
*P*P P*P P P P P*P*P P*P P*   *
* * * * ***** *** * * * *******
*P*P*P*P*P P P*P P*P*P*P P P A*
* * *** * ***** *** * ******* *
*P*A P P*P P P P P P*P P P A P*
*******************************
""",
    looks="""
000000000000000
000000000000000
001111010000000
001000010222000
000000010222000
001111110222000
000000000000000
000000000000000
000000000000000
""",
    papers=(
        ("yellow", "blue"),
        ("blue_bright", "blue"),
        ("blue", "blue_bright"),
    ),
    pictures=(
        (0, 0, "E", 65, 56), (0, 4, "S", 23, 74), (0, 11, "N", 37, 58), (1, 1, "E", 22, 46),
        (1, 9, "W", 41, 72), (1, 13, "N", 55, 32), (2, 0, "W", 60, 70), (2, 3, "W", 69, 74),
        (2, 10, "E", 73, 62), (2, 11, "W", 57, 38), (2, 12, "S", 39, 46), (3, 6, "S", 33, 50),
        (3, 8, "E", 51, 44), (3, 9, "S", 43, 50), (3, 14, "E", 46, 36), (4, 9, "W", 78, 30),
        (4, 13, "S", 15, 26), (5, 7, "E", 62, 46), (5, 8, "E", 28, 46), (5, 10, "N", 72, 42),
        (5, 13, "W", 59, 54), (5, 14, "E", 1, 68), (6, 0, "W", 3, 32), (6, 2, "N", 68, 64),
        (6, 4, "N", 18, 28), (6, 7, "N", 63, 70), (6, 12, "W", 42, 64), (7, 1, "S", 58, 50),
        (7, 6, "E", 24, 48), (7, 8, "W", 9, 30), (7, 13, "S", 17, 44), (7, 14, "W", 6, 40),
        (8, 5, "S", 44, 44), (8, 9, "S", 74, 44), (8, 14, "N", 8, 28),
    ),
    style=2,
    seconds=150,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (1450.0, 250.0, 100.0), (850.0, 150.0, 75.0), (650.0, 650.0, 200.0), (1050.0, 850.0, 170.0),
    (50.0, 450.0, 285.0), (250.0, 650.0, -20.0), (250.0, 250.0, 90.0), (50.0, 50.0, 115.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
