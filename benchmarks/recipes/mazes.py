"""The table of mazes in docs/levels.md."""

from __future__ import annotations

from recipes.common import Rows, table

OPTIONS = ("explore", "lasertag")


def generators() -> Rows:
    """Each measure for both levels' options, ours beside labmaze's."""
    kept = {(row["options"], row["measure"]): row for row in table("mazes.md")}
    columns = [(name, column) for name in OPTIONS for column in ("ours", "labmaze", "p")]
    head = ["measure", *(f"{name}: {column}" if column != "p" else "p" for name, column in columns)]
    measures = list(dict.fromkeys(measure for _, measure in kept))
    return [head, *([what, *(kept[name, what][column] for name, column in columns)] for what in measures)]
