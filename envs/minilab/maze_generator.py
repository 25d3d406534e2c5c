"""Random mazes: separate rooms, corridors in all the space between them, and doors, in the manner of DeepMind Lab.

The rules are those of DeepMind Lab's generator (the public package `labmaze`), whose distributions the tests hold these
mazes against; the code is our own. A maze depends on its random state alone, on any machine.

1. Rooms of odd size are put at odd places, as long as they do not touch, until there are enough or `TRIES` failed.
2. Each free odd cell begins a corridor, which winds through free cells by a depth-first walk.
3. Any two regions that a wall of one cell parts get one door, and with a probability more of them.
4. Dead ends are filled, and bends of a corridor around a wall are pulled straight.
5. Spawn points and places for objects are drawn among the cells of each room.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from envs.minilab.jit import cached, compiled

UInt8Array = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
UInt64Array = npt.NDArray[np.uint64]

SIZE = 11  # cells to a side
TRIES = 1000  # to place a room
WALL, FREE, DOOR, SPAWN, OBJECT = range(5)  # what a cell holds
_MOST_ROOMS = 8
_HALF = (SIZE - 1) // 2  # places for a room to a side
_LONG = 2  # a room is three cells wide, or five in one direction
_MULTIPLIER = np.uint64(2685821657736338717)
_SHIFTS = (np.uint64(12), np.uint64(25), np.uint64(27), np.uint64(33))
_UNIT = 2.0**-31


class Rooms(NamedTuple):
    """What a level asks of the generator."""

    rooms: int
    extra_connections: float  # probability
    variations: int  # how many looks rooms may have
    spawns: int  # a room
    objects: int  # a room


class _Work(NamedTuple):
    """One maze in the making, and memory for it."""

    cells: UInt8Array  # [SIZE, SIZE]
    region: UInt8Array  # [SIZE, SIZE], 0 none, rooms from 1 on, then corridors
    rooms: Int32Array  # [rooms, 4], row, column, height, width
    stack: Int32Array  # [cells, 2]
    ways: Int32Array  # [4, 2] steps to the four sides
    doors: Int32Array  # [doors, 4], row and column, and the step to the region behind


@compiled
def below(state: UInt64Array, i: int, limit: int) -> int:
    """Draw an integer in [0, limit): xorshift64* (Vigna 2016), of which the upper 31 bits."""
    return int(_word(state, i) % limit)


@compiled
def _word(state: UInt64Array, i: int) -> int:
    x = state[i]
    x ^= x >> _SHIFTS[0]
    x ^= x << _SHIFTS[1]
    x ^= x >> _SHIFTS[2]
    state[i] = x
    return int((x * _MULTIPLIER) >> _SHIFTS[3])


@compiled
def _place_rooms(state: UInt64Array, i: int, most: int, work: _Work) -> int:
    """Rooms that do not touch, in any order; how many."""
    rooms, count, tries = work.rooms, 0, 0
    while count < most and tries < TRIES:
        height = width = 1
        if below(state, i, 2) == 0:
            width += below(state, i, _LONG)
        else:
            height += below(state, i, _LONG)
        row, column = 2 * below(state, i, _HALF - height) + 1, 2 * below(state, i, _HALF - width) + 1
        height, width = 2 * height + 1, 2 * width + 1
        apart = True
        for j in range(count):
            beside = row + height <= rooms[j, 0] or rooms[j, 0] + rooms[j, 2] <= row
            if not (beside or column + width <= rooms[j, 1] or rooms[j, 1] + rooms[j, 3] <= column):
                apart = False
        if apart:
            rooms[count, 0], rooms[count, 1], rooms[count, 2], rooms[count, 3] = row, column, height, width
            count += 1
        else:
            tries += 1
    for j in range(count - 1, 0, -1):  # later rooms tend to be small: their numbers must not tell
        other = below(state, i, j + 1)
        for k in range(4):
            rooms[j, k], rooms[other, k] = rooms[other, k], rooms[j, k]
    for j in range(count):
        for row in range(rooms[j, 0], rooms[j, 0] + rooms[j, 2]):
            for column in range(rooms[j, 1], rooms[j, 1] + rooms[j, 3]):
                work.cells[row, column], work.region[row, column] = FREE, j + 1
    return count


@compiled
def _wind_corridors(state: UInt64Array, i: int, first: int, work: _Work) -> int:
    """Corridors through all the odd cells without a region, numbered from `first` on; the number behind the last."""
    cells, region, stack, ways = work.cells, work.region, work.stack, work.ways
    for row in range(1, SIZE, 2):
        for column in range(1, SIZE, 2):
            if region[row, column] != 0:
                continue
            cells[row, column], region[row, column] = FREE, first
            stack[0, 0], stack[0, 1] = row, column
            depth = 1
            while depth > 0:
                y, x = stack[depth - 1, 0], stack[depth - 1, 1]
                options = 0
                for k in range(4):
                    options += _is_unused(region, y + 2 * ways[k, 0], x + 2 * ways[k, 1])
                if options == 0:
                    depth -= 1
                    continue
                chosen = below(state, i, options)
                for k in range(4):
                    if _is_unused(region, y + 2 * ways[k, 0], x + 2 * ways[k, 1]):
                        if chosen == 0:
                            for step in range(1, 3):
                                to_y, to_x = y + step * ways[k, 0], x + step * ways[k, 1]
                                cells[to_y, to_x], region[to_y, to_x] = FREE, first
                            stack[depth, 0], stack[depth, 1] = to_y, to_x
                            depth += 1
                            break
                        chosen -= 1
            first += 1
    return first


@compiled
def _is_unused(region: UInt8Array, y: int, x: int) -> bool:
    return 0 <= y < SIZE and 0 <= x < SIZE and region[y, x] == 0


@compiled
def _walls_between(a: int, b: int, work: _Work, wanted: int) -> int:
    """How many walls of one cell part region a from b; it stops at the `wanted` one, kept in the last of `doors`."""
    region, ways, found = work.region, work.ways, 0
    for row in range(1, SIZE, 2):
        for column in range(1, SIZE, 2):
            if region[row, column] != a:
                continue
            for k in range(4):
                y, x = row + 2 * ways[k, 0], column + 2 * ways[k, 1]
                if 0 <= y < SIZE and 0 <= x < SIZE and region[y, x] == b:
                    if found == wanted:
                        last = len(work.doors) - 1
                        work.doors[last, 0], work.doors[last, 1] = row + ways[k, 0], column + ways[k, 1]
                        work.doors[last, 2], work.doors[last, 3] = ways[k, 0], ways[k, 1]
                        return found + 1
                    found += 1
    return found


@compiled
def _open_doors(state: UInt64Array, i: int, regions: int, extra: float, work: _Work) -> int:
    """One door between any two regions side by side, then more with probability `extra`; how many."""
    cells, doors, ways, count = work.cells, work.doors, work.ways, 0
    last = len(doors) - 1
    for more in range(2):
        for a in range(1, regions):
            for b in range(a + 1, regions):
                walls = _walls_between(a, b, work, -1)
                first, end = 0, walls
                if more == 0 and walls > 0:
                    first = below(state, i, walls)
                    end = first + 1
                for wall in range(first, end):
                    if more == 1 and _word(state, i) * _UNIT > extra:
                        continue
                    _walls_between(a, b, work, wall)
                    y, x = doors[last, 0], doors[last, 1]
                    beside_a_door = False
                    for k in range(4):
                        beside_a_door |= cells[y + ways[k, 0], x + ways[k, 1]] == DOOR
                    if more == 0 or not beside_a_door:
                        cells[y, x] = DOOR
                        for k in range(4):
                            doors[count, k] = doors[last, k]
                        count += 1
    return count


@compiled
def _fill_dead_ends(work: _Work) -> None:
    cells, ways = work.cells, work.ways
    for row in range(SIZE):
        for column in range(SIZE):
            y, x = row, column
            while cells[y, x] == FREE:
                walls, to_y, to_x = 0, -1, -1
                for k in range(4):
                    beside = cells[y + ways[k, 0], x + ways[k, 1]]
                    if beside == WALL:
                        walls += 1
                    elif beside == FREE:
                        to_y, to_x = y + ways[k, 0], x + ways[k, 1]
                if walls < 3:
                    break
                cells[y, x] = WALL
                if to_y < 0:
                    break
                y, x = to_y, to_x


@compiled
def _holds(cells: UInt8Array, y: int, x: int, kind: int) -> bool:
    """Whether a cell holds that; what lies outside is wall."""
    return cells[y, x] == kind if 0 <= y < SIZE and 0 <= x < SIZE else kind == WALL


@compiled
def _is_bend(cells: UInt8Array, y: int, x: int, length: int, v_y: int, v_x: int) -> bool:
    """Whether a corridor goes from (y, x) one cell to the side v and back around a wall of so many cells.

    With u to the right of v, and (y, x) the first cell of the wall:

        v = 2     # # # # #
        v = 1   # . . . . . #
        v = 0     . # # # .
        v = -1      # # #
    """
    u_y, u_x = v_x, -v_y
    for u in range(-1, length + 1):
        inside = 0 <= u < length
        for v in range(-1, 3):
            kind = FREE if v == 1 or (v == 0 and not inside) else WALL
            if (v != -1 or inside) and not _holds(cells, y + u * u_y + v * v_y, x + u * u_x + v * v_x, kind):
                return False
    return _holds(cells, y - 2 * u_y + v_y, x - 2 * u_x + v_x, WALL) and _holds(
        cells, y + (length + 1) * u_y + v_y, x + (length + 1) * u_x + v_x, WALL
    )


@compiled
def _straighten_at(row: int, column: int, length: int, work: _Work) -> bool:
    """Pull a bend around a wall that begins here straight, as far as it goes; whether there was one."""
    cells, ways, y, x, any_bend = work.cells, work.ways, row, column, False
    found = True
    while found and cells[y, x] == WALL:
        found = False
        for k in range(4):
            v_y, v_x = ways[k, 0], ways[k, 1]
            if _is_bend(cells, y, x, length, v_y, v_x):
                u_y, u_x = v_x, -v_y
                for u in range(-1, length + 1):
                    if 0 <= u < length:
                        cells[y + u * u_y, x + u * u_x] = FREE
                    cells[y + u * u_y + v_y, x + u * u_x + v_x] = WALL
                y, x = y - v_y, x - v_x
                found = any_bend = True
                break
        if not (0 <= y < SIZE and 0 <= x < SIZE):
            break
    return any_bend


@compiled
def _straighten(work: _Work) -> None:
    length = 1
    while length < SIZE - 3:
        found = False
        for row in range(SIZE):
            for column in range(SIZE):
                if not found and _straighten_at(row, column, length, work):
                    found = True
        length = 1 if found and length > 1 else length + 1


@compiled
def _mark(state: UInt64Array, i: int, room: int, wanted: int, kind: int, work: _Work) -> None:
    """Mark so many of a room's free cells, or all of them where there are fewer."""
    cells, rooms, seen, left = work.cells, work.rooms, 0, 0
    for again in range(2):  # count them; then take each with the probability that leaves every choice equally likely
        for row in range(rooms[room, 0], rooms[room, 0] + rooms[room, 2]):
            for column in range(rooms[room, 1], rooms[room, 1] + rooms[room, 3]):
                if cells[row, column] != FREE:
                    continue
                if again == 0:
                    left += 1
                    continue
                if below(state, i, left - seen) < wanted:
                    cells[row, column] = kind
                    wanted -= 1
                seen += 1


@cached("mazes", __file__)
def _generate(state: UInt64Array, options: Rooms, work: _Work, cells: UInt8Array, rooms: UInt8Array) -> None:
    for i in range(len(cells)):
        work.cells[:] = WALL
        work.region[:] = 0
        count = _place_rooms(state, i, options.rooms, work)
        regions = _wind_corridors(state, i, count + 1, work)
        doors = _open_doors(state, i, regions, options.extra_connections, work)
        _fill_dead_ends(work)
        _straighten(work)
        for room in range(count):
            _mark(state, i, room, options.spawns, SPAWN, work)
        for room in range(count):
            _mark(state, i, room, options.objects, OBJECT, work)
        for j in range(doors):
            y, x, v_y, v_x = work.doors[j, 0], work.doors[j, 1], work.doors[j, 2], work.doors[j, 3]
            work.cells[y, x] = WALL if work.cells[y + v_y, x + v_x] == WALL else FREE
        for row in range(SIZE):
            for column in range(SIZE):
                cells[i, row, column] = work.cells[row, column]
                region = work.region[row, column]
                rooms[i, row, column] = region if region <= count else 0


def random_states(count: int, *key: int) -> UInt64Array:
    """Random states of `count` mazes. Raw numbers of PCG64 are the same in all versions of NumPy."""
    return np.random.PCG64(key).random_raw(count) | np.uint64(1)  # xorshift's state must not be 0


def generate(options: Rooms, count: int, *key: int) -> tuple[UInt8Array, UInt8Array]:
    """Mazes, always the same ones for the same `key`.

    Args:
        options: Of the level.
        count: N.
        key: Non-negative numbers.

    Returns:
        What each cell holds, [N, SIZE, SIZE] of `WALL`, `FREE`, `SPAWN`, `OBJECT`; and the number of the room that it
        belongs to, from 1 on, 0 for corridors, doors and walls between.

    Raises:
        ValueError: More rooms than a maze has memory for.
    """
    if not 0 < options.rooms <= _MOST_ROOMS:
        raise ValueError(f"rooms is {options.rooms}; it must lie in 1..{_MOST_ROOMS}")
    cells, rooms = np.zeros((2, count, SIZE, SIZE), np.uint8)
    work = _Work(
        cells=np.zeros((SIZE, SIZE), np.uint8),
        region=np.zeros((SIZE, SIZE), np.uint8),
        rooms=np.zeros((_MOST_ROOMS, 4), np.int32),
        stack=np.zeros((SIZE * SIZE, 2), np.int32),
        ways=np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.int32),
        doors=np.zeros((SIZE * SIZE, 4), np.int32),
    )
    _generate(random_states(count, *key), options, work, cells, rooms)
    return cells, rooms
