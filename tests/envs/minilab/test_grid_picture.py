"""What a column of a maze's picture shows, with papers of plain colours."""

import numpy as np
import pytest

from envs.minilab.grid import EAST, NORTH, SOUTH, WEST, draw_floor_column, draw_maze_column
from envs.minilab.render import draw_sky, screen_of
from envs.minilab.state import new_body
from envs.minilab.textures import SIZE, build_atlas
from envs.minilab.view import COSINE, SINE, look, new_view

RED, GREEN, BLUE, YELLOW, WHITE, PINK = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255), (255, 0, 255),
)  # fmt: skip
NOTHING = (9, 9, 9)
SIDES = {EAST: 0, NORTH: 90, WEST: 180, SOUTH: -90}  # and the view that faces them


def paper(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, : SIZE // 2], image[:, SIZE // 2 :] = left, right
    return image


# 0 nothing, 1 wall (red on the left, green on the right), 2 floor, 3 wall and 4 floor of the other region, 5 a picture
PAPERS = ((WHITE, WHITE), (RED, GREEN), (BLUE, BLUE), (PINK, PINK), (YELLOW, YELLOW), (YELLOW, WHITE))
ATLAS = build_atlas([paper(*halves) for halves in PAPERS])
CELLS = np.zeros((1, 5, 5), np.uint8)
CELLS[0, 1:4, 1:4] = 1  # three by three cells; the middle is that of cell (2, 2)
SURFACES = np.array([[[1, 2], [3, 4]]], np.uint8)
NO_DECALS = np.zeros((1, 5, 5, 4), np.uint8)


def picture(x: float, y: float, yaw: float, cells=CELLS, decals=NO_DECALS, size: int = 64) -> np.ndarray:
    body, view = new_body(1), new_view(1, 1)
    body.x[0], body.y[0], body.yaw[0], body.eye[0] = x, y, yaw, 50
    look(view, 0, body, 0)
    obs = np.full((1, size, size, 3), NOTHING[0], np.uint8)
    for column in range(size):
        draw_maze_column(obs, 0, column, screen_of(obs, column), view, cells, SURFACES, decals, 0, ATLAS)
    return obs[0]


@pytest.mark.parametrize("yaw", SIDES.values())
def test_a_paper_is_seen_the_right_way_round_on_every_side(yaw):
    image = picture(250, 250, yaw)  # the wall ahead is 150 away and covers 21 columns a cell
    assert (image[30, 22:31] == RED).all() and (image[30, 33:42] == GREEN).all()
    assert (image[30, 43:46] == RED).all()  # the next cell's begins again


def test_walls_end_above_and_floors_begin_below():
    image = picture(250, 250, 0)
    assert (image[:20, 32] == NOTHING).all()  # 50 above the eye at 150: 10.7 rows; the rest is left to the sky
    assert (image[22:42, 33] == GREEN).all()
    assert (image[44:, 33] == BLUE).all()


@pytest.mark.parametrize("side", SIDES)
def test_a_picture_hangs_on_its_side_of_the_cell_only_and_the_right_way_round(side):
    decals = NO_DECALS.copy()
    row, column = {EAST: (2, 3), NORTH: (3, 2), WEST: (2, 1), SOUTH: (1, 2)}[side]
    decals[0, row, column, side] = 5
    for other, yaw in SIDES.items():
        image = picture(250, 250, yaw, decals=decals)
        ahead = [tuple(image[31, c].tolist()) for c in (29, 35)]
        assert ahead == ([YELLOW, WHITE] if other == side else [RED, GREEN])
        assert tuple(image[24, 29].tolist()) == RED  # above the picture, wall


@pytest.mark.parametrize(
    ("side", "place"), [(EAST, (210, 250)), (NORTH, (250, 210)), (WEST, (290, 250)), (SOUTH, (250, 290))]
)
def test_each_region_has_its_own_floor_and_wall(side, place):
    cells = CELLS.copy()
    row, column = {EAST: (2, 3), NORTH: (3, 2), WEST: (2, 1), SOUTH: (1, 2)}[side]
    cells[0, row, column] = 2
    image = picture(*place, SIDES[side], cells)  # 90 to the border, 190 to the wall
    assert (image[52:, 32] == BLUE).all()
    assert (image[42:48, 32] == YELLOW).all()
    assert (image[26:38, 32] == PINK).all()


@pytest.mark.parametrize(("x", "y"), [(100, 250), (400, 250), (250, 100), (300, 300), (250, 200)])
@pytest.mark.parametrize("yaw", [0, 45, 90, 180, -90])
def test_on_the_border_of_cells_every_column_is_drawn(x, y, yaw):
    image = picture(x, y, yaw)
    assert (image[33:] != NOTHING).any(-1).all()


@pytest.mark.parametrize(("face", "yaw"), [(0, 0), (1, 90), (2, 180), (3, -90)])
def test_the_sky_has_four_sides_each_the_right_way_round(face, yaw):
    colours = [RED, GREEN, BLUE, YELLOW]
    atlas = build_atlas([paper(colour, WHITE) for colour in colours])
    body, view = new_body(1), new_view(1, 1)
    body.yaw[0] = yaw
    look(view, 0, body, 0)
    cosine, sine = view.camera[0, COSINE], view.camera[0, SINE]
    obs = np.full((1, 64, 64, 3), NOTHING[0], np.uint8)
    for column in range(64):
        screen = screen_of(obs, column)
        draw_sky(obs, 0, column, 40, cosine + screen * sine, sine - screen * cosine, atlas, 0)
    assert (obs[0, :40, 1:30] == colours[face]).all() and (obs[0, :40, 34:63] == WHITE).all()
    assert (obs[0, 40:] == NOTHING).all()


def test_floor_without_walls_is_seen_beyond_gaps():
    cells = np.zeros((1, 3, 9), np.uint8)
    cells[0, 1, [1, 2, 5, 6]] = 1
    body, view = new_body(1), new_view(1, 1)
    body.x[0], body.y[0], body.eye[0] = 150, 150, 50
    look(view, 0, body, 0)
    obs = np.full((1, 64, 64, 3), NOTHING[0], np.uint8)
    for column in range(64):
        draw_floor_column(obs, 0, column, screen_of(obs, column), view, cells, 0, ATLAS, 2)
    column = obs[0, :, 32]  # floor to depth 150, gap to 350, floor to 550: rows 42.7, 36.6, 34.9
    assert (column[43:] == BLUE).all() and (column[37:42] == NOTHING).all()
    assert (column[35:36] == BLUE).all() and (column[:34] == NOTHING).all()
