import subprocess
import sys
import zlib
from functools import cache

import numpy as np
import pytest

from envs.minilab.puzzles import (
    COLOURS,
    COLS,
    EAST_WEST,
    MAX_DOORS,
    MAX_KEYS,
    NORTH_SOUTH,
    ROWS,
    Cell,
    Puzzle,
    Step,
    _Plan,
    generate,
    new_puzzles,
    pack,
    parse,
    solve,
)

RED, GREEN, BLUE, WHITE, BLACK = range(5)
LENGTHS = (1, 2, 3)
# A map of DeepMind Lab's own generator.
EXAMPLE = """\
***************
***************
**   I P I   **
**  K*   *K  **
***H*** ***H***
**   I   I   **
**  G*K  *   **
*******H*******
******   ******
******   ******
***************
***************""".splitlines()
EXAMPLE_KEYS = (RED, RED, WHITE)
EXAMPLE_DOORS = (WHITE, WHITE, RED, BLACK, BLACK, BLACK, RED)


def example(keys=EXAMPLE_KEYS, doors=EXAMPLE_DOORS) -> Puzzle:
    return parse(EXAMPLE, keys, doors, core_length=2)


@cache
def sample() -> list[Puzzle]:
    rng = np.random.default_rng(5)
    return [generate(rng) for _ in range(6000)]


def core_plans(length: int, count: int = 500) -> list[_Plan]:
    """Plans before anything is built that is not of the core sequence."""
    rng = np.random.default_rng(length)
    plans = [_Plan(rng, length) for _ in range(count)]
    for plan in plans:
        plan.build_core_sequence()
    return plans


def full_plans(length: int, count: int = 500) -> list[_Plan]:
    plans = core_plans(length, count)
    for plan in plans:
        plan.build_extras()
    return plans


def corners(layout: tuple[str, ...]) -> list[tuple[int, int]]:
    """Line and column of the first cell of each room."""
    places = [(top, left) for top in range(2, len(layout) - 2, 3) for left in range(2, len(layout[0]) - 2, 4)]
    return [(top, left) for top, left in places if layout[top][left] != "*"]


def reachable(puzzle: Puzzle, opened: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Cells (col, row) that the agent can walk to when these doors are open."""
    closed = {(door.col, door.row) for door in puzzle.doors} - opened
    seen, todo = set(), [tuple(puzzle.spawn)]
    while todo:
        col, row = cell = todo.pop()
        if cell in seen or cell in closed or puzzle.layout[-1 - row][col] == "*":
            continue
        seen.add(cell)
        todo += [(col + 1, row), (col - 1, row), (col, row + 1), (col, row - 1)]
    return seen


def replay(puzzle: Puzzle, steps: list[Step]) -> int:
    """Return of a solution, played by the rules: one key in hand, good for one door."""
    keys = {(key.col, key.row): key.colour for key in puzzle.keys}
    doors = {(door.col, door.row): door.colour for door in puzzle.doors}
    opened, held, reward = set(), None, 0
    for kind, *place in steps:
        (col, row), cells = place, reachable(puzzle, opened)
        if kind == "door":
            assert doors.pop((col, row)) == held
            assert cells & {(col + 1, row), (col - 1, row), (col, row + 1), (col, row - 1)}
            opened.add((col, row))
        else:
            assert (col, row) in cells
        held = keys.pop((col, row)) if kind == "key" else None
        reward += 50 if kind == "goal" else 1
    assert steps[-1] == ("goal", *puzzle.goal)
    return reward


# --- What is generated -----------------------------------------------------------------------------------------


# Measured on a port of the original generator, rounded to one digit: mean and maximum.
@pytest.mark.parametrize(
    ("length", "rooms", "keys", "doors"),
    [(1, (4.3, 5), (1.5, 2), (3.2, 4)), (2, (6.0, 7), (3.3, 4), (5.9, 7)), (3, (6.5, 7), (4.3, 5), (7.3, 8))],
)
def test_rooms_keys_and_doors_are_as_many_as_in_the_original(length, rooms, keys, doors):
    puzzles = [puzzle for puzzle in sample() if puzzle.core_length == length]
    counts = np.array([(len(corners(p.layout)), len(p.keys), len(p.doors)) for p in puzzles])
    error = 0.05 + 2.5 * counts.std(axis=0) / len(puzzles) ** 0.5
    assert np.all(np.abs(counts.mean(axis=0) - (rooms[0], keys[0], doors[0])) < error)
    assert counts.max(axis=0).tolist() == [rooms[1], keys[1], doors[1]]


def test_core_sequences_of_one_two_and_three_are_equally_likely():
    counts = np.bincount([puzzle.core_length for puzzle in sample()], minlength=4)
    assert counts[0] == 0 and len(counts) == 4
    assert np.abs(counts[1:] - 2000).max() < 3.5 * (6000 * 2 / 9) ** 0.5


def test_every_puzzle_has_a_legal_solution_that_pays_at_most_50_and_2_a_core_door():
    returns = {length: [] for length in LENGTHS}
    for puzzle in sample()[:2000]:
        returns[puzzle.core_length].append(replay(puzzle, solve(puzzle)))
    for length in LENGTHS:
        intended = 50 + 2 * length
        assert max(returns[length]) == intended
        # A trap may be a short cut: it holds the last key, and the last door needs no other.
        assert np.mean(np.equal(returns[length], intended)) >= (0.95 if length == 3 else 1)


def test_rooms_are_two_by_three_cells_and_only_the_passages_between_them_are_open_else():
    for puzzle in sample()[:1000]:
        layout = puzzle.layout
        rooms = set(corners(layout))
        expected = {(top + r, left + c): "PKG " for top, left in rooms for r in range(2) for c in range(3)}
        expected |= {(top, left + 3): "I " for top, left in rooms if (top, left + 4) in rooms}
        expected |= {(top + 2, left + 1): "H " for top, left in rooms if (top + 3, left) in rooms}
        for row, line in enumerate(layout):
            for col, symbol in enumerate(line):
                assert symbol == "*" or symbol in expected[row, col]


def test_the_map_is_cut_to_the_rooms_and_has_walls_of_two_cells_around():
    sizes = set()
    for puzzle in sample():
        tops, lefts = zip(*corners(puzzle.layout), strict=True)
        height, width = len(puzzle.layout), len(puzzle.layout[0])
        assert (min(tops), min(lefts)) == (2, 2)
        assert (max(tops) + 4, max(lefts) + 5) == (height, width)
        assert {len(line) for line in puzzle.layout} == {width}
        sizes.add((height, width))
    assert sizes <= {(3 * r + 3, 4 * c + 3) for r in LENGTHS for c in LENGTHS}
    assert {(9, 11), (ROWS, COLS)} < sizes


def test_objects_lie_left_and_right_in_the_second_row_and_the_spawn_on_the_other_cells():
    objects, spawns = set(), set()
    for puzzle in sample()[:1000]:
        for top, left in corners(puzzle.layout):
            for row, col in np.ndindex(2, 3):
                symbol = puzzle.layout[top + row][left + col]
                objects |= {(row, col)} if symbol in "KG" else set()
                spawns |= {(row, col)} if symbol == "P" else set()
    assert objects == {(1, 0), (1, 2)}
    assert spawns == {(0, 0), (0, 1), (0, 2), (1, 1)}


def test_at_most_one_passage_has_no_door():
    without = {length: set() for length in LENGTHS}
    for puzzle in sample()[:1000]:
        rooms = corners(puzzle.layout)
        passages = [(top, left + 3) for top, left in rooms] + [(top + 2, left + 1) for top, left in rooms]
        without[puzzle.core_length].add(sum(puzzle.layout[row][col] == " " for row, col in passages))
    assert without == {1: {0, 1}, 2: {0, 1}, 3: {0}}


# --- The roles of rooms, doors and keys ------------------------------------------------------------------------


@pytest.mark.parametrize("length", LENGTHS)
def test_the_core_sequence_uses_its_colours_alone_and_each_key_lies_before_its_door(length):
    for plan in core_plans(length):
        assert len(set(plan.core_colours)) == length
        assert {colour for colour in plan.passages.values() if colour >= 0} <= set(plan.core_colours)
        rooms = list(plan.rooms.values())
        assert [room for room in rooms if -1 in room.objects] == [plan.core_rooms[-1]]
        for colour, core_room in zip(plan.core_colours, plan.core_rooms, strict=True):
            before = [room for room in rooms[: rooms.index(core_room)] if not room.is_decoy]
            assert sum(room.objects.count(colour) for room in before) == 1
            assert colour in [plan.passages.get(pair) for pair in plan.passages if core_room.place in pair]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_red_herring_is_empty_and_a_trap_lures_with_a_later_key_behind_the_door_of_an_older_room(length):
    traps, herrings = 0, 0
    for plan in core_plans(length):
        rooms = list(plan.rooms.values())
        for decoy in (room for room in rooms if room.is_decoy):
            pair = next(pair for pair in plan.passages if decoy.place in pair)  # the passage that it was built with
            stage = plan.core_colours.index(plan.passages[pair])
            if not decoy.objects:
                herrings += 1
                continue
            traps += 1
            (lure,) = decoy.objects
            assert plan.core_colours.index(lure) > stage
            parent = plan.rooms[pair[0] if pair[1] == decoy.place else pair[1]]
            assert rooms.index(parent) < rooms.index(plan.core_rooms[stage])
    assert herrings / 500 == pytest.approx(1 - 0.5**length, abs=0.07)
    assert (traps > 0) == (length > 1)


@pytest.mark.parametrize(("length", "share"), [(1, 0), (2, 0.79), (3, 0.976)])
def test_in_the_end_there_is_one_herring_and_mostly_one_trap_from_two_core_rooms_on(length, share):
    decoys = [sum(room.is_decoy for room in plan.rooms.values()) for plan in full_plans(length)]
    assert set(decoys) <= {1, 2}
    assert np.mean(decoys) - 1 == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("length", LENGTHS)
def test_doors_and_keys_beyond_the_core_sequence_keep_to_their_colours(length):
    useless_keys, most_free_doors = set(), 0
    for plan in full_plans(length):
        doors = [colour for colour in plan.passages.values() if colour >= 0]
        keys = [colour for room in plan.rooms.values() for colour in room.objects if colour >= 0]
        decoys = sum(room.is_decoy for room in plan.rooms.values())
        free_doors = [colour for colour in doors if colour in plan.free_colours]
        free_keys = [colour for colour in keys if colour in plan.free_colours]
        useless_keys.add(len(free_keys))
        most_free_doors = max(most_free_doors, len(free_doors))
        # A useless key opens no unopenable door, at most that of the easy extra room.
        assert all(free_doors.count(colour) <= 1 for colour in free_keys)
        assert len(keys) - len(free_keys) == length + decoys - 1
        assert len(doors) - len(free_doors) == length + decoys
    assert useless_keys == {0, 1}
    assert most_free_doors == (2 if length == 1 else 3)


# --- Maps written by hand, and the solver ----------------------------------------------------------------------


def test_the_example_of_the_original_is_read_and_solved():
    puzzle = example()
    assert puzzle.spawn == Cell(7, 9) and puzzle.goal == Cell(4, 5)
    assert puzzle.keys == ((4, 8, RED), (10, 8, RED), (6, 5, WHITE))
    assert puzzle.doors[:3] == ((5, 9, WHITE, EAST_WEST), (9, 9, WHITE, EAST_WEST), (3, 7, RED, NORTH_SOUTH))
    assert puzzle.doors[-1] == (7, 4, RED, NORTH_SOUTH)
    steps = solve(puzzle)
    assert steps == [("key", 6, 5), ("door", 5, 9), ("key", 4, 8), ("door", 3, 7), ("goal", 4, 5)]
    assert replay(puzzle, steps) == 54


@pytest.mark.parametrize(
    ("layout", "keys", "doors", "length"),
    [
        ("*P G*", [], [], 1),
        ("*PKIG*", [RED], [RED], 3),
        ("*PKIG*", [RED], [BLUE], None),
        ("*KPIIG*", [RED], [RED, RED], None),
        ("*KPKI IG*", [RED, RED], [RED, RED], 5),
        ("*KPKI IG*", [RED, GREEN], [GREEN, RED], 5),
        ("*P*G*", [], [], None),
    ],
)
def test_a_key_opens_one_door_of_its_colour(layout, keys, doors, length):
    steps = solve(parse(["*" * len(layout), layout, "*" * len(layout)], keys, doors, core_length=1))
    assert (steps and len(steps)) == length


def test_without_the_key_behind_the_first_door_the_example_has_no_solution():
    assert solve(example(keys=(BLUE, RED, WHITE))) is None


def test_maps_and_colours_must_fit_each_other():
    with pytest.raises(ValueError):
        example(keys=(RED, RED))
    with pytest.raises(ValueError):
        example(doors=(*EXAMPLE_DOORS, RED))
    with pytest.raises(ValueError):
        parse(["*PP*G*"], [], [], core_length=1)
    with pytest.raises(ValueError):
        parse(["*P*"], [], [], core_length=1)


# --- Packed for compiled code ----------------------------------------------------------------------------------


def test_a_packed_puzzle_stands_in_the_south_west_corner_in_units():
    small = parse(["*****", "*GHP*", "*K  *", "*****"], [BLUE], [WHITE], core_length=1)
    pool = pack([example(), small])
    rows = ["".join("*."[cell] for cell in row) for row in pool.open[0][::-1]]
    assert rows == ["".join("*" if symbol == "*" else "." for symbol in line) for line in EXAMPLE]
    assert pool.open[1].sum() == 6 and pool.open[1, 1:3, 1:4].all()
    assert pool.core_length.tolist() == [2, 1]
    assert (pool.spawn_x.tolist(), pool.spawn_y.tolist()) == ([750, 350], [950, 250])
    assert (pool.goal_x.tolist(), pool.goal_y.tolist()) == ([450, 150], [550, 250])
    assert pool.key_count.tolist() == [3, 1] and pool.door_count.tolist() == [7, 1]
    assert (pool.key_x[0, :3].tolist(), pool.key_y[0, :3].tolist()) == ([450, 1050, 650], [850, 850, 550])
    assert pool.key_colour[0, :3].tolist() == list(EXAMPLE_KEYS) and pool.key_colour[1, 0] == BLUE
    assert pool.door_x[0, :7].tolist() == [550, 950, 350, 1150, 550, 950, 750]
    assert pool.door_y[0, :7].tolist() == [950, 950, 750, 750, 650, 650, 450]
    assert pool.door_colour[0, :7].tolist() == list(EXAMPLE_DOORS)
    assert pool.door_kind[0, :7].tolist() == [0, 0, 1, 1, 0, 0, 1]


def test_a_pool_has_a_row_for_each_puzzle_in_contiguous_arrays_of_fixed_shape():
    pool = pack(new_puzzles(7, seed=1))
    for name, array in pool._asdict().items():
        assert array.flags.c_contiguous and array.flags.owndata
        assert array.dtype == (np.uint8 if name == "open" else np.float32 if name[-2:] in ("_x", "_y") else np.int32)
    assert pool.open.shape == (7, ROWS, COLS)
    assert pool.key_x.shape == (7, MAX_KEYS) and pool.door_x.shape == (7, MAX_DOORS)
    assert pool.goal_x.shape == pool.core_length.shape == (7,)
    assert pool.key_colour.max() < len(COLOURS)


@pytest.mark.parametrize(
    "layout", [["*" * COLS] * ROWS + ["*PG*"], ["*PG*" + "*" * COLS], ["*PG" + "K" * (MAX_KEYS + 1)]]
)
def test_what_is_larger_than_the_largest_cannot_be_packed(layout):
    puzzle = parse(layout, [RED] * layout[-1].count("K"), [], core_length=1)
    with pytest.raises(ValueError):
        pack([puzzle])


def test_a_pool_is_a_function_of_its_seed():
    def digest(seed: int) -> int:
        return zlib.crc32(b"".join(array.tobytes() for array in pack(new_puzzles(64, seed))))

    assert digest(0) == digest(0) == 2867838443  # on any machine
    assert digest(1) != digest(0)


def test_puzzles_are_made_without_numba():
    code = "import sys, envs.minilab.puzzles; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
