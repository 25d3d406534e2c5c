import numpy as np
import pytest

from envs.minilab.lasertag.arena import (
    ALIVE,
    AMMO,
    ARMOUR,
    BEAM,
    COOLDOWN,
    DIED,
    DISC,
    FIRE,
    FULL_AMMO,
    GADGET,
    HEALTH,
    IMPULSE,
    ORB,
    RAPID,
    SCORE,
    SHOT_X,
    SHOT_Y,
)
from tests.envs.minilab.lasertag.game import NEVER, Game


def armed(gadget: int, layout: str | None = None) -> Game:
    """The agent at (200, 350) looking east."""
    game = Game() if layout is None else Game(layout)
    game.put(0, 200, 350)
    arm(game, 0, gadget)
    return game


def arm(game: Game, p: int, gadget: int) -> None:
    game.facts[p, GADGET] = gadget
    game.facts[p, AMMO + gadget] = FULL_AMMO[gadget]


@pytest.mark.parametrize(
    ("gadget", "damage", "period_ms", "ammo"),
    [(RAPID, 7, 100, 100), (BEAM, 8, 50, 100), (DISC, 100, 1500, 10), (ORB, 100, 800, 10)],
)
def test_a_gadget_has_its_damage_period_and_ammunition(gadget, damage, period_ms, ammo):
    game = armed(gadget)
    game.put(1, 400, 350)
    game.facts[1, HEALTH] = 10_000
    assert game.facts[0, AMMO + gadget] == ammo
    shots, steps = 0, 50
    for _ in range(steps):
        game.put(1, 400, 350)  # it is pushed away
        game.act("fire")
        shots = ammo - game.facts[0, AMMO + gadget]
    assert shots == -(-(steps * 64 - 15) // period_ms)
    while game.flying():
        game.act()
    lost = 10_000 - game.facts[1, HEALTH]
    assert 0 <= shots * damage + 3 - lost <= damage  # it also wears off; the last orb may pass
    assert lost >= (shots - 1) * damage


def test_eighteen_rapid_hits_tag_out_and_pay_one():
    game = armed(RAPID)
    rewards = []
    for _ in range(40):
        game.put(1, 300, 350)
        if rewards and sum(rewards):
            break
        rewards.append(game.act("fire"))
    assert sum(rewards) == 1 and rewards[-1] == 1
    assert 100 - game.facts[0, AMMO + RAPID] == 18
    assert len(rewards) == 27  # 1.7 s at 64 ms


def test_a_tap_of_the_trigger_does_not_wait_for_the_period_to_add_up():
    game = armed(RAPID)
    game.act("fire")
    assert game.facts[0, AMMO + RAPID] == 99
    game.act("look_left", 10)
    assert game.facts[0, COOLDOWN] == 0
    game.act("fire")
    assert game.facts[0, AMMO + RAPID] == 98


@pytest.mark.parametrize(("distance", "hit"), [(787, True), (807, False)])  # muzzle 14, reach 768, half a box 15
def test_the_beam_ends_after_768_units(distance, hit):
    game = armed(BEAM, "\n".join(["*" * 14, "*P" + " " * 11 + "*", "*" * 14]))
    game.put(0, 150, 150)
    game.put(1, 150 + distance, 150)
    game.act("fire")
    assert (game.facts[1, HEALTH] < 125) == hit


@pytest.mark.parametrize(("distance", "hit"), [(59, True), (63, False)])
def test_without_ammunition_there_is_the_impulse_on_contact(distance, hit):
    game = armed(RAPID)
    game.facts[0, AMMO + RAPID] = 1
    game.act("fire")
    assert game.facts[0, GADGET] == IMPULSE and game.facts[0, COOLDOWN] > 0
    game.act("look_left", 10)
    game.put(0, 200, 350)
    game.put(1, 200 + distance, 350)
    game.act("fire")
    assert game.facts[1, HEALTH] == (75 if hit else 125)
    assert (game.facts[0, COOLDOWN] > 300) == hit


@pytest.mark.parametrize(
    ("left", "chosen"), [((RAPID, ORB), ORB), ((RAPID, BEAM), BEAM), ((RAPID,), RAPID), ((), IMPULSE)]
)
def test_a_gadget_that_runs_out_gives_way_to_the_best_that_is_left(left, chosen):
    game = armed(DISC)
    game.facts[0, AMMO:] = 0
    game.facts[0, AMMO + DISC] = 1
    for gadget in left:
        game.facts[0, AMMO + gadget] = 5
    game.act("fire")
    assert game.facts[0, GADGET] == chosen
    assert game.facts[0, COOLDOWN] >= 1500 + 450 - 64


@pytest.mark.parametrize(("gadget", "hits"), [(RAPID, [1]), (BEAM, [1]), (DISC, [1, 2, 3])])
def test_only_the_disc_goes_through_players(gadget, hits):
    game = armed(gadget)
    for p in (3, 1, 2):
        game.put(p, 200 + 100 * p, 350)
    game.act("fire")
    assert [p for p in (1, 2, 3) if game.facts[p, HEALTH] < 125] == hits


@pytest.mark.parametrize("gadget", [RAPID, ORB, BEAM, DISC])
def test_walls_stop_every_gadget(gadget):
    game = armed(gadget, "***********\n*P   *    *\n***********")
    game.put(0, 250, 150)
    game.put(1, 650, 150)
    game.act("fire")
    game.act("look_left", 10)
    assert game.facts[1, HEALTH] == 125


def test_shots_pass_the_dead_and_those_beside_the_line():
    game = armed(DISC)
    game.put(1, 400, 350)
    game.facts[1, DIED] = NEVER
    game.put(2, 500, 364)
    game.put(3, 600, 366)
    game.act("fire")
    assert game.facts[1:4, HEALTH].tolist() == [125, 25, 125]


def test_rapid_shots_spread_evenly_by_up_to_1_4_degrees():
    game = armed(RAPID)
    angles = []
    for _ in range(300):
        game.facts[0, [COOLDOWN, AMMO + RAPID]] = 0, 100
        game.put(0, 200, 350)
        game.act("fire")
        x, y = game.marks[0, [SHOT_X, SHOT_Y]]
        angles.append(np.degrees(np.arctan2(y - 350, x - 200)))
    assert 1.2 < max(angles) <= 1.4 and -1.4 <= min(angles) < -1.2
    assert abs(np.mean(angles)) < 0.15
    assert len(set(angles)) > 250


@pytest.mark.parametrize(
    ("damage_by", "armour", "health_after", "armour_after"),
    [(RAPID, 50, 123, 45), (DISC, 200, 91, 134), (DISC, 50, 75, 0), (BEAM, 3, 120, 0)],
)
def test_armour_takes_two_thirds_while_it_lasts(damage_by, armour, health_after, armour_after):
    game = armed(damage_by)
    game.put(1, 300, 350)
    game.facts[1, ARMOUR] = armour
    game.facts[0, COOLDOWN] = 40  # one shot in the step, even of the beam
    game.act("fire")
    assert game.facts[1, [HEALTH, ARMOUR]].tolist() == [health_after, armour_after]


@pytest.mark.parametrize(("gadget", "slide_ms"), [(RAPID, 50), (DISC, 200)])
def test_a_hit_pushes_by_five_times_the_damage_and_takes_the_grip_for_a_while(gadget, slide_ms):
    game = armed(gadget)
    game.put(1, 300, 350)
    game.facts[1, HEALTH] = 1000
    game.facts[0, COOLDOWN] = 64  # the shot falls into the last frame
    game.act("fire")
    speed = 35 if gadget == RAPID else 500
    assert np.hypot(game.body.vx[1], game.body.vy[1]) == pytest.approx(speed, abs=1.5)
    game.facts[0, COOLDOWN] = NEVER
    game.body.vx[1] = 90
    frames = 0
    while game.body.vx[1] == 90:
        game.act("look_left")
        frames += 4
    assert abs(16 * frames - slide_ms) < 64 + 16


def test_an_orb_flies_at_900_and_hits_with_100():
    game = armed(ORB)
    game.put(1, 700, 350)
    steps = 0
    game.act("fire")
    assert game.flying() and game.facts[1, HEALTH] == 125
    while game.flying():
        game.act()
        steps += 1
    assert game.facts[1, HEALTH] == 25
    assert (steps + 1) * 64 == pytest.approx((700 - 15 - 214) / 0.9, abs=70)
    assert game.body.vx[1] > 300


def test_a_burst_hurts_by_distance_from_the_box_but_not_twice_and_not_through_walls():
    game = armed(ORB, "***********\n*P       P*\n*   ***   *\n*P       P*\n***********")
    game.put(0, 250, 305)
    game.put(1, 600, 305)  # hit: the burst is at (585, 305)
    game.put(2, 570, 340)  # 20 units beside it
    game.put(3, 585, 184)  # 106 units off, behind a wall
    for p in (1, 2, 3):
        game.facts[p, HEALTH] = 120
    game.act("fire")
    while game.flying():
        game.act()
    assert game.facts[1:4, HEALTH].tolist() == [20, 120 - int(100 * (1 - 20 / 120)), 120]


def test_ones_own_burst_hurts_half_and_may_cost_a_point():
    game = armed(ORB)
    game.put(0, 960, 350)
    assert game.act("fire") == 0
    lost = 125 - game.facts[0, HEALTH]
    assert lost == int(100 * (1 - 24 / 120)) // 2
    assert game.state.body.vx[0] < -100  # thrown back
    game.act("look_left", 20)
    game.put(0, 960, 350)
    game.facts[0, HEALTH] = 30
    assert game.act("fire") == -1
    assert game.facts[0, DIED] >= 0


def test_tags_pay_the_agent_only_for_its_own():
    game = armed(RAPID)
    game.put(0, 200, 350, 90)
    game.put(1, 300, 350, 180)
    game.put(2, 250, 250, 180)
    arm(game, 1, DISC)
    arm(game, 2, DISC)
    game.minds.facts[1, FIRE] = 1
    game.facts[0, HEALTH] = 40
    assert game.act() == 0  # tagged by a bot
    assert game.facts[0, DIED] >= 0
    assert game.facts[[0, 1], SCORE].tolist() == [0, 1]
    game.put(3, 200, 250)
    game.facts[3, HEALTH] = 100
    game.minds.facts[2, FIRE] = 1
    assert game.act() == 0  # a bot tagged by a bot
    assert game.facts[3, DIED] >= 0 and game.facts[2, DIED] == ALIVE


def test_an_orb_that_lands_after_its_owners_death_still_counts():
    game = armed(ORB)
    game.put(1, 500, 350)
    game.facts[1, HEALTH] = 100
    game.act("fire")
    game.facts[0, DIED] = game.now
    assert game.act("look_left", 8) == 1
