"""What lies over the picture: the head-up display, and light that differs within it."""

import math

import numpy as np
import pytest

from envs.minilab.gym_envs import MinilabGymEnv
from envs.minilab.overlay import CONTENTS, ENGINE, FIRST_CONTENT, OFF, OWN, draw_display, new_overlay, shade
from envs.minilab.view import COSINE, FRAME, LIGHT_UP, LIGHT_X, LIGHT_Y, SHOWN, SINE


def overlay(height=72, width=96, **options):
    wanted = {"frames": 5400, "engine": True, "numbers": True, "choice": False, "light": False}
    return new_overlay(height, width, 1, **(wanted | options))


def draw(over, frame=0, height=72, width=96, shown=OWN):
    rows, camera = np.full((1, height, 3 * width), 100, np.uint8), np.zeros((1, 12), np.float32)
    camera[0, FRAME], camera[0, SHOWN] = frame, shown
    draw_display.py_func(rows, 0, 0, width, camera, over)
    return rows.reshape(height, width, 3)


def test_the_display_has_its_disc_and_leaves_most_of_the_picture():
    picture = draw(overlay())
    assert (picture[67, 46] == 255).all() and (picture[68, 3] != 100).any()
    assert 0.03 < (picture != 100).any(-1).mean() < 0.06
    assert (draw(overlay(engine=False)) == 100).all()


def test_a_level_with_numbers_of_its_own_shows_no_others():
    over = overlay(numbers=False, choice=True)
    for shown in range(FIRST_CONTENT + CONTENTS):
        picture = draw(over, shown=shown)
        assert (picture[65:, :15] == 100).all() and (picture[65:, 81:] == 100).all()
    assert (draw(over)[67, 46] == 255).all()


def test_the_display_is_stretched_to_the_picture():
    small, large = (draw(overlay(h, w), 700, h, w) for h, w in ((72, 96), (144, 192)))
    assert (large[::2, ::2] == small).all() and (large[1::2, 1::2] == small).all()


def test_the_countdown_follows_the_seconds():
    at = [draw(overlay(), frame)[:3, 87:93] for frame in (1, 60, 121, 180)]  # 89 s left, 89, 87, 87
    assert (at[0] == at[1]).all() and (at[2] == at[3]).all() and (at[1] != at[2]).any()
    left = draw(overlay(), 5400 - 59 * 60)[:3, 87:93]
    assert (left[:, :2] == 100).all() and (left[:, 2:] != 100).any()  # no minutes any more


@pytest.mark.parametrize("engine", [False, True])
def test_episodes_choose_among_displays_that_differ(engine):
    over = overlay(engine=engine, choice=True)
    pictures = [draw(over, shown=shown) for shown in range(FIRST_CONTENT + CONTENTS)]
    assert np.array_equal(pictures[OWN], pictures[ENGINE if engine else OFF])
    assert (pictures[OFF] == 100).all()
    assert len({picture.tobytes() for picture in pictures[OFF:]}) == CONTENTS + 2


def test_columns_by_themselves_are_the_whole():
    """As threads of a GPU draw them."""
    over = overlay(choice=True, light=True)
    camera = np.zeros((1, 12), np.float32)
    camera[0, [COSINE, SINE, SHOWN, LIGHT_X, LIGHT_Y, LIGHT_UP]] = 0.8, 0.6, FIRST_CONTENT + 2, 0.2, -0.1, 0.22
    whole, parts = (np.random.default_rng(0).integers(0, 256, (1, 72, 288)).astype(np.uint8) for _ in range(2))
    for rows, pieces in ((whole, [(0, 96)]), (parts, [(c, c + 1) for c in range(96)])):
        for first, last in pieces:
            shade.py_func(rows, 0, first, last, camera, over)
            draw_display.py_func(rows, 0, first, last, camera, over)
    assert np.array_equal(whole, parts)


@pytest.mark.parametrize("yaw", [0, 50, 180, 290])
def test_light_is_linear_in_the_picture_and_turns_with_the_world(yaw):
    east, north, up = 0.22, -0.13, 0.2
    over, camera = overlay(engine=False, light=True), np.zeros((1, 12), np.float32)
    camera[0, COSINE], camera[0, SINE] = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    camera[0, LIGHT_X], camera[0, LIGHT_Y], camera[0, LIGHT_UP] = east, north, up
    rows = np.full((1, 72, 288), 120, np.uint8)
    shade.py_func(rows, 0, 0, 96, camera, over)
    screen, vertical = (np.arange(96) + 0.5) / 48 - 1, 1 - (np.arange(72) + 0.5) / 36
    ray = np.array([[camera[0, COSINE] + s * camera[0, SINE], camera[0, SINE] - s * camera[0, COSINE]] for s in screen])
    expected = 120 * (1 + ray @ [east, north] + up * vertical[:, None])
    assert np.abs(rows.reshape(72, 96, 3) - expected[..., None]).max() < 2.5
    bright = np.full((1, 72, 288), 250, np.uint8)
    shade.py_func(bright, 0, 0, 96, camera, over)
    assert bright.max() == 255 and (np.diff(bright[0, :, 0].astype(int)) <= 0).all()  # nothing wraps round


def test_the_enlarged_picture_has_the_display_too():
    env = MinilabGymEnv("seekavoid_arena_01", look="engine", render_mode="rgb_array")
    small, _ = env.reset(seed=0)
    large = env.render()
    assert (large[4 * 67, 4 * 46] == 255).all() and np.array_equal(
        large[4 * 66 : 4 * 68 : 4, 172:200:4], small[66:68, 43:50]
    )
    env.close()
