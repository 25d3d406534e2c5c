import numpy as np
import pytest

from envs.minilab.physics import ACTION_NAMES, ACTIONS, Room, accelerate, new_room, slide_in_room, turn
from envs.minilab.state import new_body
from tests.envs.traces import load

FAR_AWAY = new_room(np.array([0, 90, 180, 270], np.float32), np.full(4, 1e6, np.float32), np.full(4, -1, np.int32))
BOX = FAR_AWAY._replace(reach=np.full(4, 100, np.float32))


def act(body, name: str, frames: int, room: Room = FAR_AWAY) -> None:
    right, forward, left, _ = ACTIONS[ACTION_NAMES.index(name)]
    for _ in range(frames):
        turn(body, 0, left)
        accelerate(body, 0, right, forward)
        slide_in_room(body, 0, room)


def speed(body) -> float:
    return float(np.hypot(body.vx[0], body.vy[0]))


@pytest.mark.parametrize(
    ("name", "direction"), [("forward", 80), ("backward", -100), ("strafe_left", 170), ("strafe_right", -10)]
)
def test_actions_move_relative_to_the_view(name, direction):
    body = new_body(1)
    body.yaw[0] = 80
    act(body, name, 30)
    assert np.degrees(np.arctan2(body.y[0], body.x[0])) == pytest.approx(direction, abs=0.3)


def test_running_reaches_320_units_a_second_within_ten_frames_or_so():
    body = new_body(1)
    act(body, "forward", 12)
    assert speed(body) == pytest.approx(320, abs=1)
    before = float(body.x[0])
    act(body, "forward", 4)
    assert body.x[0] - before == pytest.approx(20.48, abs=0.05)  # an agent step at full speed


def test_the_body_coasts_to_a_stop_in_about_40_units():
    body = new_body(1)
    act(body, "forward", 30)
    before = float(body.x[0])
    act(body, "fire", 26)
    assert speed(body) == 0
    assert 35 < body.x[0] - before < 45


@pytest.mark.parametrize(("name", "sign"), [("look_left", 1), ("look_right", -1), ("look_left_forward", 1)])
def test_looking_turns_by_2_112_degrees_a_frame(name, sign):
    body = new_body(1)
    act(body, name, 4)
    assert body.yaw[0] == pytest.approx(sign * 8.448, abs=1e-3)
    act(body, name, 96)
    assert body.yaw[0] == pytest.approx((sign * 211.2 + 180) % 360 - 180, abs=1e-3)  # wrapped into [-180, 180)


def test_a_wall_stops_one_part_of_the_velocity_and_leaves_the_other():
    body = new_body(1)
    body.yaw[0] = 45
    body.x[0], body.y[0] = 80, -90
    act(body, "forward", 30, BOX)
    assert body.x[0] == pytest.approx(100, abs=0.05)
    assert body.vx[0] == 0
    assert body.vy[0] > 200


def test_a_corner_holds_the_body():
    body = new_body(1)
    body.yaw[0] = 30
    act(body, "forward", 100, BOX)
    assert (body.x[0], body.y[0]) == pytest.approx((100, 100), abs=0.1)


def test_the_box_of_the_player_keeps_further_from_slanted_walls():
    room = new_room(np.array([0, 45], np.float32), np.array([760, 760], np.float32), np.array([-1, -1], np.int32))
    assert room.reach == pytest.approx([760 - 15.125, 760 - 15 * 2**0.5 - 0.125], abs=1e-3)


@pytest.fixture(scope="module")
def watermaze_room():
    from envs.minilab.levels.rooms_watermaze import new_scene

    return new_scene().room


# How long each recording runs before its first respawn or find.
@pytest.mark.parametrize(("name", "steps"), [("101", 91), ("102", 363), ("103", 399)])
def test_positions_and_yaw_follow_the_recorded_engine(watermaze_room, name, steps):
    trace = load(f"rooms_watermaze_{name}")
    body = new_body(1)
    (body.x[0], body.y[0]), body.yaw[0] = trace.xy[0], trace.yaw[0]
    distance, turned = [], []
    for t in range(steps):
        act(body, ACTION_NAMES[trace.actions[t]], 4, watermaze_room)
        distance.append(np.hypot(body.x[0] - trace.xy[t + 1, 0], body.y[0] - trace.xy[t + 1, 1]))
        turned.append(abs((body.yaw[0] - trace.yaw[t + 1] + 180) % 360 - 180))
    assert distance[24] < 5
    assert max(distance) < 8  # along walls too, without any correction on the way
    assert max(turned) < 0.01
