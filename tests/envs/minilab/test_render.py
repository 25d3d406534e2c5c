import math

import numpy as np
import pytest

from envs.minilab.items import cast_at_octagon, draw_octagon
from envs.minilab.physics import new_room
from envs.minilab.render import cast_in_room, draw_plane, draw_strip, fill, row_of, screen_of, wrap
from envs.minilab.textures import SIZE, build_atlas

EYE = np.float32(50)


def obs(height=72, width=96):
    return np.zeros((1, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def room():
    angles = np.arange(16, dtype=np.float32) * np.float32(22.5)
    return new_room(angles, np.full(16, 760, np.float32), np.full(16, -1, np.int32))


@pytest.mark.parametrize("guess", [0, 5, 15])
def test_a_ray_meets_the_nearest_wall_ahead_whatever_the_guess(room, guess):
    random = np.random.default_rng(guess)
    for _ in range(300):
        x, y = random.uniform(-500, 500, 2).astype(np.float32)
        angle = random.uniform(0, 2 * math.pi)
        ray_x, ray_y = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        approach = room.normal_x * ray_x + room.normal_y * ray_y
        depths = (room.distance - room.normal_x * x - room.normal_y * y) / np.where(approach > 0, approach, np.nan)
        depth, wall = cast_in_room(room, x, y, ray_x, ray_y, guess)
        assert depth == pytest.approx(np.nanmin(depths), rel=1e-4)
        assert depths[wall] == pytest.approx(np.nanmin(depths), rel=1e-4)


def test_columns_span_ninety_degrees():
    picture = obs()
    tangents = [screen_of(picture, column) for column in range(96)]
    assert tangents == pytest.approx((np.arange(96) + 0.5) / 48 - 1, abs=1e-6)


@pytest.mark.parametrize(
    ("drop", "depth", "row"),
    [(0, 100, 36), (50, 100, 60), (-50, 100, 12), (50, 50, 72), (-1000, 10, 0), (1.06, 100, 37), (1.02, 100, 36)],
)
def test_rows_follow_the_perspective_with_square_pixels(drop, depth, row):
    # 48 pixels are one unit of slope; a row counts from where its centre lies below the point.
    assert row_of(obs(), np.float32(drop), np.float32(depth)) == row


def test_fill_touches_its_rows_and_column_only():
    picture = obs()
    fill(picture, 0, 7, 10, 20, np.uint32(0x030201))
    assert (picture[0, 10:20, 7] == (1, 2, 3)).all()
    assert picture.sum() == 10 * 6


def strip_of(image, *, depth, u, top=100.0, bottom=0.0, tile=100.0):
    picture = obs()
    atlas = build_atlas([image])
    draw_strip(
        picture, 0, 3, EYE, *(np.float32(v) for v in (depth, top, bottom)), atlas, 0, np.float32(u), np.float32(tile)
    )
    assert picture[0, :, :3].sum() == picture[0, :, 4:].sum() == 0
    return picture[0, :, 3]


def test_a_strip_shows_its_texture_upright_and_repeats_it_sideways():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[: SIZE // 4] = (255, 0, 0)
    image[:, SIZE // 2 :, 2] = 255
    for u, blue in ((0.25, 0), (0.75, 255), (1.25, 0), (-0.25, 255), (-0.75, 0)):
        column = strip_of(image, depth=100, u=u)
        assert (column[12:24, 0] == 255).all() and (column[24:60, 0] == 0).all()
        assert (column[12:60, 2] == blue).all()
        assert column[:12].sum() == column[60:].sum() == 0


def test_a_strip_seen_from_nearby_is_cut_at_the_edges_of_the_picture():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[: SIZE // 2, :, 0] = 255
    column = strip_of(image, depth=20, u=0)
    assert (column[:36, 0] == 255).all() and (column[36:, 0] == 0).all()


def test_far_strips_take_their_colour_from_small_mip_levels():
    checks = (np.indices((SIZE, SIZE)).sum(0) % 2 * 255).astype(np.uint8)
    column = strip_of(np.repeat(checks[..., None], 3, 2), depth=1000, u=0.4)
    assert len(set(column[column > 0].tolist())) == 1
    assert abs(int(column[36, 0]) - 127) <= 1


def test_a_plane_shows_the_point_where_the_ray_meets_the_ground():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, : SIZE // 2, 0] = 255  # texels are [y, x]: red where x is in the first half of a tile
    image[: SIZE // 2, :, 1] = 255
    picture, atlas = obs(), build_atlas([image])
    x, y, ray_x, ray_y, tile = (np.float32(v) for v in (-130, 40, 0.8, -0.6, 640))
    draw_plane(picture, 0, 5, 40, 72, EYE, x, y, ray_x, ray_y, atlas, 0, tile)
    rows = np.arange(40, 72)
    t = 50 / ((rows + 0.5 - 36) / 48)
    u, v = ((x + t * ray_x) / tile) % 1, ((y + t * ray_y) / tile) % 1
    clear = (np.abs(u % 0.5 - 0.25) < 0.24) & (np.abs(v % 0.5 - 0.25) < 0.24)  # not at an edge of the pattern
    assert clear.sum() > 20
    assert np.array_equal(picture[0, 40:, 5, 0][clear] > 127, u[clear] < 0.5)
    assert np.array_equal(picture[0, 40:, 5, 1][clear] > 127, v[clear] < 0.5)
    assert picture[0, :40].sum() == 0


@pytest.mark.parametrize(("position", "texel"), [(0.5, 0), (31.9, 31), (32.1, 0), (-0.1, 31), (-32.1, 31), (-33, 31)])
def test_textures_repeat_on_both_sides_of_zero(position, texel):
    assert wrap(np.float32(position), 32) == texel


def octagon_rows(*, eye, x, top=50.0):
    """Rows of the middle column that show the octagon: side (bright texel rows) and top."""
    picture = obs()
    atlas = build_atlas([np.full((SIZE, SIZE, 3), 200, np.uint8)])
    numbers = (np.float32(v) for v in (eye, x, 0, 1, 0, 64, top, 0))
    draw_octagon(picture, 0, 48, *numbers, atlas, 0, np.float32(64))
    return np.flatnonzero(picture[0, :, 48, 0])


def test_an_octagon_shows_its_side_and_from_above_its_top_too():
    below = octagon_rows(eye=30, x=-264)  # enters at 200, leaves at 328
    assert (below[0], below[-1] + 1) == (round(36 - 48 * 20 / 200), round(36 + 48 * 30 / 200))
    above = octagon_rows(eye=90, x=-264)
    assert (above[0], above[-1] + 1) == (round(36 + 48 * 40 / 328), round(36 + 48 * 90 / 200))


def test_who_stands_on_an_octagon_sees_its_top_to_the_edge():
    rows = octagon_rows(eye=70, x=0)
    assert (rows[0], rows[-1] + 1) == (round(36 + 48 * 20 / 64), 72)


def test_far_ground_is_smooth():
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 1), np.uint8).repeat(3, 2)
    atlas = build_atlas([noise])
    picture = obs()
    for column in range(96):
        screen = screen_of(picture, column)
        args = (np.float32(v) for v in (50, 0, 0, 1, -screen))
        draw_plane(picture, 0, column, 36, 72, *args, atlas, 0, np.float32(256))
    deviation = picture[0, 36:, :, 0].std(1)
    assert deviation[:4].max() < 15 < 30 < deviation[-4:].min()


@pytest.mark.parametrize(
    ("position", "angle", "interval"),
    [
        ((-200, 0), 0, (136, 264)),
        ((0, 0), 30, (0, 64 / math.cos(math.radians(30 - 45)))),
        ((-200, -200), 45, (200 * 2**0.5 - 64, 200 * 2**0.5 + 64)),
        ((-200, 100), 0, None),
        ((200, 0), 0, None),
    ],
)
def test_octagon_is_entered_and_left(position, angle, interval):
    x, y = (np.float32(v) for v in position)
    ray = np.float32(math.cos(math.radians(angle))), np.float32(math.sin(math.radians(angle)))
    enter, leave = cast_at_octagon(x, y, *ray, np.float32(64))
    if interval is None:
        assert enter >= leave
    else:
        assert (enter, leave) == pytest.approx(interval, abs=0.05)
