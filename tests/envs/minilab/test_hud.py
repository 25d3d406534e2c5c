import numpy as np
import pytest

from envs.minilab import hud
from envs.minilab.sprites import digits

GLYPHS = digits().astype(bool)
LEFT, RIGHT, CROSS = 0x0000FF, 0x00FF00, 0xFFFFFF  # red, green, white


def picture(height: int, width: int, left: int, right: int) -> np.ndarray:
    obs = np.full((1, height, width, 3), 90, np.uint8)
    for column in range(width):
        hud.draw_two_numbers(obs, 0, column, left, np.uint32(LEFT), right, np.uint32(RIGHT))
        hud.draw_cross_hair(obs, 0, column, np.uint32(CROSS))
    return obs[0]


def read(ink: np.ndarray, size: int) -> str:
    """The number whose ink, cut to three digits, is given."""
    text = ""
    for place in range(3):
        dots = ink[::size, 4 * place * size : (4 * place + 3) * size : size]
        text += next((str(n) for n in range(10) if (dots == GLYPHS[n]).all()), " " if not dots.any() else "?")
    return text


@pytest.mark.parametrize(("height", "width", "size"), [(24, 24, 1), (72, 96, 1), (120, 160, 2), (256, 256, 5)])
@pytest.mark.parametrize(("left", "right"), [(125, 100), (0, 7), (98, 200), (46, 35)])
def test_numbers_can_be_read_at_every_size(height, width, size, left, right):
    seen = picture(height, width, left, right)
    rows = slice(height - 6 * size, height - size)
    red = (seen == [255, 0, 0]).all(-1)[rows, size : 12 * size]
    green = (seen == [0, 255, 0]).all(-1)[rows, width - 12 * size : width - size]
    assert read(red, size) == f"{left:3}"
    assert read(green, size) == f"{right:3}"
    assert red.sum() == (seen == [255, 0, 0]).all(-1).sum()  # nowhere else


@pytest.mark.parametrize(("height", "width"), [(72, 96), (256, 256)])
def test_the_cross_hair_is_in_the_middle_and_the_rest_is_left_alone(height, width):
    seen = picture(height, width, 1, 1)
    rows, columns = np.nonzero((seen == 255).all(-1))
    assert abs(rows.mean() - (height - 1) / 2) <= 1 and abs(columns.mean() - (width - 1) / 2) <= 1
    assert rows.max() - rows.min() < height / 12
    assert (seen[: height // 3] == 90).all()
    assert (seen[:, width // 3 : width // 3 + 8] == 90).all()
