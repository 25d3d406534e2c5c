import hashlib
import sys

import numpy as np
import pytest
import torch

from envs.minilab import papers, textures
from envs.minilab.env import MinilabEnv
from envs.minilab.levels import LEVELS as LEVEL_NAMES
from envs.minilab.mazes import maze_textures
from envs.minilab.textures import LEVELS, OFFSETS, SIZE, build_atlas, pack, surface


def test_packing_keeps_each_channel():
    packed = int(pack(np.array([1, 2, 3], np.uint8)))
    assert (packed & 255, packed >> 8 & 255, packed >> 16 & 255, packed >> 24) == (1, 2, 3, 1)


def test_atlas_stores_columns_one_after_another():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[5, 9] = 255  # row 5, column 9
    atlas = build_atlas([image])
    assert np.flatnonzero(atlas.texels[0, : SIZE * SIZE] & 0xFFFFFF).tolist() == [9 * SIZE + 5]


def test_every_mip_level_has_the_mean_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    atlas = build_atlas([image, image // 2])
    for row, mean in ((atlas.texels[0], image[..., 0].mean()), (atlas.texels[1], (image[..., 0] // 2).mean())):
        for level in range(LEVELS):
            texels = row[OFFSETS[level] : OFFSETS[level + 1]]
            assert len(texels) == (SIZE >> level) ** 2
            assert abs((texels & 255).mean() - mean) < 0.6
    assert OFFSETS[-1] == atlas.texels.shape[1]


PAPERS = [(kind, f"style_{style:02}") for kind in ("wall", "floor") for style in range(1, 6)]


def test_drawn_papers_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(b"".join(image.tobytes() for image in maze_textures("drawn")[:44])).hexdigest()
    assert digest[:16] == "b0731211d017c60f"


def test_papers_of_one_colour_differ_in_pattern_and_bright_ones_are_paler():
    for kind, style in PAPERS:
        plain, bright = (papers.surface(kind, style, colour) for colour in ("blue", "blue_bright"))
        assert plain.shape == (SIZE, SIZE, 3) and plain.dtype == np.uint8
        red, green, blue = plain.reshape(-1, 3).mean(0)
        assert blue > green > red and (bright.mean((0, 1)) > plain.mean((0, 1)) + 20).all()
        assert 4 < plain.std(axis=(0, 1)).max() < 60  # a pattern, and not too loud
    every = {papers.surface(kind, style, "blue").tobytes() for kind, style in PAPERS}
    assert len(every) == len(PAPERS)


def test_papers_and_the_sky_go_on_beyond_their_edges():
    """The step over an edge is no larger than the largest between texels within."""
    east, north, west, south = (side.astype(int) for side in papers.sky())
    panorama = np.hstack([east, south, west, north])
    steps = np.abs(np.diff(panorama, axis=1)).mean((0, 2))
    assert np.abs(panorama[:, 0] - panorama[:, -1]).mean() <= 1.5 * steps.max()
    assert len({side.tobytes() for side in (east, north, west, south)}) == 4  # each heading has its own
    for kind, style in PAPERS:
        image = papers.surface(kind, style, "green").astype(int)
        for axis in (0, 1):
            inner = np.abs(np.diff(image, axis=axis)).mean(tuple({0, 1, 2} - {axis})).max()
            edge = np.abs(image.take(0, axis) - image.take(-1, axis)).mean()
            assert edge <= 1.5 * inner + 4, (kind, style, axis)


def test_the_look_of_labmaze_is_reduced_and_another_one():
    pytest.importorskip("labmaze")
    image = surface("labmaze", "wall", "style_01", "blue")
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    red, green, blue = image.reshape(-1, 3).mean(0)
    assert blue > green > red
    assert not np.array_equal(image, surface("labmaze", "floor", "style_01", "blue"))
    for name in LEVEL_NAMES:
        drawn, lab = (MinilabEnv(name, 2, 24, 24, textures=look) for look in ("drawn", "labmaze"))
        assert not torch.equal(drawn.reset().obs, lab.reset().obs)
        assert all(torch.equal(drawn.tensors[key], lab.tensors[key]) for key in drawn.tensors)  # the rest is the same


def test_without_labmaze_its_look_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "labmaze", None)
    textures._lab_surface.cache_clear()
    with pytest.raises(ValueError, match=r"not installed .*pip install 'cpc-rl\[labmaze\]'.*--textures drawn"):
        surface("labmaze", "wall", "style_02", "yellow")
