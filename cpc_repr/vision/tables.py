"""The papers' tables beside ours: van den Oord et al. 2018, Tables 3 and 4; Hénaff et al. 2020, Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpc_repr.probes import Score
from cpc_repr.report import Column, Row, Table, interval_note, percent, rows_of, score_table
from cpc_repr.vision.transfer.epochs import EPOCH_KINDS, EpochKind, Kind
from cpc_repr.vision.transfer.few_labels import WAYS, Way

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
    "linear_epochs": "mean of the grid, SGD by passes",
    "mlp_epochs": "mean of the grid, MLP by passes",
}
TRAINED, RANDOM = "trained", "random"  # what a block is called in the results of probes of it
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
BLOCK = "block"
# Hénaff et al. 2020, Figure 3: points of top-1 that each step adds, on ImageNet.
FIGURE_3 = {
    "deeper, wider encoder": "5",
    "bottom-up": "2",
    "layer normalisation": "2",
    "colour dropping": "3",
    "all four directions": "2.5",
    "larger patches": "2",
    "patch augmentation": "4.5",
}
STEPS = ", ".join(f"{name} {points}" for name, points in FIGURE_3.items())
GAINED = f"Paper (Figure 3, points of top-1 gained): {STEPS}."
SKIP = (
    "Paper (Kolesnikov et al. 2019, supplement, Table 1, ImageNet, last figure of each row): rotation 39.6 without and "
    "41.5 with skip connections, exemplar 30.7 and 32.8."
)
OTHERS = "ImageNet, ResNet-v2: motion segmentation 27.6, exemplar 31.5, relative position 36.2, colourisation 39.6"


def table_linear(seeds: Sequence[Mapping[str, Row]], method: Mapping[str, str], what: str) -> Table:
    """Linear classification.

    Args:
        seeds: Of each its rows, called as in `PAPER` and `method`.
        method: Rows of the method, and their titles.
        what: The pictures.
    """
    published = [{title: figures[i] for title, *figures in PAPER.values()} for i in range(4)]
    columns = (
        ("top-1, %", "linear"),
        ("CPC v1", published[0]),
        ("CPC v2", published[2]),
        ("top-5, %", "linear_top5"),
        ("CPC v1", published[1]),
        ("CPC v2", published[3]),
    )
    titles = {**{name: PAPER[name][0] for name in ("chance", "pixels", "random")}, **method}
    titles["supervised"] = PAPER["supervised"][0]
    rows = {title: rows_of(seeds, name) for name, title in titles.items()}
    note = f"{_note(len(seeds), what)} {OTHERS}."
    return score_table("Linear classification of pictures", rows, columns, note)


def table_protocols(seeds: Sequence[Mapping[str, Row]], method: Mapping[str, str], what: str) -> Table:
    """Top-1 of every protocol on everything it was fitted on."""
    titles = {"pixels": PAPER["pixels"][0], "random": PAPER["random"][0], **method}
    names = [name for name in titles if rows_of(seeds, name)]
    rows = {
        title: [{name: rows[name][key] for name in names if key in rows.get(name, {})} for rows in seeds]
        for key, title in PROTOCOLS.items()
    }
    columns = [(titles[name], name) for name in names]
    return score_table("Ways of probing, top-1 in %", rows, columns, _note(len(seeds), what))


def table_ablation(arms: Mapping[str, Sequence[Row]], method: str, what: str, ablation: str) -> Table:
    """Linear classification on `method`, and on its blocks where they were probed.

    Args:
        arms: For each row of the ablation its seeds.
        method: Title of what was probed.
        what: The pictures.
        ablation: What `arms` differ in.
    """
    note = f"{_note(max(len(seeds) for seeds in arms.values()), what)} {SKIP if ablation == 'skip' else GAINED}"
    probed = sorted({name for seeds in arms.values() for row in seeds for name in row if name.startswith(BLOCK)})
    blocks = ((f"block {name.removeprefix(BLOCK)}", name) for name in probed)
    more = [
        (PROTOCOLS[kind], kind) for kind in EPOCH_KINDS if any(kind in row for seeds in arms.values() for row in seeds)
    ]
    steps = {f"+ {name}": f"+{points}" for name, points in FIGURE_3.items()}
    paper: list[Column] = [("paper, points", steps)] if ablation == "cumulative" else []
    columns = (("top-1, %", "linear"), *paper, ("top-5, %", "linear_top5"), *more, *blocks)
    return score_table(f"{method}, linear classification of pictures", arms, columns, note)


def table_blocks(seeds: Sequence[Mapping[str, Row]], kind: Kind, method: str, what: str) -> Table:
    """Top-1 of probes of one kind on each block of the encoder, trained and with random weights."""
    found = sorted({name for rows in seeds for name in rows if name.startswith(BLOCK)})
    rows = {f"block {name.removeprefix(BLOCK)}": rows_of(seeds, name) for name in found}
    columns = ((method, of_block(TRAINED, kind)), ("random encoder", of_block(RANDOM, kind)))
    how = pooled_title(kind)
    title = f"Blocks of the encoder, max-pooled, {how}, top-1 in %"
    return score_table(title, rows, columns, _note(len(seeds), what))


def pooled_title(kind: Kind) -> str:
    """What a probe of the mean of the grid is called where that goes without saying."""
    return PROTOCOLS[kind].removeprefix("mean of the grid, ")


def of_block(trained: str, kind: Kind) -> str:
    """What the result of a probe of a block is called."""
    return trained if kind == "linear" else f"{trained}_{kind}"


def trained_blocks(rows: Mapping[str, Row]) -> dict[str, Score]:
    """Top-1 on each block of the trained encoder, of one seed."""
    return {name: row[TRAINED] for name, row in rows.items() if name.startswith(BLOCK) and TRAINED in row}


def after(kind: str, epochs: int) -> str:
    """What the accuracy after so many passes is called."""
    return f"{kind}_after_{epochs}"


def curves(
    seeds: Sequence[Mapping[str, Row]], kind: EpochKind, method: Mapping[str, str]
) -> dict[str, dict[int, list[Score]]]:
    """Title of what was probed -> passes -> the accuracy of each seed."""
    titles = {"pixels": PAPER["pixels"][0], "random": PAPER["random"][0], **method}
    found: dict[str, dict[int, list[Score]]] = {}
    for name, title in titles.items():
        for row in rows_of(seeds, name):
            for epochs, score in passes_of(row, kind).items():
                found.setdefault(title, {}).setdefault(epochs, []).append(score)
    return found


def passes_of(row: Row, kind: str) -> dict[int, Score]:
    """Passes -> accuracy after them, of a probe that was looked at between its passes."""
    begin = after(kind, 0)[:-1]
    return {int(key.removeprefix(begin)): score for key, score in row.items() if key.startswith(begin)}


def table_curves(curves: Mapping[str, Mapping[int, Sequence[Score]]], kind: EpochKind, seeds: int, what: str) -> Table:
    """Top-1 after some of the passes: the first, about a tenth, a quarter, a half of them, and all."""
    passes = sorted({epoch for curve in curves.values() for epoch in curve})
    chosen = sorted({min(passes, key=lambda p: abs(p - share * passes[-1])) for share in (0, 0.1, 0.25, 0.5, 1)})
    rows = [(title, *(percent(curve[epoch]) for epoch in chosen)) for title, curve in curves.items()]
    header = ("", *(f"{epoch} pass{'es' if epoch > 1 else ''}" for epoch in chosen))
    how = pooled_title(kind)
    return Table(f"Accuracy against passes, {how}, top-1 in %", header, tuple(rows), _note(seeds, what))


def table_few_labels(seeds: Sequence[Mapping[str, Row]], fractions: Sequence[float], method: str, what: str) -> Table:
    """Top-1 from few labels; `seeds` maps rows called as `few` does to accuracies of each way."""
    titles = {fraction: f"{100 * fraction:g} % of labels" for fraction in fractions}
    rows = {title: rows_of(seeds, few(fraction)) for fraction, title in titles.items()}
    published = [{titles[f]: FEW_LABELS[f][i] for f in fractions if f in FEW_LABELS} for i in (0, 2)]
    columns = (
        *((title, way) for way, title in _titles(method).items()),
        ("paper, pixels", published[0]),
        ("paper, CPC", published[1]),
    )
    return score_table("Few labels, top-1 in %", rows, columns, _note(len(seeds), what))


def few_labels(
    seeds: Sequence[Mapping[str, Row]], fractions: Sequence[float], method: str
) -> dict[str, list[list[Score]]]:
    """Title of a way -> for each share of the labels the accuracy of each seed."""
    rows = {fraction: rows_of(seeds, few(fraction)) for fraction in fractions}
    return {title: [[row[way] for row in rows[f]] for f in fractions] for way, title in _titles(method).items()}


def _titles(method: str) -> dict[Way, str]:
    return dict(zip(WAYS, ("from pixels", f"{method}, frozen", f"{method}, fine-tuned"), strict=True))


def block(number: int) -> str:
    """What the results of a block of the encoder are called."""
    return f"{BLOCK}{number}"


def few(fraction: float) -> str:
    """What the results of a share of the labels are called."""
    return f"labels_{fraction:g}"


def _note(seeds: int, what: str) -> str:
    how = interval_note(seeds, "test pictures")
    return f"{how}. Ours: {what}. Paper: ImageNet, 1000 classes. Only orderings can be compared."
