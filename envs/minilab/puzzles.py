"""Puzzles of rooms_keys_doors_puzzle: generated and solved in plain Python ahead of play, packed for compiled code.

Rooms of 2 x 3 cells stand on a 3 x 3 grid. The way to the goal is a chain of core rooms, each behind a door whose key
lies in a room before it; decoys (a trap, a red herring) look like it and waste a key.

Columns and rows of cells count from the south-west corner of the map, so the centre of a cell lies at
x = 100 col + 50, y = 100 row + 50. Colours are indices into `COLOURS`.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from envs.minilab.state import Float32Array, Int32Array

COLOURS = ("red", "green", "blue", "white", "black")
EAST_WEST, NORTH_SOUTH = 0, 1  # kinds of a door, by the passage that it closes

GRID = 3  # rooms along a side
ROWS, COLS = 3 * GRID + 3, 4 * GRID + 3  # cells of the largest map: pitch of the rooms, and walls of two cells around
MAX_KEYS = 5  # three core keys, the lure of the trap, a useless one
MAX_DOORS = 8  # seven rooms have at most eight walls in common

_MAX_OBJECTS = 2  # in a room
_EMPTY_ROOM_CHANCE = {1: 0.8, 2: 0.5, 3: 0.0}  # in each step, by length of the core sequence
_UNOPENABLE_DOORS = 2
_GOAL, _OPEN = -1, -1  # in the place of a colour: of a room's object, of a passage's door

T = TypeVar("T")
Place = tuple[int, int]  # row and column of a room on the grid


class Cell(NamedTuple):
    """Where something is."""

    col: int
    row: int


class Key(NamedTuple):
    """A key."""

    col: int
    row: int
    colour: int


class Door(NamedTuple):
    """A door, which fills its cell."""

    col: int
    row: int
    colour: int
    kind: int


class Puzzle(NamedTuple):
    """One map and what stands on it."""

    # From the north; `*` wall, `P` spawn, `K` key, `G` goal, `I` east-west, `H` north-south door.
    layout: tuple[str, ...]
    spawn: Cell
    goal: Cell
    keys: tuple[Key, ...]  # in reading order of the layout, as the doors
    doors: tuple[Door, ...]
    core_length: int  # doors on the intended way to the goal


class Step(NamedTuple):
    """Part of a solution: go there and touch it."""

    kind: str  # "key", "door" or "goal"
    col: int
    row: int


class PuzzlePool(NamedTuple):
    """N puzzles as arrays, for compiled code: x and y are centres of cells, what lies beyond a count is void."""

    open: npt.NDArray[np.uint8]  # [N, ROWS, COLS] 1 on floor and doors; row 0 is the southernmost
    spawn_x: Float32Array  # [N]
    spawn_y: Float32Array  # [N]
    goal_x: Float32Array  # [N]
    goal_y: Float32Array  # [N]
    core_length: Int32Array  # [N]
    key_count: Int32Array  # [N]
    key_x: Float32Array  # [N, MAX_KEYS]
    key_y: Float32Array  # [N, MAX_KEYS]
    key_colour: Int32Array  # [N, MAX_KEYS]
    door_count: Int32Array  # [N]
    door_x: Float32Array  # [N, MAX_DOORS]
    door_y: Float32Array  # [N, MAX_DOORS]
    door_colour: Int32Array  # [N, MAX_DOORS]
    door_kind: Int32Array  # [N, MAX_DOORS]


@dataclass(eq=False)
class _Room:
    place: Place
    is_decoy: bool = False
    objects: list[int] = field(default_factory=list)  # colours of keys, or _GOAL


def _neighbours(place: Place) -> list[Place]:
    row, col = place
    around = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
    return [(r, c) for r, c in around if 0 <= r < GRID and 0 <= c < GRID]


class _Plan:
    """A puzzle under construction, as a graph of rooms.

    Two of DeepMind Lab's rules are left out because they never come to bear here: starting anew for want of space (an
    enumeration of all plans found none that needs it; only a trap may find no place, and stays out), and a door of a
    core colour after the two unopenable ones (seven rooms share eight walls at most, and six of them are passages).
    """

    def __init__(self, rng: np.random.Generator, length: int) -> None:
        self.rng = rng
        colours = rng.permutation(len(COLOURS)).tolist()
        self.core_colours, self.free_colours = colours[:length], colours[length:]
        self.start = _Room((int(rng.integers(GRID)), int(rng.integers(GRID))))
        self.rooms = {self.start.place: self.start}  # from the oldest to the youngest
        self.passages: dict[tuple[Place, Place], int] = {}  # colour of the door between two places in ascending order
        self.core_rooms: list[_Room] = []
        self.owes_empty_room = self.owes_herring = self.owes_trap = True

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.rng.integers(len(items)))]

    def coin(self, chance: float = 0.5) -> bool:
        return bool(self.rng.random() < chance)

    def main_rooms(self) -> list[_Room]:
        return [room for room in self.rooms.values() if not room.is_decoy]

    def free_places(self, room: _Room) -> list[Place]:
        return [place for place in _neighbours(room.place) if place not in self.rooms]

    def connect(self, one: Place, other: Place, colour: int) -> None:
        self.passages[min(one, other), max(one, other)] = colour

    def closest(self, options: list[tuple[Place, _Room]]) -> tuple[Place, _Room]:
        """One of the places nearest to the start room, with the room beside it."""
        row, col = self.start.place
        distances = [(3 * (r - row)) ** 2 + (4 * (c - col)) ** 2 for (r, c), _ in options]
        best = min(distances)
        return self.pick([option for option, distance in zip(options, distances, strict=True) if distance == best])

    def attach(self, candidates: Sequence[_Room], colour: int, *, is_decoy: bool = False) -> _Room:
        """Build a room beside one of the candidates, as near to the start as possible ("compact")."""
        beside = [[(place, room) for place in self.free_places(room)] for room in candidates]
        place, parent = self.closest([self.closest(options) for options in beside if options])
        self.rooms[place] = _Room(place, is_decoy)
        self.connect(parent.place, place, colour)
        return self.rooms[place]

    def build_core_sequence(self) -> None:
        last = self.start
        for step in range(len(self.core_colours)):
            if self.owes_empty_room and self.coin(_EMPTY_ROOM_CHANCE[len(self.core_colours)]):
                last = self.attach([last], _OPEN)
                self.owes_empty_room = False
            herring = self.pick(("before", "after", "not now", "not now"))
            if herring == "before":
                self.try_herring()
            last = self.build_core_room(step, last)
            if herring == "after":
                self.try_herring()
        last.objects.append(_GOAL)

    def build_core_room(self, step: int, last: _Room) -> _Room:
        """A key in a room that there is, and behind its door the next core room; perhaps a trap for the one before."""
        key_room, on_last = last, True
        if self.coin() and self.free_places(last):
            key_room = self.pick([room for room in self.main_rooms() if len(room.objects) < _MAX_OBJECTS])
        else:
            on_last = self.owes_trap and step == len(self.core_colours) - 1
        key_room.objects.append(self.core_colours[step])
        room = self.attach([last] if on_last else self.main_rooms(), self.core_colours[step])
        self.core_rooms.append(room)
        if on_last and step > 0 and self.coin():
            self.try_trap(step - 1)
        return room

    def try_trap(self, competing: int) -> None:
        """Behind a door like that of a core room, but built before it, lies a key that is needed only later."""
        core_room = self.core_rooms[competing]
        older = list(itertools.takewhile(lambda room: room is not core_room, self.rooms.values()))
        if self.owes_trap and any(self.free_places(room) for room in older):
            trap = self.attach(older, self.core_colours[competing], is_decoy=True)
            trap.objects.append(self.pick(self.core_colours[competing + 1 :]))
            self.owes_trap = False

    def try_herring(self) -> None:
        """An empty room behind a door that looks like one of the core sequence."""
        if self.owes_herring:
            self.attach(self.main_rooms(), self.pick(self.core_colours), is_decoy=True)
            self.owes_herring = False

    def build_extras(self) -> None:
        for competing in self.rng.permutation(len(self.core_colours) - 1).tolist():
            self.try_trap(competing)
        if self.coin():  # the easy extra room
            self.attach(self.main_rooms(), self.pick(self.free_colours))
        self.try_herring()
        unopenable = self.build_unopenable_doors()
        useless = [colour for colour in self.free_colours if colour not in unopenable]
        if self.coin() and useless:
            room = self.pick([room for room in self.rooms.values() if len(room.objects) < _MAX_OBJECTS])
            room.objects.append(self.pick(useless))

    def build_unopenable_doors(self) -> list[int]:
        """Doors without a key, in walls that two rooms share, as far as there are any; returns their colours."""
        shared = [(place, other) for place in self.rooms for other in _neighbours(place) if other in self.rooms]
        walls = [pair for pair in shared if pair[0] < pair[1] and pair not in self.passages]
        colours = [self.pick(self.free_colours) for _ in range(min(_UNOPENABLE_DOORS, len(walls)))]
        for colour in colours:
            self.connect(*walls.pop(int(self.rng.integers(len(walls)))), colour)
        return colours

    def draw(self) -> Puzzle:
        """The plan as a map, cut to the part of the grid that has rooms."""
        north, west = (min(place[axis] for place in self.rooms) for axis in (0, 1))
        south, east = (max(place[axis] for place in self.rooms) for axis in (0, 1))
        lines = [["*"] * (4 * (east - west) + 7) for _ in range(3 * (south - north) + 6)]
        marks: dict[tuple[int, int], tuple[str, int]] = {}  # character and colour at (line, column)

        def corner(place: Place) -> tuple[int, int]:
            return 2 + 3 * (place[0] - north), 2 + 4 * (place[1] - west)

        for room in self.rooms.values():
            top, left = corner(room.place)
            lines[top][left : left + 3] = lines[top + 1][left : left + 3] = "   "
            sides = (left, left + 2) if self.coin() else (left + 2, left)
            for col, colour in zip(sides, room.objects, strict=False):
                marks[top + 1, col] = ("G" if colour == _GOAL else "K", colour)
        for (one, other), colour in self.passages.items():
            top, left = corner(one)
            cell, symbol = ((top, left + 3), "I") if one[0] == other[0] else ((top + 2, left + 1), "H")
            marks[cell] = (" " if colour == _OPEN else symbol, colour)
        top, left = corner(self.start.place)
        row, col = self.pick(((0, 0), (0, 1), (0, 2), (1, 1)))
        marks[top + row, left + col] = ("P", _OPEN)
        for (row, col), (symbol, _) in marks.items():
            lines[row][col] = symbol
        in_order = [mark for _, mark in sorted(marks.items())]
        return parse(
            ["".join(line) for line in lines],
            [colour for symbol, colour in in_order if symbol == "K"],
            [colour for symbol, colour in in_order if symbol in "IH"],
            len(self.core_colours),
        )


def generate(rng: np.random.Generator) -> Puzzle:
    """Draw a puzzle by the rules of DeepMind Lab's generator, with the level's defaults."""
    plan = _Plan(rng, length=int(rng.integers(1, 4)))
    plan.build_core_sequence()
    plan.build_extras()
    return plan.draw()


def parse(layout: Sequence[str], key_colours: Sequence[int], door_colours: Sequence[int], core_length: int) -> Puzzle:
    """A puzzle from its map (see `Puzzle.layout`) and the colours of keys and doors in reading order.

    Raises:
        ValueError: the colours are not as many as the keys or doors, or there is not one spawn and one goal.
    """
    cells = [
        (symbol, Cell(col, row))
        for row, line in zip(reversed(range(len(layout))), layout, strict=True)
        for col, symbol in enumerate(line)
        if symbol not in "* "
    ]
    (spawn,) = (cell for symbol, cell in cells if symbol == "P")
    (goal,) = (cell for symbol, cell in cells if symbol == "G")
    keys = [cell for symbol, cell in cells if symbol == "K"]
    doors = [(cell, "IH".index(symbol)) for symbol, cell in cells if symbol in "IH"]
    return Puzzle(
        layout=tuple(layout),
        spawn=spawn,
        goal=goal,
        keys=tuple(Key(*cell, colour) for cell, colour in zip(keys, key_colours, strict=True)),
        doors=tuple(Door(*cell, colour, kind) for (cell, kind), colour in zip(doors, door_colours, strict=True)),
        core_length=core_length,
    )


def floor_of(puzzle: Puzzle) -> npt.NDArray[np.uint8]:
    """1 on floor and doors, 0 on walls, [rows, cols] with the southernmost row first."""
    return np.array([[symbol != "*" for symbol in line] for line in reversed(puzzle.layout)], np.uint8)


# What a solver must know: regions within reach, keys that nobody took, colour of the held key if any.
_State = tuple[frozenset[int], frozenset[Key], int | None]


def _moves(state: _State, puzzle: Puzzle, region: npt.NDArray[np.integer]) -> Iterator[tuple[Step, _State]]:
    """Keys within reach, and doors that the held one opens and behind which there is something new."""
    reach, keys, held = state
    for key in puzzle.keys:
        if key in keys and int(region[key.row, key.col]) in reach:
            yield Step("key", key.col, key.row), (reach, keys - {key}, key.colour)
    for col, row, colour, kind in puzzle.doors:
        d_col, d_row = (1, 0) if kind == EAST_WEST else (0, 1)
        sides = {int(region[row - d_row, col - d_col]), int(region[row + d_row, col + d_col])}
        if colour == held and len(sides & reach) == 1:
            yield Step("door", col, row), (reach | sides, keys, None)


def solve(puzzle: Puzzle) -> list[Step] | None:
    """A shortest way to the goal (the fewest keys and doors), or None.

    The agent can walk round a key in its room, so only what it touches on purpose counts.
    """
    floor = floor_of(puzzle)
    for door in puzzle.doors:
        floor[door.row, door.col] = 0
    region, _ = ndimage.label(floor)
    goal = int(region[puzzle.goal.row, puzzle.goal.col])
    start: _State = (frozenset({int(region[puzzle.spawn.row, puzzle.spawn.col])}), frozenset(puzzle.keys), None)
    queue: deque[tuple[_State, list[Step]]] = deque([(start, [])])
    seen = {start}
    while queue:
        state, steps = queue.popleft()
        if goal in state[0]:
            return [*steps, Step("goal", *puzzle.goal)]
        for step, after in _moves(state, puzzle, region):
            if after not in seen:
                seen.add(after)
                queue.append((after, [*steps, step]))
    return None


def pack(puzzles: Sequence[Puzzle]) -> PuzzlePool:
    """Puzzles as arrays; a map smaller than the largest lies in the south-west corner.

    Raises:
        ValueError: a map, or its number of keys or doors, is larger than the largest that is generated.
    """
    n = len(puzzles)
    open_cells = np.zeros((n, ROWS, COLS), np.uint8)
    keys, doors = np.zeros((n, MAX_KEYS, 3), np.int32), np.zeros((n, MAX_DOORS, 4), np.int32)
    for i, puzzle in enumerate(puzzles):
        floor = floor_of(puzzle)
        open_cells[i, : floor.shape[0], : floor.shape[1]] = floor
        keys[i, : len(puzzle.keys)] = np.reshape(puzzle.keys, (-1, 3))
        doors[i, : len(puzzle.doors)] = np.reshape(puzzle.doors, (-1, 4))
    spawn = np.array([puzzle.spawn for puzzle in puzzles])
    goal = np.array([puzzle.goal for puzzle in puzzles])
    return PuzzlePool(
        open=open_cells,
        spawn_x=_centre(spawn[:, 0]),
        spawn_y=_centre(spawn[:, 1]),
        goal_x=_centre(goal[:, 0]),
        goal_y=_centre(goal[:, 1]),
        core_length=np.array([puzzle.core_length for puzzle in puzzles], np.int32),
        key_count=np.array([len(puzzle.keys) for puzzle in puzzles], np.int32),
        key_x=_centre(keys[..., 0]),
        key_y=_centre(keys[..., 1]),
        key_colour=keys[..., 2].copy(),
        door_count=np.array([len(puzzle.doors) for puzzle in puzzles], np.int32),
        door_x=_centre(doors[..., 0]),
        door_y=_centre(doors[..., 1]),
        door_colour=doors[..., 2].copy(),
        door_kind=doors[..., 3].copy(),
    )


def _centre(cells: npt.NDArray[np.integer]) -> Float32Array:
    """Where the middle of a column or row of cells lies, in units."""
    return (cells * 100 + 50).astype(np.float32)


def new_puzzles(count: int, seed: int, unlike: Collection[Puzzle] = ()) -> list[Puzzle]:
    """As many puzzles, none of them in `unlike`: a function of these and the seed alone."""
    rng = np.random.Generator(np.random.PCG64(seed))
    known = frozenset(unlike)
    endless = (generate(rng) for _ in itertools.count())
    return list(itertools.islice((puzzle for puzzle in endless if puzzle not in known), count))
