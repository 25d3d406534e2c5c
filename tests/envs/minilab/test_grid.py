import numpy as np
import pytest

from envs.minilab.grid import cast_in_grid, cell_at, clear_line, slide_in_grid
from envs.minilab.physics import ACTION_NAMES, ACTIONS, accelerate, block, place_body, touches_item, turn
from envs.minilab.state import new_body
from tests.envs.traces import load


def cells_of(layout: str) -> np.ndarray:
    rows = layout.strip("\n").splitlines()
    return np.array([[[character != "*" for character in row] for row in reversed(rows)]], np.uint8)


# An L: a cell in the south-west, one north of it, one east of it.
ELL = cells_of("****\n* **\n*  *\n****")


def act(body, name: str, frames: int, cells: np.ndarray = ELL) -> None:
    right, forward, left, _ = ACTIONS[ACTION_NAMES.index(name)]
    for _ in range(frames):
        turn(body, 0, left)
        accelerate(body, 0, right, forward)
        slide_in_grid(body, 0, cells, 0)


def body_at(x: float, y: float, yaw: float = 0):
    body = new_body(1)
    place_body(body, 0, x, y, yaw)
    return body


# (name, agent steps until the first respawn or collision with another player)
@pytest.mark.parametrize(
    ("name", "steps"),
    [("explore_goal_locations_small_101", 399), ("explore_goal_locations_small_102", 344),
     ("lasertag_three_opponents_small_101", 17)],
)  # fmt: skip
def test_positions_in_mazes_follow_the_recorded_engine(name, steps):
    trace = load(name)
    cells = cells_of(trace.layout)
    body = body_at(*trace.xy[0], trace.yaw[0])
    distance, turned = [], []
    for t in range(steps):
        act(body, ACTION_NAMES[trace.actions[t]], 4, cells)
        distance.append(np.hypot(body.x[0] - trace.xy[t + 1, 0], body.y[0] - trace.xy[t + 1, 1]))
        turned.append(abs((body.yaw[0] - trace.yaw[t + 1] + 180) % 360 - 180))
    assert max(distance[:25]) < 5
    assert max(distance) < 10  # walls, corners and all, without any correction on the way
    assert max(turned) < 0.01


@pytest.mark.parametrize(
    ("yaw", "x", "y"), [(0, 283.875, 150), (90, 150, 283.875), (180, 116.125, 150), (-90, 150, 116.125)]
)
def test_a_wall_stops_the_body_16_units_and_a_bit_before_its_cell(yaw, x, y):
    body = body_at(150, 150, yaw)
    act(body, "forward", 40)
    assert (body.x[0], body.y[0]) == pytest.approx((x, y), abs=0.5)
    assert np.hypot(body.vx[0], body.vy[0]) == 0


def test_along_a_wall_the_body_slides():
    body = body_at(150, 117, -30)
    act(body, "forward", 20)
    assert body.y[0] == pytest.approx(116.125)
    assert body.vy[0] == 0 and body.vx[0] > 200


def test_a_corner_that_sticks_out_is_solid():
    body = body_at(150, 184.5, 0)  # half a unit too far north to pass: the end of the face round the corner stops it
    act(body, "forward", 40)
    assert body.x[0] == pytest.approx(184.875)
    body = body_at(150, 183.5, 0)
    act(body, "forward", 40)
    assert body.x[0] == pytest.approx(283.875)


def test_beyond_the_edge_is_wall():
    assert [cell_at(ELL, 0, row, 1) for row in (-1, 0, 1, 2, 3, 4)] == [0, 0, 1, 1, 0, 0]
    assert cell_at(ELL, 0, 1, -1) == cell_at(ELL, 0, 1, 4) == 0


@pytest.mark.parametrize(
    ("x", "y", "ray", "t"),
    [(150, 150, (1, 0), 150), (150, 150, (-1, 0), 50), (150, 150, (0, 2), 75), (150, 150, (-1, -1), 50),
     (250, 150, (-1, 1), 50), (210, 120, (-1, 0.5), 110)],
)  # fmt: skip
def test_a_ray_ends_at_the_first_wall(x, y, ray, t):
    numbers = (np.float32(number) for number in (x, y, *ray))
    assert cast_in_grid(ELL, 0, *numbers) == pytest.approx(t, rel=1e-5)


def test_a_ray_agrees_with_small_steps_through_random_mazes():
    generator = np.random.default_rng(0)
    cells = np.zeros((1, 9, 9), np.uint8)
    cells[0, 1:-1, 1:-1] = generator.random((7, 7)) < 0.7
    rows, columns = np.nonzero(cells[0])
    for _ in range(300):
        k = generator.integers(len(rows))
        x, y = (columns[k] + generator.random()) * 100, (rows[k] + generator.random()) * 100
        angle = generator.random() * 2 * np.pi
        t = cast_in_grid(cells, 0, *(np.float32(number) for number in (x, y, np.cos(angle), np.sin(angle))))
        along = np.arange(0, 1200, 0.25)
        row = ((y + along * np.sin(angle)) // 100).astype(int) % 9
        column = ((x + along * np.cos(angle)) // 100).astype(int) % 9
        wall = cells[0, row, column] == 0
        assert t == pytest.approx(along[np.argmax(wall)], abs=0.6)


def test_walls_hide_and_floors_do_not():
    points = [np.float32(number) for number in (250, 150, 150, 150)]
    assert clear_line(ELL, 0, *points)
    assert not clear_line(ELL, 0, *(np.float32(number) for number in (250, 150, 150, 250)))


def test_a_box_blocks_from_the_side_the_body_came_from():
    body = body_at(100, 100)
    body.x[0], body.vx[0], body.vy[0] = 130, 50, 20
    block(body, 0, 100, 100, 150, 100, 15, 15)
    assert (body.x[0], body.vx[0], body.vy[0]) == (pytest.approx(119.875), 0, 20)
    body.y[0] = 60
    block(body, 0, 119.875, 60, 150, 100, 15, 15)
    assert body.y[0] == 60  # beside it
    body.x[0], body.y[0] = 150, 75
    block(body, 0, 150, 60, 150, 100, 15, 15)
    assert (body.x[0], body.y[0], body.vy[0]) == (150, pytest.approx(69.875), 0)


@pytest.mark.parametrize(
    ("dx", "dy", "touch"),
    [(0, 0, True), (-50, 0, True), (-50.1, 0, False), (44, 36, True), (44.1, 0, False), (0, -36, True), (0, 37, False)],
)
def test_items_are_picked_up_within_quakes_lopsided_box(dx, dy, touch):
    assert touches_item(body_at(500 + dx, 500 + dy), 0, np.float32(500), np.float32(500)) == touch
