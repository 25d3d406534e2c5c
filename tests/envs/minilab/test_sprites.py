import itertools

import numpy as np
import pytest
from PIL import Image

from envs.minilab import sprites
from envs.minilab.decals import COUNT, decal
from envs.minilab.sprites import COLOURS
from envs.minilab.textures import SIZE

KEYS = {f"{colour} key": sprites.key(colour) for colour in COLOURS}
FENCES = {f"{colour} fence": sprites.fence(colour) for colour in COLOURS}
ROBOTS = {(hue, view): sprites.robot(hue, view) for hue in range(0, 360, 60) for view in ("front", "side", "back")}
PICKUPS = {
    name: getattr(sprites, name)()
    for name in ("orb_gadget", "beam_gadget", "disc_gadget", "health", "armour", "orb", "flash")
}
REWARDS = {name: getattr(sprites, name)() for name in ("apple", "lemon", "ice_lolly", "goal")}
ALL = {**REWARDS, **KEYS, **FENCES, **ROBOTS, **PICKUPS}
SKY, FLOOR = (135, 185, 235), (211, 147, 27)


def from_afar(sprite, ground, side=6):
    """What is left of it in a few pixels, drawn where half covered, as the engine does."""
    small = np.asarray(Image.fromarray(sprite).resize((side, side), Image.Resampling.BOX), np.float64)
    return np.where(small[..., 3:] >= 128, small[..., :3], ground)


def difference(one, other):
    """Root mean square over pixels and channels, before the ground that shows it less."""
    return min(np.sqrt(np.mean((from_afar(one, g) - from_afar(other, g)) ** 2)) for g in (SKY, FLOOR))


def mean_colour(sprite):
    return sprite[sprite[..., 3] > 0][:, :3].mean(0)


@pytest.mark.parametrize("name", ALL)
def test_a_sprite_is_opaque_or_transparent_and_large(name):
    sprite = ALL[name]
    assert sprite.shape == (SIZE, SIZE, 4) and sprite.dtype == np.uint8
    assert set(np.unique(sprite[..., 3])) == {0, 255}
    rows, columns = np.nonzero(sprite[..., 3])
    assert max(np.ptp(rows), np.ptp(columns)) > 0.9 * SIZE
    assert (sprite[..., 3] > 0).mean() > 0.35  # else far mip levels lose it


@pytest.mark.parametrize(
    "kind", [KEYS, FENCES, PICKUPS, {**REWARDS, **KEYS}], ids=["keys", "fences", "pickups", "rewards"]
)
def test_six_pixels_tell_things_of_a_kind_apart(kind):
    for one, other in itertools.combinations(kind, 2):
        assert difference(kind[one], kind[other]) > 45, (one, other)


@pytest.mark.parametrize("name", ALL)
def test_six_pixels_stand_out_from_sky_and_floor(name):
    assert difference(ALL[name], np.zeros((SIZE, SIZE, 4), np.uint8)) > 25


@pytest.mark.parametrize("view", ["front", "side", "back"])
def test_six_pixels_show_the_hues_of_a_robot(view):
    for one, other in itertools.combinations(range(0, 360, 60), 2):
        assert difference(ROBOTS[one, view], ROBOTS[other, view]) > 40, (one, other)


@pytest.mark.parametrize("hue", range(0, 360, 60))
def test_six_pixels_show_which_way_a_robot_looks(hue):
    views = {view: ROBOTS[hue, view] for view in ("front", "side", "back")}
    for one, other in itertools.combinations(views, 2):
        assert difference(views[one], views[other]) > 35, (one, other)
    solid = {view: (sprite[..., 3] > 0).mean() for view, sprite in views.items()}
    assert solid["side"] < 0.8 * solid["front"]
    assert mean_colour(views["back"]).sum() < mean_colour(views["front"]).sum()  # pack instead of visor and emblem
    feet = views["side"][-4, :, 3]
    assert feet.any() and not (feet[: SIZE // 4].any() or feet[-SIZE // 4 :].any())


@pytest.mark.parametrize("view", ["front", "side", "back"])
def test_head_chest_and_legs_have_hues_a_third_of_the_circle_apart(view):
    bands = {"head": slice(5, 40), "chest": slice(42, 80), "legs": slice(84, 112)}
    for rows, brightest in zip(bands.values(), (0, 1, 2), strict=True):  # hue 0: red, green, blue
        pixels = ROBOTS[0, view][rows]
        colours = pixels[pixels[..., 3] > 0][:, :3].astype(int)
        vivid = colours[np.ptp(colours, axis=1) > 100]
        assert len(vivid) > 0.25 * len(colours)
        assert (vivid.argmax(1) == brightest).all()
    assert np.array_equal(sprites.robot(40, view), sprites.robot(400, view))


@pytest.mark.parametrize("name", COLOURS)
def test_keys_and_fences_are_mostly_of_the_pure_colour(name):
    for sprite in (KEYS[f"{name} key"], FENCES[f"{name} fence"]):
        solid = sprite[sprite[..., 3] > 0][:, :3]
        assert (solid == COLOURS[name]).all(1).mean() > 0.6


def test_colours_are_in_the_order_of_the_puzzle():
    assert list(COLOURS) == ["red", "green", "blue", "white", "black"]
    assert all(set(rgb) <= {0, 255} for rgb in COLOURS.values()) and len(set(COLOURS.values())) == 5


def test_one_sees_between_the_four_posts_of_a_fence():
    solid = FENCES["red fence"][..., 3] > 0
    assert solid[0].all() and solid[-1].all()
    assert np.diff(solid[SIZE // 2].astype(int), prepend=0).tolist().count(1) == 4
    few = from_afar(FENCES["red fence"], SKY)
    assert (few[2:4] == SKY).all(-1).any() and (few[2:4, 2:4, 0] > 200).any()


def test_a_sprite_is_painted_alike_each_time():
    assert np.array_equal(sprites.apple(), sprites.apple())
    assert np.array_equal(sprites.robot(75, "front"), sprites.robot(75, "front"))


def test_digits_differ_and_are_drawn_on_seven_segments():
    glyphs = sprites.digits()
    assert glyphs.shape == (11, 5, 3) and glyphs.dtype == np.uint8 and set(np.unique(glyphs)) == {0, 1}
    assert len({glyph.tobytes() for glyph in glyphs}) == 11
    assert all((glyphs[8] >= glyphs[number]).all() for number in (0, 2, 3, 4, 5, 6, 7, 9))
    assert np.argwhere(glyphs[8] > glyphs[0]).tolist() == [[2, 1]]
    cross = glyphs[10]
    assert cross[2].all() and cross[1:4, 1].all() and cross.sum() == 5


def test_decals_are_framed_and_told_apart_by_six_pixels():
    images = [decal(index) for index in range(COUNT)]
    assert all(image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8 for image in images)
    assert all(len(np.unique(image.reshape(-1, 3), axis=0)) == 3 for image in images)  # shape, ground, frame
    small = [Image.fromarray(image).resize((6, 6), Image.Resampling.BOX) for image in images]
    few = np.array(small, np.float64).reshape(COUNT, -1)
    for one, other in itertools.combinations(range(COUNT), 2):
        assert np.sqrt(np.mean((few[one] - few[other]) ** 2)) > 35, (one, other)
    with pytest.raises(IndexError):
        decal(COUNT)
