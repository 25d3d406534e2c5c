import numpy as np
import pytest
import torch

from envs.minilab.env import MinilabEnv
from envs.minilab.lasertag.arena import (
    ALIVE,
    AMMO,
    ARMOUR,
    BEAM,
    DIED,
    FIRE,
    GADGET,
    HEALTH,
    ORB,
    RAPID,
    SCORE,
    SHOVED,
)
from envs.minilab.lasertag.weapons import DEAD_EYE
from tests.envs.minilab.lasertag.game import HALL, NAME, NEVER, Game

CORNERS = {(150, 150), (950, 150), (150, 550), (950, 550)}


def killed() -> Game:
    """The agent has just been tagged out at (500, 350)."""
    game = Game()
    game.put(0, 500, 350, 30)
    game.put(1, 600, 350, 180)
    game.facts[0, [HEALTH, GADGET]] = 1, BEAM
    game.facts[0, AMMO + BEAM] = 20
    game.minds.facts[1, FIRE] = 1
    game.act()
    game.facts[1, DIED] = NEVER
    assert game.facts[0, DIED] >= 0
    return game


@pytest.mark.parametrize(("fact", "start"), [(HEALTH, 125), (ARMOUR, 120)])
def test_what_is_above_100_falls_by_one_a_second(fact, start):
    game = Game()
    game.facts[0, fact] = start
    game.act("look_left", 160)  # 10.24 s
    assert game.facts[0, fact] == start - 10
    game.act("look_left", 500)
    assert game.facts[0, fact] == 100


def test_the_dead_neither_move_nor_look_nor_shoot_and_lie_low():
    game = killed()
    pose = game.env.poses()[0].tolist()
    assert game.state.body.eye[0] == DEAD_EYE
    for name in ("forward", "look_left", "strafe_right"):
        game.act(name, 5)
    assert game.env.poses()[0].tolist() == pose
    assert game.facts[0, HEALTH] == 0


def test_who_is_dead_comes_back_with_fire_after_1700_ms_and_not_before():
    game = killed()
    died = int(game.facts[0, DIED])
    while game.facts[0, DIED] != ALIVE:
        assert game.now - died < 1800
        game.act("fire")
    assert game.now - died >= 1700
    assert tuple(game.env.poses()[0, :2].tolist()) in CORNERS
    assert game.facts[0, [HEALTH, ARMOUR, GADGET]].tolist() == [125, 0, RAPID]
    assert game.facts[0, AMMO:].tolist() == [0, 100, 0, 0, 0]


def test_without_fire_one_waits_20_seconds_more():
    game = killed()
    died = int(game.facts[0, DIED])
    while game.facts[0, DIED] != ALIVE:
        assert game.now - died < 21_800
        game.act("forward")
    assert game.now - died >= 21_700


def test_bots_come_back_as_soon_as_they_may():
    game = Game()
    game.facts[2, DIED] = game.now
    steps = 0
    while game.facts[2, DIED] != ALIVE:
        game.act()
        steps += 1
    assert 1700 <= 64 * steps <= 1700 + 64 + 16
    assert (game.body.x[2], game.body.y[2]) != (0, 0)


def test_all_four_begin_on_different_spawn_points_and_look_anywhere():
    env = MinilabEnv(NAME, 400, 24, 24, layout=HALL)
    env.reset()
    body = env.state.players.body
    places = np.stack([body.x, body.y], 1).reshape(400, 4, 2)
    assert all({tuple(place) for place in four} == CORNERS for four in places.tolist())
    _, counts = np.unique(places[:, 0], axis=0, return_counts=True)
    assert counts.min() > 70
    assert np.histogram(body.yaw, 8, (-180, 180))[0].min() > 140
    assert env.poses()[:, :2].tolist() == places[:, 0].tolist()


def test_nobody_comes_back_where_somebody_stands():
    game = killed()
    for p, (x, y) in zip((1, 2, 3), sorted(CORNERS)[:3], strict=True):
        game.put(p, x + 20, y - 20)
    game.act("fire", 30)
    assert tuple(game.env.poses()[0, :2].tolist()) == sorted(CORNERS)[3]


def test_a_single_spawn_point_is_used_whoever_stands_there():
    env = MinilabEnv(NAME, 1, 24, 24, layout="*****\n*P  *\n*   *\n*****")
    env.reset()
    assert set(env.state.players.body.x.tolist()) == {150.0}
    start = env.poses()[0, :2]
    for _ in range(8):
        env.step(torch.tensor([0]))
    assert np.hypot(*(env.poses()[0, :2] - start)) > 10  # they may walk apart


@pytest.mark.parametrize(("action", "yaw"), [("forward", 0), ("backward", 180), ("strafe_left", -90)])
def test_players_are_solid_to_one_another(action, yaw):
    game = Game()
    game.put(0, 500.3, 350, yaw)
    game.put(1, 600.7, 340)
    for _ in range(60):
        game.act(action)
    assert game.state.body.x[0] == pytest.approx(600.7 - 30.125, abs=0.01)
    game.facts[1, DIED] = NEVER
    game.act(action, 10)
    assert game.state.body.x[0] > 620


def test_not_even_rounding_lets_players_through():
    game = Game()
    for x in np.linspace(490, 491, 40):  # float32 is coarser where the agent stands, beyond 512
        game.put(0, x + 31, 350, 180)
        game.put(1, x, 340)
        game.act("forward", 6)
        assert game.state.body.x[0] > x + 30


def test_a_bot_that_pushes_does_not_walk_through_the_agent():
    game = Game()
    game.put(0, 600.7, 350)
    game.put(1, 500.3, 360)
    game.minds.wishes[1] = 0, 0, 1  # east
    game.act("look_left", 60)
    assert game.body.x[1] == pytest.approx(600.7 - 30.125, abs=0.01)
    assert game.state.body.x[0] == pytest.approx(600.7)


def test_who_was_just_shoved_slides_without_friction_and_hardly_steers():
    game = Game()
    for p, shoved in ((1, 200), (2, 0)):
        game.put(p, 300, 200 * p)
        game.facts[p, SHOVED] = shoved
        game.body.vx[p] = 200
    game.minds.wishes[1] = 0, 90, 1  # tries to go north
    game.act()
    assert game.body.vx[1] == 200 and 0 < game.body.vy[1] < 25
    assert game.body.vx[2] < 160


def test_placing_the_agent_counts_in_the_next_step():
    game = Game()
    game.put(0, 700, 250, 90)
    game.act("forward")
    x, y, yaw = game.env.poses()[0]
    assert (x, yaw) == (700, 90) and 250 < y < 270


def test_an_episode_begins_without_orbs_marks_and_scores():
    game = Game()
    game.facts[0, [GADGET, AMMO + ORB]] = ORB, 5
    game.put(0, 200, 350)
    game.act("fire")
    game.facts[:, SCORE] = 7
    assert game.flying()
    game.env.reset()
    assert not game.flying() and not game.facts[:, SCORE].any()
    assert not game.marks.any()
