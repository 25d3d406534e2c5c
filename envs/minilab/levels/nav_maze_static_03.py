"""nav_maze_static_03: a large maze that is always the same: its goal and its apples, too.

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
*****************************************
*P P P P*P a       G       a P P*P P P*A*
* ********* ***************** * *** * * *
*P P P A P P*P P P*P P P P P A*P P*P*P*P*
************* * * *           *** * * * *
*P P P*P P P P*P*P*P P P P P P P*A P*P*P*
* *** *       * ***           * ***** * *
*P*P*P*P P P P*A A*P P P P P P*P A P*P*P*
* * * *       *** *           * ***** * *
*P*P P*P P A P*P P P P P P P P*P P P P*P*
* * ***       * ********* ***** ******* *
*P*P*P P P P P*P A P P P P A P*P P*P P P*
* * *         * * *********** *** ***** *
*A*P*P P P P P*P*P P P P A P*P P*P A*P P*
* * * *       *** *         *** *** * * *
*P*P P*P P P P*P A*P P P P P*P P P*P P*A*
* *** ***** *** * *         *********** *
*P*P P*P P P P*P*P*P P P P P*P P P P P*A*
* *** * ***** * * *         * *** *** * *
*P P*P*A P P*P A*P*P P P P P*P P*P P*P*P*
* * *** *** ***** *****   ***** *** * * *
*P*P P*P*P P*P*A P P P P P P*P P*P*P*P*P*
* *** * * *** * ******* ***** *** * * * *
*P*P P*P*P*P P P*A P*P P*P P*P P A*P*P*P*
* * *** * ******* * ***** * ***** * *** *
*P*A P P*A P P P P*P P P P*P A P P*P P P*
*****************************************
""",
    looks="""
00000000000000000000
00000000011111100000
00011110011111100000
00011110011111100000
00011110011111100000
00011110000000000000
00011110022222000000
00011110021112000000
00000000021112000000
00000000022112000000
00000000000000000000
00000000000000000000
00000000000000000000
""",
    papers=(
        ("orange", "green"),
        ("gray_bright", "blue"),
        ("orange", "blue"),
    ),
    pictures=(
        (0, 2, "N", 11, 70), (0, 3, "S", 61, 58), (0, 4, "S", 48, 56), (0, 10, "S", 32, 72),
        (0, 14, "N", 37, 64), (0, 15, "N", 8, 26), (1, 0, "W", 25, 68), (1, 11, "E", 34, 28),
        (1, 15, "N", 65, 54), (1, 16, "E", 33, 44), (2, 1, "W", 70, 68), (2, 6, "E", 40, 42),
        (2, 14, "N", 28, 54), (2, 15, "S", 21, 54), (2, 18, "E", 72, 38), (3, 5, "E", 35, 72),
        (3, 5, "N", 75, 60), (3, 13, "E", 39, 68), (3, 16, "W", 6, 28), (4, 0, "E", 51, 38),
        (4, 6, "E", 10, 40), (4, 16, "N", 58, 64), (4, 17, "S", 0, 44), (5, 1, "W", 38, 28),
        (5, 2, "E", 17, 32), (5, 6, "S", 63, 54), (5, 9, "W", 77, 26), (6, 1, "E", 18, 42),
        (6, 7, "E", 79, 52), (6, 9, "N", 73, 38), (6, 16, "W", 15, 30), (6, 19, "E", 26, 30),
        (7, 2, "N", 66, 38), (7, 2, "W", 49, 38), (7, 7, "W", 1, 40), (7, 8, "N", 42, 30),
        (7, 10, "N", 60, 72), (7, 14, "E", 2, 46), (7, 17, "N", 53, 56), (7, 17, "S", 30, 60),
        (7, 18, "N", 64, 32), (8, 2, "S", 57, 70), (8, 3, "W", 29, 72), (8, 7, "N", 3, 66),
        (8, 13, "S", 13, 46), (8, 16, "S", 20, 46), (8, 19, "W", 74, 58), (9, 14, "E", 55, 44),
        (10, 2, "E", 78, 54), (11, 0, "W", 12, 44), (11, 3, "N", 41, 34), (11, 8, "N", 14, 50),
        (11, 16, "N", 36, 26), (11, 18, "W", 16, 52), (12, 4, "W", 54, 72), (12, 6, "N", 71, 52),
        (12, 8, "N", 22, 58), (12, 9, "S", 62, 56), (12, 16, "W", 24, 50), (12, 17, "N", 43, 60),
        (12, 19, "W", 50, 72),
    ),
    style=3,
    seconds=300,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (1050.0, 1250.0, 190.0), (1550.0, 1250.0, 165.0), (750.0, 750.0, 20.0), (1250.0, 750.0, 170.0),
    (550.0, 1250.0, 15.0), (1950.0, 50.0, 70.0), (1950.0, 550.0, 90.0), (1450.0, 450.0, 25.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
