"""What recipes share: reading files of results, and comparing kept runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cpc_repr.probes import Score
from cpc_repr.report import Row, Table
from cpc_repr.results import read_results
from cpc_rl.compare.reading import find
from cpc_rl.compare.summary import Comparison, compare
from cpc_rl.compare.tables import tables

RESULTS = Path(__file__).resolve().parents[1] / "results"
Rows = list[list[str]]  # of a table, the header first
Cells = dict[str, str]  # of one row, by the names of the columns


def compared(*patterns: str, **settings: Any) -> Comparison:
    """The comparison of the kept runs that match `patterns`, as `python -m cpc_rl.compare` makes it."""
    return compare(find(sorted(path for pattern in patterns for path in RESULTS.glob(pattern))), **settings)


def printed(comparison: Comparison) -> dict[tuple[str, str], Cells]:
    """What the report of a comparison says of each level and arm, by the columns of its tables."""
    cells: dict[tuple[str, str], Cells] = defaultdict(dict)
    for table in tables(comparison):
        for row in table.rows if table.head[0] == "level" else []:
            named = dict(zip(table.head, row, strict=True))
            named["arm"] = named["arm"].removesuffix(" (baseline)")
            cells[named["level"], named["arm"]] |= named
    return dict(cells)


def table(name: str, number: int = 0) -> list[Cells]:
    """Table `number` of a Markdown file of results, a row by the names of its columns."""
    found: list[list[list[str]]] = [[]]
    for line in (RESULTS / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    head, _, *rows = found[number]
    return [dict(zip(head, row, strict=True)) for row in rows]


def scored(name: str, rows: Iterable[str]) -> list[dict[str, Row]]:
    """Of each seed whose results lie in the folder `name` of results, accuracies by row and what was measured."""
    seeds = []
    for path in sorted((RESULTS / name).glob("*/results.json")):
        _, results = read_results(path)
        known = [row for row in rows if row in results]
        seeds.append({row: {what: Score(*values) for what, values in results[row].items()} for row in known})
    return seeds


def as_rows(made: Table) -> Rows:
    """A table of an experiment as a recipe gives it."""
    return [list(made.header), *map(list, made.rows)]


def bold(text: str, when: bool = True) -> str:
    """In bold, if `when`."""
    return f"**{text}**" if when else text
