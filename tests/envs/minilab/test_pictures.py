import itertools

import numpy as np
import pytest

from envs.minilab.pictures import PICTURES, draw_picture
from envs.minilab.textures import SIZE


def test_mean_colours_are_far_apart_from_each_other_and_from_blue_walls():
    means = {name: draw_picture(name).reshape(-1, 3).mean(0) for name in PICTURES}
    means["wall"] = np.array([36.0, 130, 199])
    for one, other in itertools.combinations(means, 2):
        assert np.abs(means[one] - means[other]).max() > 35, (one, other)


@pytest.mark.parametrize("name", PICTURES)
def test_a_frame_surrounds_ground_and_shape(name):
    image = draw_picture(name)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (border == border[0]).all()
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3
    shape = (image == PICTURES[name][1]).all(-1)
    assert 0.15 < shape.mean() < 0.6
    if name != "arch":
        assert shape[SIZE // 2, SIZE // 2]
    assert np.array_equal(shape, shape[:, ::-1])  # all eight are symmetric left to right


def test_shapes_stand_upright():
    triangle = (draw_picture("triangle") == PICTURES["triangle"][1]).all(-1)
    rows = triangle.sum(1)
    assert rows[SIZE * 5 // 8] > rows[SIZE // 4] > 0  # broad below
    arch = (draw_picture("arch") == PICTURES["arch"][1]).all(-1)
    assert arch[SIZE // 4, SIZE // 2] and not arch[SIZE * 3 // 4, SIZE // 2]  # open below
