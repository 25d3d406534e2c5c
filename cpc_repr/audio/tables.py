"""The paper's tables beside ours. Paper: van den Oord et al. 2018, Tables 1 and 2 (LibriSpeech, 251 speakers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.report import Column, Row, Table, interval_note, rows_of, score_table

PAPER = {  # row: how it is called; the paper's phones, phones by a probe with a hidden layer, and speakers, in percent
    "chance": ("most frequent class", "", "", ""),
    "random": ("random weights", "27.6", "", "1.87"),
    "mfcc13": ("MFCC, 13", "39.7", "", "17.6"),
    "mfcc39": ("MFCC, 13 + deltas (39)", "", "", ""),
    "cpc": ("CPC", "64.6", "72.5", "97.4"),
    "bound": ("supervised, reads both ways", "74.6", "", "98.5"),  # the paper's reads the past alone, as its CPC
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
    titles = {name: PAPER[name][0] for name in ("chance", "random", "mfcc13", "mfcc39")}
    titles |= {**method, "bound": PAPER["bound"][0]}
    rows = {title: rows_of(seeds, name) for name, title in titles.items()}
    phones, hidden, speakers = ({row[0]: row[i] for row in PAPER.values()} for i in (1, 2, 3))
    columns: list[Column] = [
        ("phones, %", "phone"),
        ("paper", phones),
        ("phones, MLP, %", "phone_mlp"),
        ("paper", hidden),
    ]
    columns += [("speakers, %", "speaker"), ("paper", speakers), ("speakers, MLP, %", "speaker_mlp")]
    return score_table("Classification of each frame, linear and by an MLP", rows, columns, _note(len(seeds), corpus))


def table_2(arms: Mapping[str, Sequence[Row]], corpus: str) -> Table:
    """Table 2: accuracies of CPC, for each row those of its seeds. The paper gives phones only."""
    columns: list[Column] = [("phones, %", "phone"), ("paper", PAPER_PHONES), ("speakers, %", "speaker"), ("paper", {})]
    note = _note(max(len(seeds) for seeds in arms.values()), corpus)
    return score_table("CPC, linear classification of each frame", arms, columns, note)


def _note(seeds: int, corpus: str) -> str:
    how = interval_note(seeds, "test utterances (bootstrap)")
    return f"{how}. Ours: {corpus}. Paper: LibriSpeech train-clean-100, 251 speakers. Only orderings can be compared."
