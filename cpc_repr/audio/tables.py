"""The paper's tables beside ours. Paper: van den Oord et al. 2018, Tables 1 and 2 (LibriSpeech, 251 speakers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.report import Column, Row, Table, interval_note, rows_of, score_table

# Row: how it is called, and the paper's phone and speaker accuracy, in percent.
PAPER = {
    "chance": ("most frequent class", "", ""),
    "random": ("random weights", "27.6", "1.87"),
    "mfcc13": ("MFCC, 13", "39.7", "17.6"),
    "mfcc39": ("MFCC, 13 + deltas (39)", "", ""),
    "cpc": ("CPC", "64.6", "97.4"),
    "cpc_mlp": ("CPC, MLP probe", "72.5", ""),
    "supervised": ("supervised", "74.6", "98.5"),
}
PAPER_PHONES = {
    "2 steps": "28.5",
    "4 steps": "57.6",
    "8 steps": "63.6",
    "12 steps": "64.6",
    "16 steps": "63.8",
    "mixed speaker": "64.6",
    "same speaker": "65.5",
    "mixed speaker (excl.)": "57.3",
    "same speaker (excl.)": "64.6",
    "current sequence only": "65.2",
}


def table_1(seeds: Sequence[Mapping[str, Row]], method: Mapping[str, str], corpus: str) -> Table:
    """Table 1.

    Args:
        seeds: Of each its rows, called as in `PAPER` and `method`.
        method: Rows of the method, and their titles.
        corpus: What was heard.
    """
    *_, best = method
    titles = {name: PAPER[name][0] for name in ("chance", "random", "mfcc13", "mfcc39")}
    titles |= {**method, f"{best}_mlp": f"{method[best]}, MLP probe", "supervised": PAPER["supervised"][0]}
    rows = {}
    for name, title in titles.items():
        source, mlp, _ = name.partition("_mlp")
        keys = {task: task + mlp for task in ("phone", "speaker")}
        rows[title] = [{task: row[k] for task, k in keys.items() if k in row} for row in rows_of(seeds, source)]
    columns = (
        ("phones, %", "phone"),
        ("paper", {title: phone for title, phone, _ in PAPER.values()}),
        ("speakers, %", "speaker"),
        ("paper", {title: speaker for title, _, speaker in PAPER.values()}),
    )
    return score_table("Linear classification of each frame", rows, columns, _note(len(seeds), corpus))


def table_2(arms: Mapping[str, Sequence[Row]], corpus: str) -> Table:
    """Table 2: accuracies of CPC, for each row those of its seeds. The paper gives phones only."""
    columns: list[Column] = [("phones, %", "phone"), ("paper", PAPER_PHONES), ("speakers, %", "speaker"), ("paper", {})]
    note = _note(max(len(seeds) for seeds in arms.values()), corpus)
    return score_table("CPC, linear classification of each frame", arms, columns, note)


def _note(seeds: int, corpus: str) -> str:
    how = interval_note(seeds, "test utterances (bootstrap)")
    return f"{how}. Ours: {corpus}. Paper: LibriSpeech train-clean-100, 251 speakers. Only orderings can be compared."
