import numpy as np

from envs.minilab.textures import LEVELS, OFFSETS, SIZE, build_atlas, lab_texture, pack


def test_packing_keeps_each_channel():
    packed = int(pack(np.array([1, 2, 3], np.uint8)))
    assert (packed & 255, packed >> 8 & 255, packed >> 16 & 255, packed >> 24) == (1, 2, 3, 1)


def test_atlas_stores_columns_one_after_another():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[5, 9] = 255  # row 5, column 9
    atlas = build_atlas([image])
    assert np.flatnonzero(atlas[0, : SIZE * SIZE] & 0xFFFFFF).tolist() == [9 * SIZE + 5]


def test_every_mip_level_has_the_mean_of_the_image():
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    atlas = build_atlas([image, image // 2])
    for row, mean in ((atlas[0], image[..., 0].mean()), (atlas[1], (image[..., 0] // 2).mean())):
        for level in range(LEVELS):
            texels = row[OFFSETS[level] : OFFSETS[level + 1]]
            assert len(texels) == (SIZE >> level) ** 2
            assert abs((texels & 255).mean() - mean) < 0.6
    assert OFFSETS[-1] == atlas.shape[1]


def test_lab_textures_are_reduced_and_blue_where_they_should_be():
    image = lab_texture("wall", "style_01", "blue")
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    red, green, blue = image.reshape(-1, 3).mean(0)
    assert blue > green > red
    assert not np.array_equal(image, lab_texture("floor", "style_01", "blue"))
