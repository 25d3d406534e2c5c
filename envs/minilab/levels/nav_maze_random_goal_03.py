"""nav_maze_random_goal_03: a large maze, always the same; each episode has goal and apples elsewhere.

The layout is that of DeepMind Lab's script, papers and pictures are those of its map (docs/levels.md).
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
        (0, 0, "W", 39), (0, 7, "S", 9), (0, 10, "S", 40), (0, 13, "S", 18), (1, 4, "S", 53), (1, 14, "S", 32),
        (2, 2, "W", 16), (2, 5, "S", 20), (2, 9, "S", 4), (3, 1, "E", 47), (3, 2, "E", 7), (3, 2, "N", 19),
        (3, 16, "N", 35), (3, 18, "W", 77), (4, 3, "W", 75), (5, 1, "E", 21), (5, 2, "E", 41), (5, 2, "W", 43),
        (5, 3, "N", 26), (5, 4, "N", 6), (5, 15, "E", 79), (6, 2, "N", 67), (6, 5, "N", 12), (6, 7, "S", 50),
        (6, 17, "S", 70), (7, 4, "S", 71), (7, 8, "E", 2), (7, 9, "W", 57), (7, 10, "N", 63), (7, 12, "W", 49),
        (7, 18, "E", 13), (7, 19, "W", 22), (8, 0, "W", 66), (8, 10, "E", 8), (9, 1, "S", 23), (9, 1, "W", 62),
        (9, 3, "W", 45), (10, 1, "N", 59), (10, 9, "E", 61), (10, 10, "E", 25), (10, 12, "W", 65),
        (10, 19, "W", 48), (11, 0, "E", 28), (11, 2, "E", 5), (11, 4, "N", 27), (11, 9, "W", 34),
        (11, 11, "E", 33), (11, 12, "N", 15), (11, 18, "E", 38), (11, 19, "W", 55), (12, 7, "N", 30),
        (12, 9, "N", 72), (12, 18, "N", 60), (12, 19, "N", 74),
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
