import colorsys

import numpy as np
import pytest
from scipy import stats

from cpc_repr.vision.data.render import draw_picture, render
from cpc_repr.vision.data.scenes import CLASSES, PAIRS, PARTS, TEXTURES, SceneConfig, draw_scene, labels_of

CLEAN = SceneConfig(size=48, noise=0)
SHORTCUTS = {"cast": 1.0, "fringe": 3.0, "lines": 3}


def scenes(config, count):
    labels = labels_of(config, "train", count)
    return labels, [draw_scene(config, "train", i, int(label)) for i, label in enumerate(labels)]


def changed(config, **shortcut):
    return config.model_copy(update=shortcut)


def drawn(config, index=0, label=0):
    return render(draw_scene(config, "train", index, label), config)


def test_only_the_order_of_both_parts_tells_the_class():
    assert len(set(PAIRS)) == len(CLASSES) == 10
    for part in range(len(PARTS)):
        assert sum(below == part for below, _ in PAIRS) == sum(top == part for _, top in PAIRS) == 2
    assert {(top, below) for below, top in PAIRS} == set(PAIRS)


def test_everything_but_the_parts_is_the_same_for_all_classes():
    config = changed(SceneConfig(strangers=0.3), **SHORTCUTS)
    for index in range(20):
        first = draw_scene(config, "train", index, 0)
        for label in range(1, 10):
            other = draw_scene(config, "train", index, label)
            for name in set(first._fields) - {"label", "things"}:
                np.testing.assert_equal(getattr(first, name), getattr(other, name))
            assert [t[:3] for t in first.things] == [t[:3] for t in other.things]
            mine = [(t.below, t.top) for t in other.things if (t.below, t.top) == PAIRS[label]]
            assert len(mine) >= sum((t.below, t.top) == PAIRS[0] for t in first.things) - 6


def test_no_latent_that_is_shared_tells_the_class():
    labels, all_scenes = scenes(changed(SceneConfig(), **SHORTCUTS), 600)
    latents = [
        [
            *(s.horizon, s.light, *s.palette.flat, *s.texture[1:], TEXTURES.index(s.texture.kind)),
            *(*s.cast, s.fringe, *s.lines[0], len(s.things)),
        ]
        for s in all_scenes
    ]
    for column in np.array(latents, dtype=float).T:
        assert column.std() > 0
        assert stats.f_oneway(*(column[labels == c] for c in range(10))).pvalue > 1e-4


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_shortcut_changes_nothing_else(name):
    for index in range(5):
        plain = draw_scene(SceneConfig(), "test", index, 3)
        other = draw_scene(changed(SceneConfig(), **{name: SHORTCUTS[name]}), "test", index, 3)
        np.testing.assert_equal(plain._replace(lines=()), other._replace(lines=()))


def test_the_splits_share_no_scene():
    scenes_of = [[draw_scene(SceneConfig(), split, i, 0) for i in range(20)] for split in ("train", "test")]
    assert len({(s.horizon, s.light, *s.palette.flat) for split in scenes_of for s in split}) == 40


def test_the_palette_follows_from_one_hue_and_one_distance():
    for scene in scenes(SceneConfig(), 50)[1]:
        sky, ground, below, top = (colorsys.rgb_to_hsv(*colour)[0] for colour in scene.palette)
        distance = ground - sky
        for hue, expected in ((below, sky - distance), (top, sky + 2 * distance)):
            assert abs((hue - expected + 0.5) % 1 - 0.5) < 1e-6


def test_each_picture_has_noise_of_its_own():
    noisy, clean = SceneConfig(size=32, noise=0.05), SceneConfig(size=32, noise=0)
    noise = [draw_picture(noisy, "train", i, 0) / 255 - draw_picture(clean, "train", i, 0) / 255 for i in range(2)]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2


def test_cast_is_one_tint_over_the_whole_picture():
    scene = draw_scene(CLEAN, "train", 0, 0)
    gain = render(scene, changed(CLEAN, cast=1.0)) / render(scene, CLEAN)
    np.testing.assert_allclose(gain, np.broadcast_to(scene.cast[:, None, None], gain.shape), rtol=1e-4)
    half = render(scene, changed(CLEAN, cast=0.5)) / render(scene, CLEAN)
    np.testing.assert_allclose(half[:, 0, 0], (1 + scene.cast) / 2, rtol=1e-4)


def test_fringe_moves_red_out_and_blue_in_the_more_the_nearer_to_the_corner():
    scene = draw_scene(CLEAN, "train", 0, 0)
    plain, fringed = render(scene, CLEAN), render(scene, changed(CLEAN, fringe=4.0))
    np.testing.assert_array_equal(fringed[1], plain[1])
    zoom = 4 * scene.fringe / (48 / np.sqrt(2))
    at = np.arange(48)
    for channel, factor in ((0, 1 + zoom), (2, 1 - zoom)):
        assert np.abs(fringed[channel] - plain[channel]).max() > 0.1
        source = ((at - 23.5) / factor + 23.5).clip(0, 47)
        expected = np.array([np.interp(source, at, row) for row in plain[channel]])
        expected = np.array([np.interp(source, at, column) for column in expected.T]).T
        np.testing.assert_allclose(fringed[channel], expected, atol=1e-4)


def test_lines_run_from_edge_to_edge():
    for index in range(10):
        config = changed(CLEAN, lines=1)
        scene = draw_scene(config, "train", index, 0)
        difference = np.abs(render(scene, config) - render(scene._replace(lines=()), config)).max(0) > 0.02
        borders = (difference[0], difference[-1], difference[:, 0], difference[:, -1])
        assert sum(border.any() for border in borders) >= 2
        assert 20 < difference.sum() < 48 * 6
    assert len(draw_scene(changed(CLEAN, lines=3), "train", 0, 0).lines) == 3


def regions(count, config):
    """Typical colours of the sky and of the nearest ground, on the left and on the right: [N, 6] each."""
    labels = labels_of(config, "train", count)
    all_pictures = np.stack([draw_picture(config, "train", i, int(label)) for i, label in enumerate(labels)]) / 255
    sides = [all_pictures[..., : config.size // 3], all_pictures[..., -config.size // 3 :]]
    rows = (slice(config.size // 8), slice(-config.size // 4, None))
    dark = [[np.quantile(s[:, :, r], 0.25, axis=(2, 3)) for r in rows] for s in sides]  # things are bright
    return [np.concatenate(s, 1) for s in dark]


def explained(x, y):
    """R^2 of linear regression on the second half of the rows, fitted to the first."""
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    half = len(x) // 2
    weights = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    residual = y[half:] - x[half:] @ weights
    return 1 - residual.var(0).sum() / y[half:].var(0).sum()


def test_one_region_of_a_picture_predicts_another():
    left, right = regions(300, SceneConfig(size=32))
    assert explained(left, right) > 0.4
    assert explained(left[np.random.default_rng(0).permutation(300)], right) < 0.1


def test_the_light_shows_on_the_ground_and_in_the_sky():
    config = SceneConfig(size=32)
    left, right = regions(300, config)
    light = np.array([np.sin(s.light) for s in scenes(config, 300)[1]])
    brighter = (right - left).reshape(-1, 2, 3).mean(2)
    for where in range(2):
        assert np.corrcoef(brighter[:, where], light)[0, 1] > 0.5


def test_up_is_up():
    config = SceneConfig(size=32)
    for i in range(50):
        picture = draw_picture(config, "train", i, i % 10).astype(float)
        assert picture[:, :4].mean() > 1.15 * picture[:, -4:].mean()  # sky over ground: not so upside down


def test_things_stand_below_the_horizon_and_the_nearer_are_larger():
    for scene in scenes(SceneConfig(), 100)[1]:
        assert 3 <= len(scene.things) <= 6
        assert min(thing.y for thing in scene.things) > scene.horizon
        assert [t.y for t in scene.things] == sorted(t.y for t in scene.things)
        back, front = ([t.height for t in scene.things if (t.y > 0.75) is near] for near in (False, True))
        if back and front:
            assert np.mean(front) > np.mean(back)


def test_each_part_and_each_texture_looks_different():
    scene = draw_scene(CLEAN, "train", 0, 0)
    parts = [
        render(scene._replace(things=tuple(t._replace(below=p, top=p) for t in scene.things)), CLEAN)
        for p in range(len(PARTS))
    ]
    textures = [render(scene._replace(texture=scene.texture._replace(kind=kind)), CLEAN) for kind in TEXTURES]
    for kinds in (parts, textures):
        for i, one in enumerate(kinds):
            assert all(np.abs(one - other).mean() > 0.003 for other in kinds[i + 1 :])
    below, top = PAIRS[0]
    swapped = tuple(t._replace(below=top, top=below) for t in scene.things)
    assert np.abs(render(scene._replace(things=swapped), CLEAN) - render(scene, CLEAN)).mean() > 0.003


def test_parts_stand_on_one_another_in_the_colours_of_the_palette():
    scene = draw_scene(CLEAN, "train", 0, 0)
    palette = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    thing = scene.things[0]._replace(x=0.5, y=0.9, height=0.6, below=0, top=0)
    canvas = render(scene._replace(palette=palette, things=(thing,), light=0.0), CLEAN)
    at = {round(48 * (0.9 - share * 0.6)): channel for share, channel in ((0.25, 0), (0.75, 1))}
    for row, channel in at.items():
        pixel = canvas[:, row, 24]
        assert pixel[channel] > 0.5
        assert pixel.sum() - pixel[channel] < 0.1


def test_the_side_towards_the_light_is_brighter():
    scene = draw_scene(changed(CLEAN, texture=0.0), "train", 0, 0)
    thing = scene.things[0]._replace(x=0.5, y=0.8, height=0.5, below=0, top=0)
    for light, sign in ((1.0, 1), (-1.0, -1)):
        canvas = render(scene._replace(things=(thing,), light=light), changed(CLEAN, texture=0.0)).mean(0)
        assert sign * (canvas[32, 27] - canvas[32, 20]) > 0.02
        empty = render(scene._replace(things=(), light=light), changed(CLEAN, texture=0.0)).mean(0)
        shadow = (empty - canvas)[38:42].clip(0)
        middle = (shadow.sum(0) * np.arange(48)).sum() / shadow.sum()
        assert sign * (middle - 24) < -1  # the shadow falls to the other side


def test_a_larger_picture_shows_the_same():
    small = drawn(changed(CLEAN, texture=0.0))
    large = drawn(changed(CLEAN, texture=0.0, size=96)).reshape(3, 48, 2, 48, 2).mean((2, 4))
    assert np.abs(small - large).mean() < 0.01


@pytest.mark.parametrize("name", ["jitter", "texture", "contrast", "noise", "strangers"])
def test_dials_do_what_they_say(name):
    strong = 3.0 if name == "texture" else 0.5
    low, high = (SceneConfig(size=32, **{"noise": 0, name: value}) for value in (0.0, strong))
    if name == "jitter":
        spread = [np.std([t.x % (1 / 3) for s in scenes(c, 50)[1] for t in s.things]) for c in (low, high)]
        assert spread[0] < 1e-6
        assert spread[1] > 0.01
    elif name == "texture":
        rough = [np.abs(np.diff(drawn(c, i)[:, -3:], axis=2)).mean() for c in (low, high) for i in range(20)]
        assert np.mean(rough[20:]) > 1.5 * np.mean(rough[:20])
    elif name == "contrast":
        gap = [
            np.mean([s.palette[2:].max(1).mean() - s.palette[1].max() for s in scenes(c, 50)[1]]) for c in (low, high)
        ]
        assert gap[1] > gap[0] + 0.05
    elif name == "noise":
        high = changed(high, noise=0.05)
        error = draw_picture(high, "train", 0, 0) / 255 - draw_picture(low, "train", 0, 0) / 255
        assert 0.03 < error.std() < 0.06
        assert abs(np.corrcoef(error[0].ravel(), error[1].ravel())[0, 1]) < 0.2
    else:
        shares = [
            np.mean([(t.below, t.top) != PAIRS[s.label] for s in scenes(c, 200)[1] for t in s.things])
            for c in (low, high)
        ]
        assert shares[0] == 0
        assert 0.4 < shares[1] < 0.5  # one in ten strangers is of the class
