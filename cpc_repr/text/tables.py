"""The paper's table beside ours. Paper: van den Oord et al. 2018, Table 5 (BookCorpus)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.probes import Score
from cpc_repr.report import Table, percent, pooled
from cpc_repr.text.senteval import TASKS

NEW = "_new"  # follows the name of a task: its sentences with a word that no book has
Row = Mapping[str, Score]  # task -> accuracy, of one seed

TITLES = {
    "chance": "most frequent class",
    "bow": "bag of words",
    "bag": "bag of random embeddings",
    "vectors": "bag of word vectors",
    "random": "random weights, z",
    "cpc_plain": "CPC, z, books' words only",
    "cpc": "CPC, z",
    "cpc_c": "CPC, c",
    "supervised": "supervised",
}
PAPER = {  # in percent
    "paragraph vector": ("74.8", "78.1", "90.5", "74.2", "91.8"),
    "skip-thought": ("75.5", "79.3", "92.1", "86.9", "91.4"),
    "skip-thought + LN": ("79.5", "82.6", "93.4", "89.0", "-"),
    "CPC": ("76.9", "80.1", "91.2", "87.7", "96.8"),
}


def table_5(seeds: Sequence[Mapping[str, Row]], tasks: str, books: str) -> Table:
    """Table 5.

    Args:
        seeds: For each seed, rows as `TITLES` calls them, each with accuracies by task.
        tasks: What the tasks were: shown with the table.
        books: What was trained on.
    """
    rows = [(title, *_cells(seeds, name, "")) for name, title in TITLES.items()]
    rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
    rows += [(f"paper: {name}", *figures) for name, figures in PAPER.items()]
    note = f"{_intervals(len(seeds))}. Ours: {tasks}, trained on {books}. Paper: BookCorpus, the published tasks."
    return Table("Sentence classification, %", ("", *TASKS), tuple(rows), f"{note} Only orderings can be compared.")


def table_expansion(seeds: Sequence[Mapping[str, Row]]) -> Table | None:
    """Accuracy on the sentences with a word that no book has, with and without vocabulary expansion; None without."""
    names = {"bag": TITLES["bag"], "cpc_plain": "CPC, z, not expanded", "cpc": "CPC, z, expanded"}
    names["supervised"] = TITLES["supervised"]
    rows = [(title, *_cells(seeds, name, NEW)) for name, title in names.items()]
    if all(cell == "-" for row in rows if row[0].startswith("CPC, z, not") for cell in row[1:]):
        return None
    rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
    title = "Vocabulary expansion: sentences with words the books do not have, %"
    return Table(title, ("", *TASKS), tuple(rows), _intervals(len(seeds)) + ".")


def intervals(seeds: Sequence[Mapping[str, Row]]) -> dict[str, list[Score]]:
    """Accuracy of each row in each of `TASKS` with the table's interval, NaN where there is none."""
    found = {}
    for name, title in TITLES.items():
        scores = [[row[name][task] for row in seeds if task in row.get(name, {})] for task in TASKS]
        if any(scores):
            found[title] = [pooled(each) for each in scores]
    return found


def _cells(seeds: Sequence[Mapping[str, Row]], name: str, suffix: str) -> list[str]:
    found = [row[name] for row in seeds if name in row]
    return [percent([row[task + suffix] for row in found if task + suffix in row]) for task in TASKS]


def _intervals(seeds: int) -> str:
    if seeds == 1:
        return "[..]: 95 % bootstrap interval over test sentences, one seed"
    return f"mean of {seeds} seeds ± half its 95 % t-interval"
