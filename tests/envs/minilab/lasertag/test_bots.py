import numpy as np
import pytest

from envs.minilab.lasertag.arena import (
    AIM,
    ALIVE,
    AMMO,
    DIED,
    FIRE,
    GADGET,
    GOAL,
    GOAL_UNTIL,
    HEALTH,
    HEALTH_PACK,
    HURT,
    ORB,
    RAPID,
    SIGHTED,
    TARGET,
    THINK,
)
from envs.minilab.lasertag.bots import ACCURACY, ERROR, REACTION_MS, THROTTLE
from envs.minilab.lasertag.routes import cell_number
from tests.envs.minilab.lasertag.game import NEVER, Game

MAZE = """
***********
*P  *    P*
* * * *** *
* *   * * *
* ***** * *
*P        *
***********
"""


def facing(p: int = 1, yaw: float = 180.0) -> Game:
    """Bot p at (600, 350) thinks; the agent stands at (300, 350), and cannot die."""
    game = Game()
    game.put(0, 300, 350)
    game.put(p, 600, 350, yaw, thinks=True)
    game.facts[0, HEALTH] = 10_000
    return game


def goal(game: Game, p: int) -> int:
    return int(game.minds.facts[p, GOAL])


def number(game: Game, x: float, y: float) -> int:
    return cell_number(game.env.scene.mazes.cells, int(y // 100), int(x // 100))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_a_bot_fires_after_its_reaction_time(p):
    game = facing(p)
    game.act()
    assert game.minds.facts[p, TARGET] == 0
    start = game.now
    while game.facts[p, AMMO + RAPID] == 100:
        game.act()
    delay = game.now - start
    assert REACTION_MS[p] - 70 <= delay  # throttle may hold it longer
    assert delay < REACTION_MS[p] + 3000
    assert REACTION_MS[1:].tolist() == [1000, 1250, 1750]


@pytest.mark.parametrize(("yaw", "seen"), [(180, True), (100, True), (-95, True), (0, False), (80, False)])
def test_a_bot_sees_what_is_before_it(yaw, seen):
    game = facing(yaw=yaw)
    game.minds.facts[1, [GOAL, GOAL_UNTIL]] = number(game, 750, 350), NEVER
    game.act()
    assert (game.minds.facts[1, TARGET] == 0) == seen


def test_a_bot_that_is_hit_from_behind_turns_round():
    game = facing(yaw=0)
    game.facts[1, HURT] = game.now
    game.act()
    assert game.minds.facts[1, TARGET] == 0
    game.act("look_left", 16)
    to_agent = np.degrees(np.arctan2(350 - game.body.y[1], 300 - game.body.x[1]))
    assert abs((to_agent - game.body.yaw[1] + 180) % 360 - 180) < 25


def test_a_bot_does_not_see_through_walls_or_the_dead():
    game = Game(MAZE)
    game.put(0, 150, 550)
    game.put(1, 550, 550, 180, thinks=True)
    game.act()
    assert game.minds.facts[1, TARGET] == -1
    other = facing()
    other.facts[0, DIED] = other.now
    other.act()
    assert other.minds.facts[1, TARGET] == -1


def test_bots_choose_the_nearest_and_fight_one_another():
    game = facing()
    game.put(2, 450, 350, 0)
    game.facts[2, HEALTH] = 60
    game.act()
    assert game.minds.facts[1, TARGET] == 2
    for _ in range(200):
        game.act()
        if game.facts[2, DIED] != ALIVE:
            break
    assert game.facts[2, DIED] != ALIVE


@pytest.mark.parametrize("p", [1, 2, 3])
def test_aim_errs_by_the_lack_of_accuracy(p):
    game = facing(p)
    errors = []
    for _ in range(300):
        game.put(p, 600, 350, 180, thinks=True)
        game.act()
        errors.append((game.minds.wishes[p, AIM] - 180 + 180) % 360 - 180)
    most = ERROR * (1 - ACCURACY[p])
    assert 0.85 * most < max(np.abs(errors)) < most + 3  # it has moved a little
    assert abs(np.mean(errors)) < 0.25 * most + 0.5


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_throttle_is_how_often_a_bot_fires(p):
    game = facing(p)
    fired = []
    for t in range(900):
        game.put(p, 600, 350, 180)
        game.minds.facts[p, THINK] = game.now
        game.facts[p, AMMO + RAPID] = 100
        game.put(0, 300, 350)
        game.act()
        if t > 60:
            fired.append(game.minds.facts[p, FIRE])
    assert np.mean(fired) == pytest.approx(THROTTLE[p], abs=0.12)


def test_a_bot_turns_by_240_degrees_a_second_at_most():
    game = facing(yaw=0)
    game.minds.facts[1, THINK] = NEVER
    game.minds.wishes[1] = 179, 0, 0
    turned = []
    for _ in range(14):
        before = game.body.yaw[1]
        game.act()
        turned.append((game.body.yaw[1] - before) % 360)
    assert max(turned) == pytest.approx(240 * 0.064, abs=0.01)
    assert game.body.yaw[1] == pytest.approx(179, abs=0.01)


def test_bots_think_ten_times_a_second():
    game = facing()
    game.act()
    start = game.minds.facts[1, THINK]
    game.act("look_left", 100)
    assert abs(game.minds.facts[1, THINK] - start - 6400) <= 100


def test_a_bot_strafes_round_its_quarry_and_keeps_its_distance():
    game = facing()
    distances, sideways = [], []
    for t in range(150):
        game.put(0, 500, 350)
        game.act()
        if t > 30:
            dx, dy = game.body.x[1] - 500, game.body.y[1] - 350
            distances.append(np.hypot(dx, dy))
            sideways.append(abs(-game.body.vx[1] * dy + game.body.vy[1] * dx) / distances[-1])
    assert 60 < np.mean(distances) < 230
    assert np.mean(sideways) > 100


def test_a_bot_looks_where_its_quarry_went_and_gives_up_after_a_while():
    game = Game(MAZE)
    game.put(0, 150, 350, 0)
    game.put(1, 150, 150, 90, thinks=True)
    game.act()
    assert game.minds.facts[1, TARGET] == 0
    game.put(0, 950, 550)
    game.act("look_left", 3)
    assert game.minds.facts[1, TARGET] == 0 and goal(game, 1) == number(game, 150, 350)
    assert game.body.y[1] > 200
    game.act("look_left", 6)
    assert game.body.y[1] > 300
    for _ in range(80):
        game.put(0, 550, 350)  # a cell that only a long way leads to
        game.act()
    assert game.minds.facts[1, TARGET] == -1


def test_a_bot_walks_to_any_cell():
    game = Game(MAZE)
    game.facts[0, DIED] = NEVER
    for x, y in ((950, 550), (150, 550), (750, 350), (150, 150), (550, 350)):
        if not game.env.scene.mazes.cells[0, int(y // 100), int(x // 100)]:
            continue
        if game.facts[1, DIED] != ALIVE:
            game.put(1, 350, 150, thinks=True)
        game.minds.facts[1, [GOAL, GOAL_UNTIL]] = number(game, x, y), NEVER
        for _ in range(160):
            game.act()
            if goal(game, 1) != number(game, x, y):
                break
        assert np.hypot(game.body.x[1] - x, game.body.y[1] - y) < 60, (x, y)


def test_a_bot_fetches_what_it_can_use_and_goes_elsewhere_else():
    game = Game()
    game.facts[0, DIED] = NEVER
    for k in range(3):
        game.lay(k, HEALTH_PACK, 850, 450)

    def errands(health: int) -> list[int]:
        game.facts[1, HEALTH], goals = health, []
        for _ in range(30):
            game.put(1, 250, 250, thinks=True)
            game.minds.facts[1, GOAL_UNTIL] = 0
            game.act()
            goals.append(goal(game, 1))
        return goals

    assert set(errands(50)) == {number(game, 850, 450)}
    assert len(set(errands(100))) > 15


def test_a_bot_leads_with_orbs_and_does_not_fire_them_close_by():
    game = facing()
    game.facts[1, [GADGET, AMMO + ORB]] = ORB, 10
    game.put(0, 300, 350)
    game.state.body.vy[0] = 300
    game.act()
    assert -180 <= game.minds.wishes[1, AIM] < -166 or game.minds.wishes[1, AIM] > 145  # ahead, to the north
    assert game.minds.wishes[1, AIM] < 180
    game.minds.facts[1, SIGHTED] = -NEVER
    for _ in range(60):
        game.put(0, 500, 350)
        game.put(1, 600, 350, 180, thinks=True)
        game.act()
        assert not game.flying()
