"""nav_maze_random_goal_03: a large maze, always the same; each episode has goal and apples elsewhere.

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
*****************************************
*                                       *
* ***************** *********** ******* *
* *   *           * *   *             * *
* *** *           * * * *             * *
*   *             * * * *             * *
*** * *           * *** *             * *
* *   *           *   * *             * *
* *** *           *** * *             * *
*   * *           *   * *             * *
* *** *           * *** *             * *
*     *           *     *             * *
* ********************* *************** *
* *         *         *       *         *
* * * *************** * ******* * *******
*   * *             * *       * * *     *
***** *             * *       * *** *** *
* *   *             * *       *     *   *
* * ***             * *       * ***** * *
*   * *             * *       * *   * * *
* *** *             * *       * * * * * *
*   *               * *       *   * * * *
*** * *************** *       ***** * * *
*   *   *     *     * *       *   * * * *
* *** * *** * *** * * * ******* * *** * *
*     *     *     * *           *     * *
*****************************************
""",
    looks="""
00000000000000000000
00033333300011111110
00011111300011111110
00031111300011111110
00031111300011111110
00033333300011111110
00000000000000000000
00022222220444400000
00022222220422400000
00022222220422400000
00022222220422400000
00000000000444400000
00000000000000000000
""",
    papers=(
        ("orange", "green"),
        ("orange", "blue_bright"),
        ("orange", "green_bright"),
        ("gray", "blue_bright"),
        ("gray", "green_bright"),
    ),
    pictures=(
        (0, 0, "W", 39, 26), (0, 7, "S", 9, 58), (0, 10, "S", 40, 52), (0, 13, "S", 18, 54),
        (1, 4, "S", 53, 60), (1, 14, "S", 32, 56), (2, 2, "W", 16, 42), (2, 5, "S", 20, 64),
        (2, 9, "S", 4, 62), (3, 1, "E", 47, 58), (3, 2, "E", 7, 56), (3, 2, "N", 19, 70), (3, 16, "N", 35, 38),
        (3, 18, "W", 77, 56), (4, 3, "W", 75, 74), (5, 1, "E", 21, 34), (5, 2, "E", 41, 60),
        (5, 2, "W", 43, 48), (5, 3, "N", 26, 68), (5, 4, "N", 6, 54), (5, 15, "E", 79, 38),
        (6, 2, "N", 67, 74), (6, 5, "N", 12, 34), (6, 7, "S", 50, 36), (6, 17, "S", 70, 66),
        (7, 4, "S", 71, 70), (7, 8, "E", 2, 38), (7, 9, "W", 57, 62), (7, 10, "N", 63, 30),
        (7, 12, "W", 49, 38), (7, 18, "E", 13, 56), (7, 19, "W", 22, 46), (8, 0, "W", 66, 70),
        (8, 10, "E", 8, 62), (9, 1, "S", 23, 46), (9, 1, "W", 62, 34), (9, 3, "W", 45, 64),
        (10, 1, "N", 59, 66), (10, 9, "E", 61, 38), (10, 10, "E", 25, 70), (10, 12, "W", 65, 34),
        (10, 19, "W", 48, 34), (11, 0, "E", 28, 54), (11, 2, "E", 5, 72), (11, 4, "N", 27, 44),
        (11, 9, "W", 34, 30), (11, 11, "E", 33, 74), (11, 12, "N", 15, 40), (11, 18, "E", 38, 66),
        (11, 19, "W", 55, 60), (12, 7, "N", 30, 74), (12, 9, "N", 72, 58), (12, 18, "N", 60, 66),
        (12, 19, "N", 74, 64),
    ),
    style=3,
    seconds=300,
)  # fmt: skip
PANELS = 1 + apples_of(MAZE.layout)
SHOWCASE = (
    (1950.0, 650.0, 100.0), (50.0, 1250.0, -15.0), (550.0, 1250.0, 20.0), (1950.0, 1250.0, 170.0),
    (250.0, 250.0, 15.0), (750.0, 250.0, 160.0), (1450.0, 50.0, 180.0), (950.0, 550.0, 205.0),
)  # fmt: skip
new_state = partial(rules.new_state, apples=apples_of(MAZE.layout))
new_scene = partial(rules.new_scene, MAZE)
SURFACES = rules.surfaces_of(MAZE)
