"""nav_maze_random_goal_02: a middle-sized maze, always the same; each episode has goal and apples elsewhere.

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
*******************************
* *               *       *   *
* * *** *********** *** * * * *
*   *   *             * *   * *
* *** *** ************* ***** *
*   *   * *         *   *     *
*** *** * *         * ***** * *
*     *   *         * *     * *
* *** *****         * *     ***
* *     *           * *     * *
* *     * *         * *     * *
*       * *           *     * *
* *     * *********   *     * *
* *     *       *     *     * *
* ***** ******* * *** ******* *
*   *         * * *     *     *
*** *** ***** * * ******* *****
*       *       *             *
*******************************
""",
    looks="""
000000000000000
000000000000000
000001111100000
000001111102220
033301111102220
033301111102220
033300000002220
000000000000000
000000000000000
""",
    papers=(
        ("yellow", "blue"),
        ("blue", "blue_bright"),
        ("yellow_bright", "green"),
        ("yellow", "green_bright"),
    ),
    pictures=(
        (0, 3, "S", 53, 64), (0, 6, "S", 75, 44), (0, 7, "S", 4, 40), (1, 2, "N", 62, 60), (1, 2, "S", 27, 54),
        (1, 2, "W", 64, 52), (1, 4, "S", 7, 56), (1, 9, "N", 13, 62), (1, 12, "W", 69, 52),
        (1, 14, "S", 26, 38), (2, 11, "S", 20, 68), (2, 12, "S", 54, 46), (2, 13, "E", 71, 30),
        (3, 13, "E", 16, 44), (3, 14, "E", 31, 40), (4, 1, "N", 44, 70), (4, 9, "E", 77, 52),
        (4, 11, "W", 63, 28), (4, 14, "W", 2, 32), (5, 0, "N", 68, 66), (5, 3, "S", 34, 74),
        (5, 9, "E", 73, 72), (5, 11, "W", 41, 36), (6, 3, "E", 14, 64), (6, 9, "E", 47, 50),
        (6, 10, "W", 6, 30), (7, 8, "N", 76, 26), (7, 10, "E", 79, 74), (7, 11, "E", 1, 72),
        (7, 13, "S", 12, 62), (8, 1, "N", 21, 64), (8, 12, "N", 78, 74), (8, 14, "N", 32, 34),
    ),
    style=2,
    seconds=150,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (950.0, 250.0, 100.0), (1350.0, 650.0, 255.0), (650.0, 150.0, 200.0), (950.0, 650.0, 260.0),
    (450.0, 750.0, 15.0), (550.0, 450.0, -20.0), (50.0, 150.0, 90.0), (1450.0, 150.0, 115.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
