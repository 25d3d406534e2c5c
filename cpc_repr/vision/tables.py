"""The papers' tables beside ours: van den Oord et al. 2018, Tables 3 and 4; Hénaff et al. 2020, Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.probes import Score
from cpc_repr.report import Table, percent
from cpc_repr.vision.efficient import METHODS

Row = Mapping[str, Score]  # what was measured -> accuracy, of one seed

# Row: how it is called, and top-1 and top-5 of CPC v1, then of v2, in percent. Supervised: v2's Table 2, all labels.
PAPER = {
    "chance": ("chance", "0.1", "0.5", "0.1", "0.5"),
    "pixels": ("pixels", "", "", "", ""),
    "random": ("random encoder", "", "", "", ""),
    "cpc": ("CPC", "48.7", "73.6", "71.5", "90.1"),
    "supervised": ("supervised, end to end", "", "", "80.2", "95.2"),
}
PROTOCOLS = {
    "linear": "mean of the grid, SGD",
    "grid": "every cell, Adam",
    "lbfgs": "mean of the grid, L-BFGS",
    "mlp": "mean of the grid, MLP",
}
METHOD_TITLES = {"pixels": "from pixels", "frozen": "CPC, frozen", "tuned": "CPC, fine-tuned"}
# Hénaff et al. 2020, Table 2: share of ImageNet's labels -> top-1 and top-5 from pixels, then on CPC.
FEW_LABELS = {
    0.01: ("23.1", "44.1", "52.7", "78.3"),
    0.02: ("34.8", "59.9", "60.4", "83.9"),
    0.05: ("50.6", "75.2", "68.1", "88.8"),
    0.1: ("62.5", "83.9", "73.1", "91.2"),
    0.2: ("70.3", "89.4", "76.7", "93.3"),
    0.5: ("75.9", "93.1", "81.2", "95.6"),
    1.0: ("80.2", "95.2", "83.4", "96.5"),
}
OTHERS = "ImageNet, ResNet-v2: motion segmentation 27.6, exemplar 31.5, relative position 36.2, colourisation 39.6"


def table_linear(seeds: Sequence[Mapping[str, Row]], what: str) -> Table:
    """Linear classification. `seeds` maps, for each seed, rows as `PAPER` calls them to accuracies."""
    rows = []
    for name, (title, *paper) in PAPER.items():
        cells = [_column([row[name] for row in seeds if name in row], key) for key in ("linear", "linear_top5")]
        rows.append((title, cells[0], paper[0], paper[2], cells[1], paper[1], paper[3]))
    header = ("", "top-1, %", "CPC v1", "CPC v2", "top-5, %", "CPC v1", "CPC v2")
    return Table("Linear classification of pictures", header, tuple(rows), f"{_note(len(seeds), what)} {OTHERS}.")


def table_protocols(seeds: Sequence[Mapping[str, Row]], what: str) -> Table:
    """Top-1 of every protocol on everything it was fitted on."""
    names = [name for name in ("pixels", "random", "cpc") if any(name in row for row in seeds)]
    rows = [
        (title, *(_column([row[name] for row in seeds if name in row], key) for name in names))
        for key, title in PROTOCOLS.items()
    ]
    header = ("top-1, %", *(PAPER[name][0] for name in names))
    return Table("Ways of probing", header, tuple(rows), _note(len(seeds), what))


def table_ablation(arms: Mapping[str, Sequence[Row]], what: str) -> Table:
    """Linear classification on CPC, for each row of an ablation its seeds."""
    rows = [(name, _column(found, "linear"), _column(found, "linear_top5")) for name, found in arms.items()]
    most = max(len(found) for found in arms.values())
    paper = "Paper (Figure 3, points of top-1 gained): bottom-up 2, all directions 2.5, colour dropping 3, patch "
    note = f"{_note(most, what)} {paper}augmentation 4.5."
    return Table("CPC, linear classification of pictures", ("", "top-1, %", "top-5, %"), tuple(rows), note)


def table_few_labels(seeds: Sequence[Mapping[str, Row]], fractions: Sequence[float], what: str) -> Table:
    """Classification from few labels; `seeds` maps rows called as `few` does to accuracies of each method."""
    columns = few_labels(seeds, fractions)
    rows = []
    for i, fraction in enumerate(fractions):
        pixels, _, cpc, _ = FEW_LABELS.get(fraction, ("",) * 4)
        cells = [percent(column[i]) for column in columns.values()]
        rows.append((f"{100 * fraction:g} % of labels", *cells, pixels, cpc))
    header = ("top-1, %", *columns, "paper, pixels", "paper, CPC")
    return Table("Few labels", header, tuple(rows), _note(len(seeds), what))


def few_labels(seeds: Sequence[Mapping[str, Row]], fractions: Sequence[float]) -> dict[str, list[list[Score]]]:
    """Title of a method -> for each share of the labels the accuracy of each seed."""
    found = {fraction: [row[few(fraction)] for row in seeds if few(fraction) in row] for fraction in fractions}
    return {METHOD_TITLES[m]: [[row[m] for row in found[f]] for f in fractions] for m in METHODS}


def few(fraction: float) -> str:
    """What the results of a share of the labels are called."""
    return f"labels_{fraction:g}"


def _column(found: Sequence[Row], key: str) -> str:
    return percent([row[key] for row in found if key in row])


def _note(seeds: int, what: str) -> str:
    how = (
        "[..]: 95 % interval over test pictures, one seed"
        if seeds == 1
        else f"mean of {seeds} seeds ± half its 95 % t-interval"
    )
    return f"{how}. Ours: {what}. Paper: ImageNet, 1000 classes. Only orderings can be compared."
