import numpy as np
import pytest
import torch

from envs.minilab.engine_look import draw_hud, new_hud, no_hud, relit
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import rooms_watermaze
from envs.minilab.papers import surface
from envs.minilab.physics import new_room
from envs.minilab.textures import OFFSETS, build_atlas


def draw(hud, frame, height=72, width=96, grey=100):
    obs = np.full((1, height, width, 3), grey, np.uint8)
    for column in range(width):
        draw_hud.py_func(obs, 0, column, np.float32(frame), hud)
    return obs[0]


def test_the_display_has_its_disc_and_leaves_most_of_the_picture():
    picture = draw(new_hud(72, 96, 5400, numbers=True), 0)
    assert (picture[67, 46] == 255).all() and (picture[68, 3] != 100).any()
    assert 0.03 < (picture != 100).any(-1).mean() < 0.06
    assert (draw(no_hud(), 0) == 100).all()


def test_a_level_with_numbers_of_its_own_shows_no_others():
    picture = draw(new_hud(72, 96, 5400, numbers=False), 0)
    assert (picture[60:, :16] == 100).all() and (picture[67, 46] == 255).all()


def test_the_display_is_stretched_to_the_picture():
    small, large = (draw(new_hud(h, w, 5400, numbers=True), 700, h, w) for h, w in ((72, 96), (144, 192)))
    assert (large[::2, ::2] == small).all() and (large[1::2, 1::2] == small).all()


def test_the_countdown_follows_the_seconds():
    hud = new_hud(72, 96, 5400, numbers=True)
    at = [draw(hud, frame)[:3, 87:93] for frame in (1, 60, 121, 180)]  # 89 s left, 89, 87, 87
    assert (at[0] == at[1]).all() and (at[2] == at[3]).all() and (at[1] != at[2]).any()
    left = draw(hud, 5400 - 59 * 60)[:3, 87:93]
    assert (left[:, :2] == 100).all() and (left[:, 2:] != 100).any()  # no minutes any more


def test_a_surface_gets_the_mean_colour_that_was_measured():
    lit = relit(build_atlas([surface("wall", "style_01", "blue")]).texels[0], (60, 100, 160))
    texels = lit[: OFFSETS[1]]
    mean = [(texels >> shift & 255).mean() for shift in (0, 8, 16)]
    assert np.allclose(mean, (60, 100, 160), atol=4) and (lit >= 1 << 24).all()


def test_a_picture_stands_off_its_wall():
    """From the middle it is nearer by its thickness; along the wall its side is met before the wall behind it."""
    room = new_room(np.zeros(1, np.float32), np.array([100.0], np.float32), np.array([3], np.int32))
    meet, zero, one = rooms_watermaze.meet_picture.py_func, np.float32(0), np.float32(1)
    assert meet(room, 0, zero, zero, one, zero, np.float32(100), zero, np.float32(12)) == (True, 88, 0.5)
    y, ray = np.float32(-170), np.float32(1.1)  # meets the wall at y = -60, and 12 before it y = -73.2
    hit, near, u = meet(room, 0, zero, y, one, ray, np.float32(100), np.float32(60), np.float32(12))
    assert hit and near == pytest.approx(98 / 1.1, abs=0.01) and u > 0.95  # on the right, as seen from inside


@pytest.mark.parametrize("name", ["rooms_watermaze", "seekavoid_arena_01"])
def test_places_and_rewards_are_those_of_the_plain_look(name):
    plain, engine = MinilabEnv(name, 2, 36, 48, 3), MinilabEnv(name, 2, 36, 48, 3, look="engine")
    plain.reset(), engine.reset()
    actions = torch.randint(9, (30, 2), generator=torch.Generator().manual_seed(0))
    for row in actions:
        expected, found = plain.step(row), engine.step(row)
        assert torch.equal(expected.reward, found.reward)
    assert np.array_equal(plain.poses(), engine.poses())
    assert (expected.obs != found.obs).float().mean() > 0.5
    with pytest.raises(ValueError, match="scene"):
        plain.load_state_dict(engine.state_dict())
    saved = engine.state_dict()
    after = engine.step(actions[0]).obs.clone()
    engine.load_state_dict(saved)
    assert torch.equal(engine.step(actions[0]).obs, after)
