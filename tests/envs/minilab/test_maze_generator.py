"""Our mazes beside those of `labmaze`, where it is installed; and their invariants."""

import hashlib

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import label

from envs.minilab.levels.explore_goal_locations_small import ROOMS
from envs.minilab.levels.lasertag_three_opponents_small import ROOMS as LASERTAG_ROOMS
from envs.minilab.maze_generator import OBJECT, SIZE, SPAWN, Rooms, below, generate, random_states
from tests.envs.minilab.measured_mazes import MEASURES, measure, of_labmaze

COUNT = 1000


@pytest.mark.parametrize("options", [ROOMS, LASERTAG_ROOMS], ids=["explore", "lasertag"])
def test_mazes_are_distributed_as_those_of_labmaze(options):
    """Kolmogorov-Smirnov over a thousand of each, and means to 2 % or a tenth of the spread."""
    pytest.importorskip("labmaze")
    ours = np.array([measure(cells > 0, room) for cells, room in zip(*generate(options, COUNT, 5), strict=True)])
    theirs = np.array([measure(*of_labmaze(options, seed)) for seed in range(COUNT)])
    for name, a, b in zip(MEASURES, ours.T, theirs.T, strict=True):
        assert stats.ks_2samp(a, b).pvalue > 0.001, name
        assert a.mean() == pytest.approx(b.mean(), rel=0.02, abs=0.1 * b.std() + 1e-9), name
    assert not ours[:, MEASURES.index("dead ends")].any()


@pytest.mark.parametrize("options", [ROOMS, LASERTAG_ROOMS, Rooms(8, 0.5, 26, 2, 3), Rooms(1, 0.0, 1, 9, 9)])
def test_what_holds_for_every_maze(options):
    cells, rooms = generate(options, 200, 3)
    assert not cells[:, [0, -1]].any() and not cells[:, :, [0, -1]].any() and cells.shape == (200, SIZE, SIZE)
    for maze, room in zip(cells, rooms, strict=True):
        assert label(maze > 0)[1] == 1  # one piece
        assert 1 <= room.max() <= options.rooms
        for number in range(1, room.max() + 1):
            inside = maze[room == number]
            assert inside.all() and len(inside) in (9, 15)  # 3 x 3 or 3 x 5
            spawns, objects = ((inside == kind).sum() for kind in (SPAWN, OBJECT))
            assert spawns == min(options.spawns, len(inside))
            assert objects == min(options.objects, len(inside) - spawns)
        assert not ((maze == SPAWN) | (maze == OBJECT))[room == 0].any()


def test_more_doors_are_opened_when_asked_for():
    few, many = (np.mean(generate(ROOMS._replace(extra_connections=p), 300, 1)[0] > 0) for p in (0.0, 1.0))
    assert many > few + 0.01


def test_any_of_a_rooms_cells_may_be_marked():
    cells, rooms = generate(Rooms(1, 0.0, 1, 1, 0), 3000, 2)
    places = []
    for maze, room in zip(cells, rooms, strict=True):
        if room.sum() == 9:
            (row, column), (top, left) = np.argwhere(maze == SPAWN)[0], np.argwhere(room)[0]
            places.append(3 * (row - top) + column - left)
    assert stats.chisquare(np.bincount(places, minlength=9)).pvalue > 0.001


def test_numbers_are_even_and_the_generator_is_xorshift():
    state = random_states(1, 0)
    x, word = int(state[0]), 2**64 - 1
    drawn = [below(state, 0, 10) for _ in range(2000)]
    for value in drawn[:20]:
        x ^= x >> 12
        x ^= (x << 25) & word
        x ^= x >> 27
        assert value == ((x * 2685821657736338717 & word) >> 33) % 10
    assert stats.chisquare(np.bincount(drawn, minlength=10)).pvalue > 0.001


def test_a_key_gives_the_same_mazes_on_every_machine():
    """Change the digest only with the mazes: runs of before then play other ones."""
    digest = hashlib.sha256(generate(ROOMS, 50, 0)[0].tobytes() + generate(LASERTAG_ROOMS, 50, 0, 1)[1].tobytes())
    assert digest.hexdigest()[:16] == "83899346b5787345"
    assert np.array_equal(generate(ROOMS, 50, 0)[0][:10], generate(ROOMS, 10, 0)[0])
    assert not np.array_equal(generate(ROOMS, 10, 0)[0], generate(ROOMS, 10, 1)[0])


@pytest.mark.parametrize("rooms", [0, 9])
def test_more_rooms_than_there_is_memory_for_are_refused(rooms):
    with pytest.raises(ValueError, match=rf"rooms is {rooms}; it must lie in 1..8"):
        generate(ROOMS._replace(rooms=rooms), 1, 0)
