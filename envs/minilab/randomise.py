"""Domain randomisation (Tobin et al. 2017): another look of the same task in each episode.

An environment has a palette of 256 colours for each texture, made anew when its episode changes; drawing then costs one
more look-up a pixel. All is a pure function of (seed, environment, episode), from Philox counters of its own, so that
places and rewards are those of the plain level, and a saved state needs nothing more.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envs.config import PARTS, Half, Textures
from envs.minilab.jit import device_function
from envs.minilab.overlay import CONTENTS, ENGINE, FIRST_CONTENT, OFF, OWN
from envs.minilab.rng import Streams, philox
from envs.minilab.state import Float32Array, Int32Array
from envs.minilab.textures import OFFSETS, PALETTE, ROW, SIZE, Atlas, build_atlas
from envs.minilab.view import LARGER, LIGHT_UP, LIGHT_X, LIGHT_Y, SHOWN, WIDER, View

_PICTURE, _SURFACES, _SWAP, _SKY, _FIELD, _ITEMS, _LIGHT, _DISPLAY = range(len(PARTS))
OTHER, SKY, WALLS, FLOORS, ITEM = range(5)  # kinds of textures; other ones are pictures and signs
_KINDS = {"s": SKY, "w": WALLS, "f": FLOORS}
_PART_OF = np.array([_SURFACES, _SKY, _SURFACES, _SURFACES, _ITEMS], np.int32)  # whose strength a kind's colour has
# By kind, then the whole picture, at full strength: hue (degrees either way), brightness and contrast (parts).
_WHOLE = 5
_SPREAD = ((10, 0.3, 0.3), (180, 0.35, 0.4), (180, 0.35, 0.4), (180, 0.35, 0.4), (12, 0.2, 0.2), (15, 0.25, 0.25))
_SHARED = 6  # hue that all pictures of an episode have in common: apart from one another they stay
_SHARED_DEGREES = 180
_LARGER = np.float32(0.15)
_BRIGHTER = np.float32(0.22)  # each to the east, to the north and above
_FIELD_DEGREES = 2  # more or less than 90
_WIDER = np.float32(math.tan(math.radians(45 + _FIELD_DEGREES / 2)) - 1)
_HUES = 256
_OF_PICTURE = 1 << 20  # where the draws of the whole picture begin, far behind those of textures
_OF_SKY = _OF_PICTURE + 2
_OF_LIGHT = _OF_PICTURE + 4
_OF_DISPLAY = _OF_PICTURE + 5
_TAG = np.uint64(1)  # tells these draws from those of the level's rules
_MASK = np.uint64(0xFFFFFFFF)
_BYTE = np.uint32(255)
_OPAQUE = np.uint32(1 << 24)
_TOP_BYTE = np.uint64(24)
_TO_FLOAT = np.uint64(8)
_UNIT = np.float32(2.0**-24)
_ZERO, _ONE, _TWO, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_THREE, _CONTENTS = np.float32(3), np.float32(CONTENTS)
_THIRD, _ROOT = np.float32(1 / 3), np.float32(3**-0.5)
_GREY = np.float32(128)
_WHITE = np.float32(255)


class Looks(NamedTuple):
    """What episodes choose from."""

    colours: npt.NDArray[np.uint32]  # [rows, PALETTE] packed, as the plain level has them
    textures: Int32Array  # [T, 4] kind, own row, first row and number of those that may take its place
    hues: Float32Array  # [7, 256, 2] cosine and sine of a turn by kind, of the whole picture, of all pictures
    spread: Float32Array  # [6, 2] of brightness and contrast, by kind, of the whole picture
    strength: Float32Array  # [parts]


def randomised(
    atlas: Atlas,
    level: Any,
    num_envs: int,
    strength: float,
    parts: tuple[str, ...],
    textures: Textures,
    half: Half = "both",
) -> tuple[Atlas, Looks]:
    """The atlas with room for each environment's palettes, and what these are drawn from.

    Args:
        atlas: the plain one.
        level: says in `SURFACES` what the first textures are, and in `BACKDROP` the colour of a plain sky.
        num_envs: B.
        strength: in (0, 1].
        parts: of PARTS.
        textures: look of the papers that take one another's place.
        half: of these papers and of the turns of hue, so that an agent can be tested on the other one.
    """
    from envs.minilab.mazes import FLOOR, PAPERS, WALL, maze_textures  # scipy: only where it is wanted

    papers = maze_textures(textures)
    spare = [*papers[WALL:FLOOR:2], *papers[FLOOR : FLOOR + PAPERS : 2]]  # the bright ones are the same in pale
    own, walls = len(atlas.texels), len(spare) // 2
    count = walls if half == "both" else walls // 2
    first = own + (walls // 2 if half == "second" else 0)
    texels, colours = _number_colours(np.concatenate([atlas.texels, build_atlas(spare).texels]))
    backdrop = np.full((1, PALETTE), int(getattr(level, "BACKDROP", 0)), np.uint32)
    table = [(_kind(level, t, row), t) for t, row in enumerate(atlas.texels)] + [(SKY, len(colours))]
    swaps = {WALLS: (first, count), FLOORS: (first + walls, count)}
    strengths = np.array([strength * (part in parts) for part in PARTS], np.float32)
    looks = Looks(
        colours=np.concatenate([colours, backdrop]),
        textures=np.array([(kind, t, *swaps.get(kind, (0, 0))) for kind, t in table], np.int32),
        hues=_hue_table(strengths, half),
        spread=np.array(
            [[s * by for s in spread[1:]] for spread, by in zip(_SPREAD, _strength_of(strengths), strict=True)],
            np.float32,
        ),
        strength=strengths,
    )
    return Atlas(texels, np.zeros((num_envs, len(table), PALETTE + 5), np.uint32)), looks


def _kind(level: Any, texture: int, row: npt.NDArray[np.uint32]) -> int:
    """What a texture stands for; one with transparent parts is an item's."""
    surfaces = getattr(level, "SURFACES", "")
    if texture < len(surfaces) and surfaces[texture] in _KINDS:
        return _KINDS[surfaces[texture]]
    return ITEM if (row[: OFFSETS[1]] < _OPAQUE).any() else OTHER


def _strength_of(strengths: Float32Array) -> list[float]:
    """Of each kind's colours and of the whole picture's."""
    return [float(strengths[part]) for part in (*_PART_OF, _PICTURE)]


def _hue_table(strengths: Float32Array, half: Half) -> Float32Array:
    by = [*_strength_of(strengths), float(strengths[_SURFACES])]
    degrees = [*(spread[0] for spread in _SPREAD), _SHARED_DEGREES]
    turn = np.linspace(0 if half == "second" else -1, 0 if half == "first" else 1, _HUES)
    angle = np.radians(np.outer(np.multiply(by, degrees), turn))
    return np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)


def _number_colours(texels: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Texels as numbers of colours, and each row's colours [rows, PALETTE]; too many are reduced to the nearest."""
    from PIL import Image

    numbers, colours = np.zeros_like(texels), np.zeros((len(texels), PALETTE), np.uint32)
    for row, number, palette in zip(texels, numbers, colours, strict=True):
        values, inverse = np.unique(row, return_inverse=True)
        if len(values) > PALETTE:
            opaque = row >= _OPAQUE
            rgb = np.stack([row >> shift & 255 for shift in (0, 8, 16)], -1).astype(np.uint8)
            # A square as PIL likes it, filled up with what is there; transparent texels have the last number.
            square = np.resize(rgb[opaque], (SIZE, SIZE * 2, 3))
            reduced = Image.fromarray(square).quantize(PALETTE - 1, dither=Image.Dither.NONE)
            few = np.asarray(reduced).ravel()[: opaque.sum()]
            chosen = np.asarray(reduced.getpalette(), np.uint32).reshape(-1, 3)
            palette[: len(chosen)] = chosen @ np.array([1, 1 << 8, 1 << 16], np.uint32) + _OPAQUE
            palette[PALETTE - 1] = 0
            number[:] = PALETTE - 1
            number[opaque] = few
        else:
            palette[: len(values)], number[:] = values, inverse.ravel()
    return numbers, colours


@device_function
def _unit(word: np.uint64) -> np.float32:
    return np.float32(word >> _TO_FLOAT) * _UNIT


@device_function
def _signed(word: np.uint64) -> np.float32:
    """In [-1, 1)."""
    return _unit(word) * _TWO - _ONE


@device_function
def _words(streams: Streams, i: int, draw: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    return philox(
        np.uint64(draw),
        np.uint64(streams.episode[i]) & _MASK,
        np.uint64(streams.environment[i]),
        _TAG,
        streams.key[0],
        streams.key[1],
    )


@device_function
def is_dressed(i: int, texture: int, streams: Streams, atlas: Atlas) -> bool:
    """Whether a texture's palette is that of the episode; it says itself whose it is."""
    palettes = atlas.palettes
    return bool(
        palettes[i, texture, ROW + 1] == streams.key[0]
        and palettes[i, texture, ROW + 2] == streams.key[1]
        and palettes[i, texture, ROW + 3] == streams.environment[i] + 1  # 0: nobody's
        and palettes[i, texture, ROW + 4] == np.uint64(streams.episode[i]) & _MASK
    )


@device_function
def _recolour(colour: np.uint32, cosine: np.float32, sine: np.float32, scale: np.float32, add: np.float32) -> np.uint32:
    """A packed colour turned round the grey axis, scaled and moved."""
    red, green = np.float32(colour & _BYTE), np.float32((colour >> np.uint32(8)) & _BYTE)
    blue = np.float32((colour >> np.uint32(16)) & _BYTE)
    same = (_ONE + cosine + cosine) * _THIRD
    after, before = (_ONE - cosine) * _THIRD - sine * _ROOT, (_ONE - cosine) * _THIRD + sine * _ROOT
    r = (same * red + after * green + before * blue) * scale + add
    g = (before * red + same * green + after * blue) * scale + add
    b = (after * red + before * green + same * blue) * scale + add
    return (
        np.uint32(min(max(r, _ZERO), _WHITE) + _HALF)
        | np.uint32(min(max(g, _ZERO), _WHITE) + _HALF) << np.uint32(8)
        | np.uint32(min(max(b, _ZERO), _WHITE) + _HALF) << np.uint32(16)
        | (colour & _OPAQUE)
    )


@device_function
def dress(i: int, texture: int, streams: Streams, looks: Looks, atlas: Atlas, view: View) -> None:
    """Make the palette of one texture for environment i's episode; the last one brings the camera with it."""
    palettes, strength = atlas.palettes, looks.strength
    kind = looks.textures[texture, 0]
    draw = _OF_SKY if kind == SKY else 2 * texture  # the four sides of a sky are one
    turn, light, contrast, chance = _words(streams, i, draw)
    which, _, _, _ = _words(streams, i, draw + 1)
    whole_turn, whole_light, whole_contrast, shared = _words(streams, i, _OF_PICTURE)
    row, count = looks.textures[texture, 1], looks.textures[texture, 3]
    if count > 0 and _unit(chance) < strength[_SWAP]:
        row = looks.textures[texture, 2] + min(int(_unit(which) * np.float32(count)), count - 1)

    hues, spread = looks.hues, looks.spread
    a, b = int(turn >> _TOP_BYTE), int(whole_turn >> _TOP_BYTE)
    cosine = hues[kind, a, 0] * hues[_WHOLE, b, 0] - hues[kind, a, 1] * hues[_WHOLE, b, 1]
    sine = hues[kind, a, 0] * hues[_WHOLE, b, 1] + hues[kind, a, 1] * hues[_WHOLE, b, 0]
    if kind == OTHER:
        c = int(shared >> _TOP_BYTE)
        turned = cosine * hues[_SHARED, c, 0] - sine * hues[_SHARED, c, 1]
        sine = cosine * hues[_SHARED, c, 1] + sine * hues[_SHARED, c, 0]
        cosine = turned
    scale, add = _ONE, _ZERO
    for part in range(2):  # the texture by itself, then the whole picture
        of = kind if part == 0 else _WHOLE
        gain = _ONE + spread[of, 0] * _signed(light if part == 0 else whole_light)
        steep = _ONE + spread[of, 1] * _signed(contrast if part == 0 else whole_contrast)
        scale *= steep * gain
        add = (add * steep + _GREY * (_ONE - steep)) * gain
    for k in range(PALETTE):
        palettes[i, texture, k] = _recolour(looks.colours[row, k], cosine, sine, scale, add)
    palettes[i, texture, ROW] = row
    palettes[i, texture, ROW + 1], palettes[i, texture, ROW + 2] = streams.key[0], streams.key[1]
    palettes[i, texture, ROW + 3] = streams.environment[i] + 1
    palettes[i, texture, ROW + 4] = np.uint64(streams.episode[i]) & _MASK
    if texture == looks.textures.shape[0] - 1:
        _set_camera(i, streams, strength, view)


@device_function
def _set_camera(i: int, streams: Streams, strength: Float32Array, view: View) -> None:
    """Field of view, size of items, light and display of environment i's episode."""
    camera = view.camera
    wider, larger, _, _ = _words(streams, i, _OF_PICTURE + 1)
    camera[i, WIDER] = _WIDER * strength[_FIELD] * _signed(wider)
    camera[i, LARGER] = _LARGER * strength[_ITEMS] * _signed(larger)
    east, north, up, even = _words(streams, i, _OF_LIGHT)
    brighter = _ZERO if _unit(even) < _HALF else _BRIGHTER * strength[_LIGHT]
    camera[i, LIGHT_X], camera[i, LIGHT_Y] = brighter * _signed(east), brighter * _signed(north)
    camera[i, LIGHT_UP] = brighter * _signed(up)
    chance, kind, content, _ = _words(streams, i, _OF_DISPLAY)
    shown = OWN
    if _unit(chance) < strength[_DISPLAY]:
        third = int(_unit(kind) * _THREE)
        shown = OFF if third == 0 else ENGINE
        if third > 1:
            shown = FIRST_CONTENT + int(_unit(content) * _CONTENTS)
    camera[i, SHOWN] = np.float32(shown)
