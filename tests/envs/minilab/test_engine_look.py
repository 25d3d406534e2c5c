import numpy as np
import pytest
import torch

from envs.minilab.engine_look import relit
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import rooms_watermaze
from envs.minilab.papers import surface
from envs.minilab.physics import new_room
from envs.minilab.textures import OFFSETS, build_atlas


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


def test_randomised_the_engine_look_is_another_in_each_episode_of_the_same_task():
    plain = MinilabEnv("seekavoid_arena_01", 3, 36, 48, 3, look="engine")
    other = MinilabEnv("seekavoid_arena_01", 3, 36, 48, 3, look="engine", randomise=1.0)
    first = other.reset().obs.clone(), plain.reset().obs.clone()
    actions = torch.randint(9, (20, 3), generator=torch.Generator().manual_seed(0))
    for row in actions:
        expected, found = plain.step(row), other.step(row)
        assert torch.equal(expected.reward, found.reward) and not torch.equal(expected.obs, found.obs)
    assert np.array_equal(plain.poses(), other.poses())
    for env in (plain, other):
        env.reset()
        for i in range(3):
            env.place(i, 192, -128, 90)
    second, same = other.outputs.obs, plain.outputs.obs
    assert (same[0] == same[1]).all()  # three episodes, one place, one look
    pairs = [(second[0], second[1]), (second[0], second[2]), (second[1], second[2])]
    assert all((one != two).any(-1).mean() > 0.9 for one, two in pairs)
    assert not torch.equal(other.reset().obs, first[0])
