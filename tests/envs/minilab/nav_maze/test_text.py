from __future__ import annotations

import importlib
from collections import deque

import numpy as np
import pytest

from envs.minilab.grid import EAST, NORTH, SOUTH, WEST
from envs.minilab.nav_maze.text import SIDES, apples_of, marked, places_of, steps_from, walls_of

FACTS = {  # rows, columns, starts, apples, goal, pictures; of DeepMind Lab's maps
    "static_01": (5, 10, 43, 5, (0, 4), 14),
    "static_02": (9, 15, 128, 13, (4, 14), 35),
    "static_03": (13, 20, 251, 26, (12, 9), 61),
    "random_goal_01": (5, 10, None, 5, None, 14),
    "random_goal_02": (9, 15, None, 13, None, 33),
    "random_goal_03": (13, 20, None, 26, None, 54),
}
every_maze = pytest.mark.parametrize("name", FACTS)


def maze_of(name):
    return importlib.import_module(f"envs.minilab.levels.nav_maze_{name}").MAZE


@every_maze
def test_mazes_are_what_the_maps_say(name):
    maze = maze_of(name)
    rows, columns, starts, apples, goal, pictures = FACTS[name]
    walls, places = walls_of(maze.layout), places_of(maze.layout)
    assert walls.shape == (rows, columns) and apples_of(maze.layout) == apples
    assert len(steps_from(walls, (0, 0))) == rows * columns  # all of it can be reached
    if goal is not None:
        assert places.goals.tolist() == [list(goal)]
        assert places.start_count.tolist() == [starts] and places.fruit_count.tolist() == [apples]
    else:
        assert len(places.goals) == rows * columns and (places.fruit_count == rows * columns - 1).all()
    assert len(maze.pictures) == pictures == len({place[:3] for place in maze.pictures})
    assert all(walls[row, column] >> SIDES[side] & 1 for row, column, side, *_ in maze.pictures)
    assert all(26 <= width <= 74 for *_, width in maze.pictures)
    looks = maze.looks.split()
    assert len(looks) == rows and {len(line) for line in looks} == {columns}
    assert set("".join(looks)) == set(map(str, range(len(maze.papers))))


@every_maze
def test_walls_stand_on_both_sides_of_a_border_and_all_round(name):
    walls = walls_of(maze_of(name).layout)
    east, north, west, south = (walls >> side & 1 for side in (EAST, NORTH, WEST, SOUTH))
    assert (east[:, :-1] == west[:, 1:]).all() and (north[:-1] == south[1:]).all()
    assert east[:, -1].all() and west[:, 0].all() and north[-1].all() and south[0].all()


def characters_from(lines, row, column):
    """Steps over the characters that are not walls, as DeepMind Lab's script counts them."""
    steps, queue = {(row, column): 0}, deque([(row, column)])
    while queue:
        here = row, column = queue.popleft()
        for there in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if lines[there[0]][there[1]] != "*" and there not in steps:
                steps[there] = steps[here] + 1
                queue.append(there)
    return steps


@pytest.mark.parametrize("name", ["random_goal_01", "random_goal_02", "random_goal_03"])
def test_one_starts_more_than_eight_characters_of_the_text_away_from_a_drawn_goal(name):
    layout = maze_of(name).layout
    lines, places = layout.strip().splitlines()[::-1], places_of(layout)
    for goal, starts, count in list(zip(places.goals, places.starts, places.start_count, strict=True))[::7]:
        steps = characters_from(lines, 2 * goal[0] + 1, 2 * goal[1] + 1)
        far = {(row // 2, column // 2) for (row, column), n in steps.items() if n > 8 and row % 2 and column % 2}
        assert {tuple(cell) for cell in starts[:count].tolist()} == far


def test_letters():
    layout = "*******\n*P A*G*\n* *** *\n*a P  *\n*******"
    assert marked(layout, "PA") == [(0, 1), (1, 0), (1, 1)] and marked(layout, "aA") == [(0, 0), (1, 1)]
    places = places_of(layout)
    assert places.goals.tolist() == [[1, 2]] and places.starts[0].tolist() == [[0, 1], [1, 0], [1, 1]]
    assert walls_of(layout)[1, 1] == 1 << EAST | 1 << NORTH | 1 << SOUTH
    assert steps_from(walls_of(layout), (1, 2)) == {(1, 2): 0, (0, 2): 1, (0, 1): 2, (0, 0): 3, (1, 0): 4, (1, 1): 5}
    assert np.array_equal(walls_of("\n" + layout + "\n"), walls_of(layout))
