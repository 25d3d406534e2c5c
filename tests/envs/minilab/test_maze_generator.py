"""Our mazes beside those of `labmaze`, where it is installed; and their invariants."""

import hashlib

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import label
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import shortest_path

from envs.minilab.levels.explore_goal_locations_small import ROOMS
from envs.minilab.levels.lasertag_three_opponents_small import ROOMS as LASERTAG_ROOMS
from envs.minilab.maze_generator import OBJECT, SIZE, SPAWN, Rooms, below, generate, random_states

COUNT = 1000
MEASURES = (
    "rooms",
    "open cells",
    "cells of rooms",
    "dead ends",
    "junctions",
    "doors",
    "mean way",
    "longest way",
    "has bends",
)


def has_bends(is_open: np.ndarray) -> bool:
    """Whether a corridor goes one cell aside, along a wall and back; most are pulled straight, some have a door."""
    padded = np.pad(is_open, 2)
    for turned in (np.rot90(padded, turn) for turn in range(4)):
        for length in range(1, SIZE - 3):
            wanted = np.full((4, length + 4), -1)  # -1: anything
            wanted[0, 1:-1], wanted[1] = 0, [0, *[1] * (length + 2), 0]
            wanted[2, 1:-1], wanted[3, 2:-2] = [1, *[0] * length, 1], 0
            seen = np.lib.stride_tricks.sliding_window_view(turned, wanted.shape)
            if ((wanted < 0) | (seen == wanted)).all((2, 3)).any():
                return True
    return False


def measure(is_open: np.ndarray, room: np.ndarray) -> list[float]:
    """`MEASURES` of one maze."""
    number = np.cumsum(is_open).reshape(is_open.shape) - 1
    pairs = [
        (number[y, x], number[y + dy, x + dx])
        for y, x in np.argwhere(is_open)
        for dy, dx in ((1, 0), (0, 1))
        if is_open[y + dy, x + dx]
    ]
    graph = coo_matrix((np.ones(len(pairs)), tuple(zip(*pairs, strict=True))), shape=(int(is_open.sum()),) * 2)
    ways = shortest_path(graph, directed=False, unweighted=True)
    degree = np.asarray(graph.sum(0)).ravel() + np.asarray(graph.sum(1)).ravel()
    beside = np.zeros_like(room)
    for axis in (0, 1):
        for step in (1, -1):
            beside |= np.roll(room, step, axis)
    doors = is_open & (room == 0) & (beside > 0)
    sizes = (is_open.sum(), (is_open & (room > 0)).sum(), (degree == 1).sum(), (degree >= 3).sum(), doors.sum())
    return [room.max(), *sizes, ways.mean(), ways.max(), has_bends(is_open)]


def of_labmaze(options: Rooms, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labmaze = pytest.importorskip("labmaze")
    maze = labmaze.RandomMaze(
        max_rooms=options.rooms,
        extra_connection_probability=options.extra_connections,
        spawns_per_room=options.spawns,
        objects_per_room=options.objects,
        random_seed=seed,
    )
    entities, rooms = (
        np.array([list(row) for row in str(layer).strip("\n").split("\n")])
        for layer in (maze.entity_layer, maze.variations_layer)
    )
    return entities != "*", np.where(rooms == ".", 0, np.vectorize(ord)(rooms) - ord("A") + 1)


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
