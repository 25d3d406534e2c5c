"""The paper's tables beside ours. Paper: van den Oord et al. 2018, Tables 1 and 2 (LibriSpeech, 251 speakers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.probes import Score
from cpc_repr.report import Table, percent

Row = Mapping[str, Score]  # task -> accuracy, of one seed

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
HEADER = ("phones, %", "paper", "speakers, %", "paper")


def table_1(seeds: Sequence[Mapping[str, Row]], corpus: str) -> Table:
    """Table 1. `seeds` maps, for each seed, rows as `PAPER` calls them to accuracies; `corpus` says what was heard."""
    rows = []
    for name, (title, phone, speaker) in PAPER.items():
        source, mlp, _ = name.partition("_mlp")
        found = [row[source] for row in seeds if source in row]
        columns = [_column(found, task + mlp) for task in ("phone", "speaker")]
        if any(cell != "-" for cell in columns):
            rows.append((title, columns[0], phone, columns[1], speaker))
    return Table("Linear classification of each frame", ("", *HEADER), tuple(rows), _note(len(seeds), corpus))


def table_2(arms: Mapping[str, Sequence[Row]], corpus: str) -> Table:
    """Table 2: accuracies of CPC, for each row those of its seeds. The paper gives phones only."""
    rows = []
    for name, found in arms.items():
        phone, speaker = (_column(found, task) for task in ("phone", "speaker"))
        rows.append((name, phone, PAPER_PHONES.get(name, ""), speaker, ""))
    most = max(len(found) for found in arms.values())
    return Table("CPC, linear classification of each frame", ("", *HEADER), tuple(rows), _note(most, corpus))


def table_modules(seeds: Sequence[Mapping[str, Row]], names: Sequence[str], corpus: str) -> Table:
    """Greedy InfoMax: what each module's output knows. Its paper's accuracies are not in the tables we have."""
    rows = []
    for name in ("chance", *names):
        phone, speaker = (_column([row[name] for row in seeds if name in row], task) for task in ("phone", "speaker"))
        rows.append((PAPER[name][0] if name in PAPER else name, phone, speaker))
    return Table(
        "Greedy InfoMax: each module's output", ("", HEADER[0], HEADER[2]), tuple(rows), _note(len(seeds), corpus)
    )


def _column(found: Sequence[Row], task: str) -> str:
    return percent([row[task] for row in found if task in row])


def _note(seeds: int, corpus: str) -> str:
    how = (
        "[..]: 95 % bootstrap interval over test utterances, one seed"
        if seeds == 1
        else f"mean of {seeds} seeds ± half its 95 % t-interval"
    )
    return f"{how}. Ours: {corpus}. Paper: LibriSpeech train-clean-100, 251 speakers. Only orderings can be compared."
