"""Moving and seeing, against boxes and lines looked at one by one."""

from __future__ import annotations

import numpy as np
import pytest

from envs.minilab.grid import EAST, NORTH, SOUTH, WEST
from envs.minilab.levels.nav_maze_static_02 import MAZE
from envs.minilab.nav_maze.borders import Borders, draw_bordered_column, slide_between_walls
from envs.minilab.nav_maze.text import walls_of
from envs.minilab.physics import FRAME_S
from envs.minilab.render import screen_of
from envs.minilab.state import new_body
from envs.minilab.textures import SIZE, build_atlas
from envs.minilab.view import look, new_view

WALLS = walls_of(MAZE.layout)


def faces():
    """The boxes (west, south, east, north) of all faces, one unit thick, as the maps have them."""
    boxes = []
    for (row, column), bits in np.ndenumerate(WALLS):
        x, y = 100 * column, 100 * row
        for side, box in (
            (EAST, (x + 99, y, x + 100, y + 100)),
            (NORTH, (x, y + 99, x + 100, y + 100)),
            (WEST, (x, y, x + 1, y + 100)),
            (SOUTH, (x, y, x + 100, y + 1)),
        ):
            if bits >> side & 1:
                boxes.append(box)
    return np.array(boxes, float)


FACES = faces()


def free(x, y, gap=0.0):
    """Whether a body there is in no wall."""
    reach = 15 + gap
    west, south, east, north = FACES.T
    return not ((x + reach > west) & (x - reach < east) & (y + reach > south) & (y - reach < north)).any()


def slid(x, y, vx, vy):
    """One frame by the boxes: along x, then along y, each as far as no box is nearer than an eighth."""
    for axis, speed in ((0, vx), (1, vy)):
        low, high = FACES[:, axis], FACES[:, axis + 2]
        aside, aside_low, aside_high = (y, FACES[:, 1], FACES[:, 3]) if axis == 0 else (x, FACES[:, 0], FACES[:, 2])
        beside = (aside + 15 > aside_low) & (aside - 15 < aside_high)
        here = x if axis == 0 else y
        there = here + speed * float(FRAME_S)
        if speed > 0:
            stops = low[beside & (low >= here + 14.9)] - 15.125
            there = min([there, *stops])
        elif speed < 0:
            stops = high[beside & (high <= here - 14.9)] + 15.125
            there = max([there, *stops])
        x, y = (there, y) if axis == 0 else (x, there)
    return x, y


def test_bodies_slide_as_among_boxes():
    draws, body, faced, ended = np.random.default_rng(0), new_body(1), 0, 0
    for _ in range(6000):
        x, y = draws.uniform((20, 20), (1480, 880))
        if draws.random() < 0.7:  # where walls meet and end
            x, y = draws.uniform(-22, 22, 2) + 100 * draws.integers((1, 1), (15, 9))
        if not free(x, y, 0.125):
            continue
        vx, vy = draws.integers(-320, 321, 2)
        body.x[0], body.y[0], body.vx[0], body.vy[0] = x, y, vx, vy
        x, y = float(body.x[0]), float(body.y[0])
        slide_between_walls(body, 0, WALLS)
        wanted = slid(x, y, vx, vy)
        assert (body.x[0], body.y[0]) == pytest.approx(wanted, abs=2e-3), (x, y, vx, vy)
        assert free(body.x[0], body.y[0])
        for before, after, speed, left in ((x, wanted[0], vx, body.vx[0]), (y, wanted[1], vy, body.vy[0])):
            is_stopped = abs(after - before - speed * float(FRAME_S)) > 1e-3
            assert left == (0 if is_stopped else speed)
            gap = (after + np.sign(speed) * 15.125 + 50) % 100 - 50  # from its edge to the border of cells
            faced += is_stopped and abs(abs(gap) - 1) < 1e-6
            ended += is_stopped and abs(gap) < 1e-6
    assert faced > 100 and ended > 10


def test_nobody_gets_through_a_wall_in_a_long_walk():
    draws, body = np.random.default_rng(1), new_body(1)
    body.x[0], body.y[0] = 50, 50
    seen = set()
    for k in range(20_000):
        if k % 15 == 0:
            vx, vy = draws.integers(-320, 321, 2)
        body.vx[0], body.vy[0] = vx, vy
        slide_between_walls(body, 0, WALLS)
        assert free(body.x[0], body.y[0])
        seen.add((int(body.x[0] // 100), int(body.y[0] // 100)))
    assert len(seen) > 15


def test_the_first_wall_is_seen():
    obs = np.zeros((1, 24, 32, 3), np.uint8)
    maze = Borders(WALLS, np.zeros((*WALLS.shape, 2), np.uint8), np.zeros((*WALLS.shape, 4, 2), np.uint8))
    atlas, view, body = build_atlas([np.zeros((SIZE, SIZE, 3), np.uint8)]), new_view(1, 1), new_body(1)
    lines = [((w, s), (e, n)) for w, s, e, n in np.round(FACES / 100) * 100]  # as drawn: without the faces' thickness
    a, b = np.array(lines).transpose(1, 0, 2)
    draws = np.random.default_rng(2)
    for _ in range(60):
        x, y = draws.uniform((1, 1), (1499, 899))
        body.x[0], body.y[0], body.yaw[0], body.eye[0] = x, y, draws.uniform(-180, 180), 50
        look(view, 0, body, 0)
        cosine, sine = view.camera[0, 3:5]
        for column in range(0, 32, 5):
            screen = screen_of(obs, column)
            ray = np.array([cosine + screen * sine, sine - screen * cosine], float)
            edge, start = b - a, a - body_place(body)
            cross = ray[0] * edge[:, 1] - ray[1] * edge[:, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                depth = (start[:, 0] * edge[:, 1] - start[:, 1] * edge[:, 0]) / cross
                along = (start[:, 0] * ray[1] - start[:, 1] * ray[0]) / cross
            nearest = depth[(depth > 1e-6) & (along >= 0) & (along <= 1)].min()
            drawn = draw_bordered_column(obs, 0, column, screen, view, maze, np.float32(99), atlas)
            assert drawn == pytest.approx(max(nearest, 1), rel=1e-3)


def body_place(body):
    return np.array([body.x[0], body.y[0]], float)
