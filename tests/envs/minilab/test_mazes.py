import numpy as np
import pytest

from envs.minilab.levels.explore_goal_locations_small import ROOMS
from envs.minilab.levels.lasertag_three_opponents_small import ROOMS as LASERTAG_ROOMS
from envs.minilab.mazes import DECAL, FLOOR, WALL, maze_textures, new_pool, pool_of_layout

LAYOUT = "*****\n*P G*\n*** *\n*  P*\n*****"


@pytest.fixture(scope="module")
def pool():
    return new_pool(ROOMS)


def faces(cells: np.ndarray) -> np.ndarray:
    """[R, C, 4] floor with a wall to the east, north, west, south."""
    wall = np.pad(cells == 0, 1, constant_values=True)
    beside = [wall[1:-1, 2:], wall[2:, 1:-1], wall[1:-1, :-2], wall[:-2, 1:-1]]
    return np.stack(beside, -1) & (cells > 0)[..., None]


def test_a_layout_lies_with_its_last_row_in_the_south():
    mazes = pool_of_layout(LAYOUT)
    assert mazes.cells[0].tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 1, 1, 1, 0], [0] * 5]
    assert mazes.spawns[0, : mazes.spawn_count[0]].tolist() == [[1, 3], [3, 1]]
    assert mazes.objects[0, : mazes.object_count[0]].tolist() == [[3, 3]]


def test_mazes_have_closed_borders_and_the_known_statistics(pool):
    """Of 1500 mazes of DeepMind Lab: 59 open cells, about 18 of them corridor (facts of the generator)."""
    cells = pool.cells
    assert not cells[:, [0, -1]].any() and not cells[:, :, [0, -1]].any()
    assert (cells > 0).sum((1, 2)).mean() == pytest.approx(59, abs=1.5)
    assert (cells == 1).sum((1, 2)).mean() == pytest.approx(18, abs=1.5)
    assert cells.max() == 2  # one look for all rooms
    assert len({maze.tobytes() for maze in cells}) > 0.95 * len(cells)


def test_every_room_has_five_spawn_points_and_four_places_for_goals(pool):
    rooms = pool.spawn_count / 5
    assert (rooms == np.round(rooms)).all()
    share = np.bincount(rooms.astype(int), minlength=5)[2:5] / len(rooms)
    assert share == pytest.approx([0.03, 0.28, 0.69], abs=0.05)
    assert (pool.object_count <= 4 * rooms).all() and (pool.object_count > 3 * rooms).mean() > 0.95


def test_the_pool_is_always_the_same_and_evaluation_has_its_own(pool):
    again, evaluation = new_pool(ROOMS, count=20), new_pool(ROOMS, evaluation=True, count=20)
    assert np.array_equal(again.cells, pool.cells[:20])
    assert not np.array_equal(evaluation.cells, again.cells)


def test_corridors_are_green_and_orange_and_rooms_take_any_paper(pool):
    assert (pool.surfaces[:, 0] == [WALL, FLOOR]).all()
    for surface, first in ((0, WALL), (1, FLOOR)):
        assert set(pool.surfaces[:, 1, surface].tolist()) == set(range(first, first + 20))
    wall, floor = (maze_textures("drawn")[number].reshape(-1, 3).mean(0) for number in (WALL, FLOOR))
    assert wall.argmax() == 1 and floor.argmax() == 0


def test_a_tenth_of_the_walls_carry_different_pictures(pool):
    for cells, decals in zip(pool.cells[:50], pool.decals[:50], strict=True):
        assert not decals[~faces(cells)].any()
        hung = decals[decals > 0]
        assert len(hung) == int(0.5 + 0.1 * faces(cells).sum()) == len(set(hung.tolist()))
        assert hung.min() >= DECAL and hung.max() < DECAL + 80


def test_mazes_of_lasertag_have_the_known_statistics():
    """Three rooms in 98 % of mazes, 54 open cells, about 20 of them corridor; each room has a look of its own."""
    pool = new_pool(LASERTAG_ROOMS, count=1024)
    assert (pool.spawn_count == 9).mean() == pytest.approx(0.98, abs=0.015)
    assert (pool.cells > 0).sum((1, 2)).mean() == pytest.approx(54, abs=1)
    assert (pool.cells == 1).sum((1, 2)).mean() == pytest.approx(20, abs=1)
    looks = np.array([len(set(maze[maze > 1].tolist())) for maze in pool.cells])
    assert (looks * 3 == pool.spawn_count).all()
    assert not pool.object_count.any()


@pytest.mark.parametrize(
    ("layout", "message"),
    [("*" * 65 + "\n*P" + " " * 62 + "*\n" + "*" * 65, "64 x 64 is the most"), ("*****\n*P*P*\n*****", "reached"),
     ("*****\n*P*G*\n*****", "reached")],
)  # fmt: skip
def test_layouts_that_cannot_be_played_are_refused(layout, message):
    with pytest.raises(ValueError, match=message):
        pool_of_layout(layout)
