"""Domain randomisation: what it changes, what it leaves alone, and on what it depends."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from envs.config import PARTS, EnvConfig
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import LEVELS
from envs.minilab.overlay import CONTENTS, FIRST_CONTENT, OFF
from envs.minilab.randomise import _hue_table, _recolour
from envs.minilab.textures import ROW
from envs.minilab.view import LARGER, LIGHT_UP, LIGHT_X, SHOWN, WIDER

ACTIONS = torch.randint(9, (24, 4), generator=torch.Generator().manual_seed(1))  # [T, B]


def new(name="seekavoid_arena_01", num_envs=4, seed=5, **options):
    return MinilabEnv(name, num_envs, 24, 32, seed, **({"randomise": 1.0} | options))


def pictures(env, steps=0):
    obs = env.reset().obs
    for action in ACTIONS[:steps, : env.num_envs]:
        obs = env.step(action).obs
    return obs.clone()


@pytest.mark.parametrize("name", LEVELS)
def test_the_task_is_that_of_the_plain_level_and_its_look_is_another(name):
    plain, other = new(name, randomise=0.0), new(name)
    plain.reset()
    other.reset()
    for action in ACTIONS:
        a, b = plain.step(action), other.step(action)
        assert torch.equal(a.reward, b.reward) and not torch.equal(a.obs, b.obs)
    for field, tensor in plain.tensors.items():
        assert torch.equal(tensor, other.tensors[field]), field


def test_a_look_depends_on_seed_environment_and_episode_only():
    few, many = new(num_envs=2, first=1), new(num_envs=4, threads=2)
    assert torch.equal(pictures(few, 5), pictures(many, 0)[1:3]) is False  # other actions: other pictures
    first, second = many.reset().obs[1:3].clone(), few.reset().obs.clone()
    assert torch.equal(first, second)
    assert not torch.equal(many.reset().obs[1:3], first)  # the next episode
    assert not torch.equal(pictures(new(seed=6)), pictures(new()))
    same_place = [new(seed=5), new(seed=5, evaluation=True)]
    assert not torch.equal(*(pictures(env) for env in same_place))


@pytest.mark.parametrize("name", ["rooms_watermaze", "seekavoid_arena_01"])
def test_a_saved_state_goes_on_bit_for_bit_in_another_process_of_whatever_look(name):
    env = new(name)
    pictures(env, 6)
    saved = env.state_dict()
    expected = [env.step(action).obs.clone() for action in ACTIONS[6:12]]
    resumed = new(name, seed=99)  # its own look is another
    pictures(resumed, 2)
    resumed.load_state_dict(saved)
    assert all(torch.equal(resumed.step(a).obs, obs) for a, obs in zip(ACTIONS[6:12], expected, strict=True))
    with pytest.raises(ValueError, match="randomise"):
        new(name, randomise=0.5).load_state_dict(saved)


@pytest.mark.parametrize("name", LEVELS)
def test_without_parts_the_picture_is_the_plain_one_but_for_reduced_colours(name):
    plain, same = (pictures(new(name, **options)).int() for options in ({"randomise": 0.0}, {"randomise_parts": ()}))
    assert (plain - same).abs().float().mean() < 1.5


@pytest.mark.parametrize("part", PARTS)
def test_every_part_changes_the_picture_by_itself(part):
    plain, other = (pictures(new("seekavoid_arena_01", randomise_parts=parts)) for parts in ((), (part,)))
    different = (plain != other).any(-1)  # [B, H, W]
    assert different.any()
    upper = different[:, :4, :20]  # sky only, and no countdown
    assert upper.any() == (part in ("picture", "sky", "field", "light"))


def test_field_and_items_stay_within_what_is_said():
    env = new(num_envs=64)
    env.reset()
    camera = env.runner._rest[2].camera  # type: ignore[attr-defined]
    widest = math.tan(math.radians(46)) - 1
    assert (np.abs(camera[:, WIDER]) <= widest).all() and np.abs(camera[:, WIDER]).max() > 0.8 * widest
    assert (np.abs(camera[:, LARGER]) <= 0.15).all() and np.abs(camera[:, LARGER]).max() > 0.12
    light = np.abs(camera[:, LIGHT_X : LIGHT_UP + 1])
    assert (light <= 0.22).all() and light.max() > 0.2 and 16 <= (light == 0).all(-1).sum() <= 48
    assert np.array_equal((light == 0).all(-1), (light == 0).any(-1))
    assert {*camera[:, SHOWN].tolist()} == {*range(OFF, FIRST_CONTENT + CONTENTS)}


@pytest.mark.parametrize("degrees", [-120, -7, 0, 33, 180])
def test_hue_turns_round_the_grey_axis(degrees):
    turn = Rotation.from_rotvec(np.radians(degrees) * np.ones(3) / math.sqrt(3)).as_matrix()
    angle = math.radians(degrees)
    for colour in np.random.default_rng(0).integers(0, 256, (50, 3)):
        packed = np.uint32(colour @ [1, 1 << 8, 1 << 16] + (1 << 24))
        turned = _recolour(packed, *map(np.float32, (math.cos(angle), math.sin(angle), 0.9, 10)))
        expected = np.clip(0.9 * turn @ colour + 10, 0, 255)
        assert turned >> 24 == 1
        np.testing.assert_allclose([turned >> shift & 255 for shift in (0, 8, 16)], expected, atol=0.51)


def test_apples_stay_redder_than_lemons():
    """The least distance of the two items' mean colours over many episodes, against the plain ones' distance."""
    env = new(num_envs=256)
    env.reset()
    palettes = env.runner._rest[1].atlas.palettes  # type: ignore[attr-defined]
    texels = env.runner._rest[1].atlas.texels  # type: ignore[attr-defined]
    for row in palettes[:, 6:8]:
        apple, lemon = ([shown[texels[t]] >> s & 255 for s in (0, 8, 16)] for t, shown in zip((6, 7), row, strict=True))
        drawn = [
            np.array(item)[:, item_row[texels[t]] >= 1 << 24].mean(1)
            for t, item, item_row in ((6, apple, row[0]), (7, lemon, row[1]))
        ]
        assert np.linalg.norm(drawn[0] - drawn[1]) > 40


def test_bad_strengths_and_other_back_ends_are_refused():
    with pytest.raises(ValueError, match="randomise"):
        new(randomise=1.5)
    with pytest.raises(ValueError, match="randomise_parts"):
        EnvConfig(randomise_parts=("colour",))  # type: ignore[arg-type]


def test_the_halves_of_the_looks_have_nothing_in_common():
    """Papers that walls and floors are swapped for, and turns of hue."""
    papers, turns = [], []
    for half in ("first", "second", "both"):
        env = new("explore_goal_locations_small", num_envs=24, randomise_parts=("swap",), randomise_half=half)
        env.reset()
        shown = env.runner._rest[1].atlas.palettes[:, 4:44, ROW]
        papers.append({int(row) for row in np.unique(shown)})
        strengths = np.ones(len(PARTS), np.float32)
        turns.append(np.degrees(np.arctan2(*np.moveaxis(_hue_table(strengths, half)[1], -1, 0)[::-1])))
    assert papers[0].isdisjoint(papers[1]) and papers[0] | papers[1] == papers[2] and len(papers[2]) == 20
    assert turns[0].max() <= 0 <= turns[1].min() and turns[2].min() < -179 and turns[2].max() > 179
    first, second = (new(randomise_half=half) for half in ("first", "second"))
    with pytest.raises(ValueError, match="randomise_half"):
        second.load_state_dict(first.state_dict())
