import numpy as np
import pytest

from envs.minilab.state import new_body
from envs.minilab.textures import SIZE, build_atlas
from envs.minilab.view import ORDER, add_item, add_panel, draw_panels, look, new_view

RED, GREEN = (255, 0, 0), (0, 255, 0)


def plain(colour: tuple[int, int, int], alpha: int = 255) -> np.ndarray:
    return np.broadcast_to(np.array([*colour, alpha], np.uint8), (SIZE, SIZE, 4))


def half_clear() -> np.ndarray:
    image = plain(RED).copy()
    image[:, SIZE // 2 :, 3] = 0
    return image


ATLAS = build_atlas([plain(RED), plain(GREEN), half_clear()])


def f(*numbers: float) -> list[np.float32]:
    return [np.float32(number) for number in numbers]


def camera(panels: int = 8, yaw: float = 90):
    body, view = new_body(1), new_view(1, panels)
    body.x[0], body.y[0], body.yaw[0], body.eye[0] = 1000, 500, yaw, 50
    look(view, 0, body, 0)
    return view


def picture(view, limit: float = 1e9, size: int = 64) -> np.ndarray:
    obs = np.zeros((1, size, size, 3), np.uint8)
    for column in range(size):
        draw_panels(obs, 0, column, np.float32((column + 0.5) * 2 / size - 1), np.float32(limit), view, ATLAS)
    return obs[0]


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def test_an_item_is_as_large_as_its_distance_says():
    view = camera()
    add_item(view, 0, *f(1000, 700, 100, 100, 0), 0)  # 200 ahead, 100 wide and high, around the eye
    assert extent(picture(view)[..., 0] > 0) == (24, 40, 24, 40)
    view = camera()
    add_item(view, 0, *f(1100, 700, 100, 50, 0), 0)  # 100 to the right, below the eye
    assert extent(picture(view)[..., 0] > 0) == (32, 40, 40, 56)


@pytest.mark.parametrize(("x", "y"), [(1000, 400), (1300, 700), (700, 700), (1000, 503)])
def test_what_is_behind_beside_or_too_close_is_left_out(x, y):
    view = camera()
    add_item(view, 0, *f(x, y, 100, 100, 0), 0)
    assert view.used[0] == 0


def test_near_things_hide_far_ones_whatever_the_order():
    for order in ((0, 1), (1, 0)):
        view = camera()
        for texture in order:
            add_item(view, 0, *f(1000, 700 + 100 * texture, 400, 100, 0), texture)
        assert np.diff(view.panels[0, :2, ORDER])[0] < 0
        image = picture(view)
        assert (image[32, 32] == RED).all() and not (image == GREEN).all(-1).any()


def test_what_lies_behind_a_wall_is_not_drawn():
    view = camera()
    add_item(view, 0, *f(1000, 700, 100, 100, 0), 0)
    assert picture(view, limit=199).max() == 0
    assert picture(view, limit=201).max() > 0


def test_transparent_parts_let_one_see_through():
    view = camera()
    add_item(view, 0, *f(1000, 800, 100, 100, 0), 1)
    add_item(view, 0, *f(1000, 700, 100, 100, 0), 2)
    image = picture(view)
    assert (image[32, 24:32] == RED).all()
    assert (image[32, 32:36] == GREEN).all()


def test_a_panel_stands_in_its_place_and_shortens_with_the_angle():
    view = camera()
    add_panel(view, 0, *f(900, 700, 1100, 700, 100, 0), 2)  # across the view: its left half is solid
    assert extent(picture(view)[..., 0] > 0) == (24, 40, 16, 32)
    view = camera()
    add_panel(view, 0, *f(1100, 600, 1100, 900, 100, 0), 0)  # along the right edge of a corridor
    image = picture(view)[..., 0] > 0
    assert extent(image)[2:] == (40, 64)
    assert image[:, 62].sum() > 2 * image[:, 41].sum()


def test_a_panel_that_reaches_behind_the_camera_is_drawn_as_far_as_it_is_seen():
    view = camera()
    add_panel(view, 0, *f(1050, 400, 1050, 700, 100, 0), 0)
    assert extent(picture(view)[..., 0] > 0)[2:] == (40, 64)


def test_more_panels_than_there_is_room_for_are_left_out():
    view = camera(panels=2)
    for _ in range(5):
        add_item(view, 0, *f(1000, 700, 100, 100, 0), 0)
    assert view.used[0] == 2
