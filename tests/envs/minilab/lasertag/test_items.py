from collections import Counter

import numpy as np
import pytest

from envs.minilab.env import MinilabEnv
from envs.minilab.lasertag.arena import (
    AMMO,
    ARMOUR,
    ARMOUR_PACK,
    BEAM,
    CHARGE,
    COOLDOWN,
    DIED,
    DISC,
    GADGET,
    HEALTH,
    HEALTH_PACK,
    KIND,
    ORB,
    RAPID,
    UNTIL,
)
from tests.envs.minilab.lasertag.game import NAME, NEVER, Game


def test_a_gadget_and_two_packs_lie_on_different_empty_cells_without_spawn_points():
    env = MinilabEnv(NAME, 600, 24, 24)
    env.reset()
    items, mazes = env.state.items, env.scene.mazes
    for i, m in enumerate(env.state.maze):
        cells = [(int(y // 100), int(x // 100)) for x, y in items.places[i, :3]]
        assert len(set(cells)) == 3
        assert all(mazes.cells[m, row, column] > 0 for row, column in cells)
        assert not set(cells) & {(row, column) for row, column in mazes.spawns[m, : mazes.spawn_count[m]].tolist()}
    kinds = Counter(items.facts[:, 0, KIND].tolist())
    assert set(kinds) == {ORB, BEAM, DISC} and min(kinds.values()) > 160
    packs = Counter(items.facts[:, 1:3, KIND].ravel().tolist())
    assert set(packs) == {HEALTH_PACK, ARMOUR_PACK} and min(packs.values()) > 540
    assert (items.facts[:, 3:, UNTIL] == 0).all()


@pytest.mark.parametrize(
    ("kind", "fact", "before", "after"),
    [
        (HEALTH_PACK, HEALTH, 30, 80),
        (HEALTH_PACK, HEALTH, 99, 100),
        (HEALTH_PACK, HEALTH, 100, 100),
        (HEALTH_PACK, HEALTH, 120, 120),
        (ARMOUR_PACK, ARMOUR, 0, 50),
        (ARMOUR_PACK, ARMOUR, 170, 200),
        (ARMOUR_PACK, ARMOUR, 200, 200),
        (ORB, AMMO + ORB, 0, 10),
        (ORB, AMMO + ORB, 4, 10),
        (ORB, AMMO + ORB, 10, 11),
        (BEAM, AMMO + BEAM, 0, 100),
        (DISC, AMMO + DISC, 3, 10),
    ],
)
def test_what_an_item_gives_and_when_it_is_left(kind, fact, before, after):
    game = Game()
    game.put(0, 500, 350)
    game.facts[0, fact] = before
    game.lay(1, kind, 500, 350)
    game.act()
    assert game.facts[0, fact] == after
    assert game.lies(1) == (after == before)


@pytest.mark.parametrize(("kind", "seconds"), [(ORB, 5), (BEAM, 5), (DISC, 5), (HEALTH_PACK, 35), (ARMOUR_PACK, 25)])
def test_items_come_back_after_a_time(kind, seconds):
    game = Game()
    game.put(0, 500, 350)
    game.facts[0, HEALTH] = 50
    game.lay(2, kind, 500, 350)
    game.act()
    taken = game.now - 64
    assert not game.lies(2)
    game.put(0, 200, 350)
    while not game.lies(2):
        game.act()
    assert abs(game.now - taken - 1000 * seconds) <= 64


def test_a_new_gadget_is_raised_at_once_which_takes_a_moment():
    game = Game()
    game.put(0, 500, 350)
    game.lay(0, DISC, 500, 350)
    game.act()
    assert game.facts[0, GADGET] == DISC
    assert 300 < game.facts[0, COOLDOWN] <= 450
    game.act("fire", 3)
    assert game.facts[0, AMMO + DISC] == 10
    game.act("fire", 4)
    assert game.facts[0, AMMO + DISC] == 9


def killed_with(gadget: int, ammo: int) -> Game:
    """The agent at (200, 350) has just tagged out bot 1 at (400, 350)."""
    game = Game()
    game.put(0, 200, 350)
    game.put(1, 400, 350)
    game.facts[1, [GADGET, HEALTH]] = gadget, 1
    game.facts[1, AMMO + gadget] = ammo
    assert game.act("fire") == 1
    return game


def test_who_is_tagged_out_drops_the_gadget_with_its_ammunition():
    game = killed_with(BEAM, 37)
    assert game.lies(4) and game.items.facts[0, 4, [KIND, CHARGE]].tolist() == [BEAM, 37]
    np.testing.assert_allclose(game.items.places[0, 4], [400, 350], atol=3)
    game.facts[0, AMMO + BEAM] = 5
    game.put(0, 400, 350)
    game.act()
    assert not game.lies(4)
    assert game.facts[0, AMMO + BEAM] == 42


@pytest.mark.parametrize(("gadget", "ammo"), [(RAPID, 50), (ORB, 0)])
def test_rapid_and_empty_gadgets_are_not_dropped(gadget, ammo):
    assert not killed_with(gadget, ammo).lies(4)


def test_a_dropped_gadget_is_gone_after_30_seconds():
    game = killed_with(ORB, 3)
    game.facts[1, DIED] = NEVER  # or it would fetch it
    died = game.now
    while game.lies(4):
        game.act()
    assert abs(game.now - died - 30_000) <= 64


def test_bots_pick_up_too_and_the_dead_do_not():
    game = Game()
    game.put(0, 500, 350)
    game.lay(0, ORB, 800, 350)
    game.body.x[1], game.body.y[1] = 800, 350  # dead
    game.act()
    assert game.lies(0)
    game.put(1, 800, 350)
    game.act()
    assert not game.lies(0) and game.facts[1, GADGET] == ORB
