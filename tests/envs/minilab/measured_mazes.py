"""What mazes are measured by, and DeepMind Lab's own generator, `labmaze`, with the options of a level."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import shortest_path

from envs.minilab.maze_generator import SIZE, Rooms

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
    import labmaze

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
