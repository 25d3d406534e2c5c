"""The paper's table beside ours. Paper: van den Oord et al. 2018, Table 5 (BookCorpus)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cpc_repr.probes import Score
from cpc_repr.report import Row, Table, interval_note, over_seeds, rows_of, score_table
from cpc_repr.text.senteval import TASKS

NEW = "_new"  # follows the name of a task: its sentences with a word that no book has

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
    ours = score_table("Sentence classification, %", _rows(seeds, TITLES), _columns(""), "")
    note = f"{_intervals(len(seeds))}. Ours: {tasks}, trained on {books}. Paper: BookCorpus, the published tasks."
    published = tuple((f"paper: {name}", *figures) for name, figures in PAPER.items())
    return replace(ours, rows=ours.rows + published, note=f"{note} Only orderings can be compared.")


def table_expansion(seeds: Sequence[Mapping[str, Row]]) -> Table | None:
    """Accuracy on the sentences with a word that no book has, with and without vocabulary expansion; None without."""
    titles = {"bag": TITLES["bag"], "cpc_plain": "CPC, z, not expanded", "cpc": "CPC, z, expanded"}
    titles["supervised"] = TITLES["supervised"]
    title = "Vocabulary expansion: sentences with words the books do not have, %"
    table = score_table(title, _rows(seeds, titles), _columns(NEW), _intervals(len(seeds)) + ".")
    return table if any(name == titles["cpc_plain"] for name, *_ in table.rows) else None


def intervals(seeds: Sequence[Mapping[str, Row]]) -> dict[str, list[Score]]:
    """Accuracy of each row in each of `TASKS` with the table's interval, NaN where there is none."""
    accuracies = {}
    for name, title in TITLES.items():
        scores = [[row[name][task] for row in seeds if task in row.get(name, {})] for task in TASKS]
        if any(scores):
            accuracies[title] = [over_seeds(each) for each in scores]
    return accuracies


def _rows(seeds: Sequence[Mapping[str, Row]], titles: Mapping[str, str]) -> dict[str, list[Row]]:
    return {title: rows_of(seeds, name) for name, title in titles.items()}


def _columns(suffix: str) -> list[tuple[str, str]]:
    return [(task, task + suffix) for task in TASKS]


def _intervals(seeds: int) -> str:
    return interval_note(seeds, "test sentences (bootstrap)")
