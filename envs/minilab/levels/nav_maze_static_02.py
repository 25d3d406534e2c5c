"""nav_maze_static_02: a middle-sized maze that is always the same: its goal and its apples, too.

Walls, places and papers from DeepMind Lab's map of that name (docs/levels.md).
What happens is in `envs.minilab.nav_maze.rules`.
"""

from functools import partial

from envs.minilab.nav_maze import rules
from envs.minilab.nav_maze.rules import arrange, begin_episode, draw_column, plan, step_one
from envs.minilab.nav_maze.text import MazeText, apples_of

__all__ = [
    "PANELS",
    "SHOWCASE",
    "arrange",
    "begin_episode",
    "draw_column",
    "new_scene",
    "new_state",
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
        (0, 0, "E", 65), (0, 4, "S", 23), (0, 11, "N", 37), (1, 1, "E", 22), (1, 9, "W", 41), (1, 13, "N", 55),
        (2, 0, "W", 60), (2, 3, "W", 69), (2, 10, "E", 73), (2, 11, "W", 57), (2, 12, "S", 39),
        (3, 6, "S", 33), (3, 8, "E", 51), (3, 9, "S", 43), (3, 14, "E", 46), (4, 9, "W", 78), (4, 13, "S", 15),
        (5, 7, "E", 62), (5, 8, "E", 28), (5, 10, "N", 72), (5, 13, "W", 59), (5, 14, "E", 1), (6, 0, "W", 3),
        (6, 2, "N", 68), (6, 4, "N", 18), (6, 7, "N", 63), (6, 12, "W", 42), (7, 1, "S", 58), (7, 6, "E", 24),
        (7, 8, "W", 9), (7, 13, "S", 17), (7, 14, "W", 6), (8, 5, "S", 44), (8, 9, "S", 74), (8, 14, "N", 8),
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
