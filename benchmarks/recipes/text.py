"""Tables of docs/text.md, from the results kept in benchmarks/results/text."""

from __future__ import annotations

from recipes.common import Rows, as_rows, scored

from cpc_repr.text.tables import TITLES, table_5


def real_books() -> Rows:
    """Table 5 on the published tasks, after training on real books."""
    return as_rows(table_5(scored("text/real_books", TITLES), "the published tasks", "209 books"))
