"""Tables of docs/text.md, from the results kept in benchmarks/results/text."""

from __future__ import annotations

from recipes.common import Rows, as_rows, scored

from cpc_repr.report import Row
from cpc_repr.text.senteval import TASKS
from cpc_repr.text.tables import TITLES, table_5, table_expansion


def real_books() -> Rows:
    """Table 5 on the published tasks, after training on real books."""
    return as_rows(table_5(_seeds("text/real_books"), "the published tasks", "209 books"))


def generated() -> Rows:
    """The same on generated text."""
    return as_rows(table_5(_seeds("text/generated"), "generated tasks", "generated stories"))


def expansion() -> Rows:
    """With and without vocabulary expansion, on the generated tasks' sentences with a word that no book has."""
    table = table_expansion(_seeds("text/generated"))
    assert table is not None
    return as_rows(table)


def _seeds(name: str) -> list[dict[str, Row]]:
    """Rows of each seed; the supervised one was measured task by task."""
    parts = {f"supervised_{task}" for task in TASKS}
    seeds = []
    for scores in scored(name, [*TITLES, *parts]):
        rows = {row: score for row, score in scores.items() if row not in parts}
        supervised = {what: score for part in parts & scores.keys() for what, score in scores[part].items()}
        seeds.append(rows | ({"supervised": supervised} if supervised else {}))
    return seeds
