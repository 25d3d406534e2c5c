"""Tables of docs/detection.md, from benchmarks/results/vision/detection.md."""

from __future__ import annotations

from recipes.common import Rows, table

FILE = "vision/detection.md"
PRECISION, GAIN = 0, 1  # tables of each data set, which has three


def blood_cells() -> Rows:
    """Mean average precision on BCCD, and points gained by CPC."""
    return _both(0)


def drawn() -> Rows:
    """The same on drawn pictures."""
    return _both(3)


def pretrainings() -> Rows:
    """The same on drawn pictures, each seed with a pretraining of its own, beside supervised encoders."""
    return _both(6)


def _both(first: int) -> Rows:
    precision, gain = (table(FILE, first + number) for number in (PRECISION, GAIN))
    rows = [[*row.values()] for row in precision]
    gained = [[f"{name} - random, paired", *cells] for name, *cells in ([*row.values()] for row in gain)]
    return [[*precision[0]], *rows, *gained]
