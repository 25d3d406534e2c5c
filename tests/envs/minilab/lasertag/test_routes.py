from collections import deque

import numpy as np

from envs.minilab.lasertag.routes import ARRIVED, cell_number, new_routes
from envs.minilab.maze_generator import Rooms
from envs.minilab.mazes import new_pool

STEPS = [(0, 1), (1, 0), (0, -1), (-1, 0)]  # east, north, west, south as (row, column)
CELLS = new_pool(Rooms(3, 0.05, 26, 3, 0), count=8).cells
ROUTES = new_routes(CELLS)


def distances(cells: np.ndarray, goal: tuple[int, int]) -> dict[tuple[int, int], int]:
    known, queue = {goal: 0}, deque([goal])
    while queue:
        row, column = queue.popleft()
        for dr, dc in STEPS:
            there = row + dr, column + dc
            if cells[there] and there not in known:
                known[there] = known[row, column] + 1
                queue.append(there)
    return known


def test_every_step_of_a_route_brings_the_goal_one_nearer():
    for m, cells in enumerate(CELLS):
        for goal in np.argwhere(cells > 0).tolist():
            known = distances(cells, tuple(goal))
            number = cell_number(CELLS, *goal)
            for here, distance in known.items():
                direction = ROUTES[m, number, cell_number(CELLS, *here)]
                if distance == 0:
                    assert direction == ARRIVED
                else:
                    dr, dc = STEPS[direction]
                    assert known[here[0] + dr, here[1] + dc] == distance - 1


def test_there_is_no_way_into_or_out_of_a_wall():
    for m, cells in enumerate(CELLS):
        wall = [cell_number(CELLS, *place) for place in np.argwhere(cells[1:-1, 1:-1] == 0) + 1]
        assert (ROUTES[m][wall] == ARRIVED).all() and (ROUTES[m][:, wall] == ARRIVED).all()
