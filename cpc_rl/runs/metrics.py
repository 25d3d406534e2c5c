"""metrics.jsonl: one JSON object a line, on the disk as soon as it is written."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs import RunFailure
from configs.errors import shorten
from cpc_rl.runs.files import write_atomic

LARGEST = 1e300  # room for sums and squares
Row = dict[str, float | int | None]


def plain(row: Mapping[str, Any]) -> Row:
    """Turn tensors and numpy scalars into Python numbers, and what is not finite into None, which JSON can say."""
    return {name: _number(value) for name, value in row.items()}


def read_metrics(path: Path) -> list[Row]:
    """Read all lines; a torn last line, left by a killed run, is passed over.

    Raises:
        RunFailure: A line before the last is damaged.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            rows.append(parse_row(line))
        except ValueError as error:
            if number == len(lines):  # no line break after it
                break
            raise RunFailure(f"{path}, line {number}: {error}") from error
    return rows


def parse_row(line: str | bytes) -> Row:
    """Read one line: names with numbers, each finite and below 1e300, or null. Raises ValueError for anything else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # of JSON, of UTF-8, of a number of 5,000 digits
        raise ValueError(f"not JSON ({getattr(error, 'msg', None) or error})") from error
    if not isinstance(row, dict):
        raise ValueError(f"{shorten(str(row))} is no row of names and numbers")
    for name, value in row.items():
        if value is not None and not (type(value) in (int, float) and -LARGEST < value < LARGEST):
            raise ValueError(f"{shorten(name)} is {shorten(repr(value))}, which is no finite number")
    return row


class JsonLines:
    """Appends rows to a file; each is flushed to the operating system, so a killed run loses none."""

    def __init__(self, path: Path, frames: int = 0, unit: str = "frames") -> None:
        """Open `path`, without its lines of more than `frames` frames (or `unit`): the run continues from there."""
        kept = [row for row in read_metrics(path) if (row.get(unit) or 0) <= frames] if frames else []
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_atomic(path, lambda file: file.write(text.encode()))
        self._path, self._file = path, path.open("a", encoding="utf-8")

    def write(self, row: Row) -> None:
        """Append one line. Raises OSError that names the file, for example on a full disk."""
        try:
            self._file.write(json.dumps(row, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # of a line that `write` has complained about
            self._file.close()


def _number(value: Any) -> float | int | None:
    number = value.item() if hasattr(value, "item") else value
    return None if number is None or not math.isfinite(number) else number
