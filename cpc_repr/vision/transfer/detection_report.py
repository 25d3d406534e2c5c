"""What detectors come to: tables over seeds, and pictures with the boxes that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from cpc_repr.report import Table, interval_note
from cpc_repr.vision.data.boxed import BoxedPicture
from cpc_repr.vision.transfer.average_precision import Rule
from cpc_repr.vision.transfer.starts import Weights
from cpc_rl.compare.statistics import FEWEST, paired_t, t_interval

Mode = Literal["frozen", "finetuned"]
MODES: dict[Mode, str] = {"frozen": "frozen", "finetuned": "fine-tuned"}
RULES: dict[Rule, str] = {"voc07": "11 points", "area": "area"}
SURE = 0.5  # score of a box that is drawn


class DetectionFit(NamedTuple):
    """One detector that is trained."""

    weights: Weights
    mode: Mode
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and of its result."""
        return f"{self.weights}-{self.mode}-s{self.seed}"


Precisions = Mapping[DetectionFit, Mapping[str, Any]]  # as `detection.precisions` gives them


def precision_table(results: Precisions, titles: Mapping[Weights, str], what: str) -> Table:
    """Mean average precision, a row for each of the weights, a column for each mode and rule."""
    columns = [(mode, rule) for mode in _modes(results) for rule in RULES]
    rows = [
        (title, *(_percent(_values(results, weights, mode, rule)) for mode, rule in columns))
        for weights, title in titles.items()
    ]
    header = ("", *(f"{MODES[mode]}, {RULES[rule]}" for mode, rule in columns))
    return Table("Detection, mean average precision in %", header, tuple(rows), f"{_note(results)} {what}.")


def gain_table(results: Precisions, titles: Mapping[Weights, str]) -> Table | None:
    """Points above random weights, paired by seed; None where too few seeds or rows are there."""
    others = {weights: title for weights, title in titles.items() if weights != "random"}
    if "random" not in titles or not others or len(_seeds(results)) < FEWEST:
        return None
    columns = [(mode, rule) for mode in _modes(results) for rule in RULES]
    rows = []
    for weights, title in others.items():
        cells = []
        for mode, rule in columns:
            base, arm = (np.array(_values(results, name, mode, rule)) for name in ("random", weights))
            found = paired_t(100 * (arm - base))
            value, low, high = found.difference
            cells.append(f"{value:+.1f} [{low:.1f}, {high:.1f}], p {found.p:.2g}")
        rows.append((title, *cells))
    header = ("", *(f"{MODES[mode]}, {RULES[rule]}" for mode, rule in columns))
    note = "Pairs share seed, head and order of pictures; 95 % t-interval and p of the paired t-test, not corrected."
    return Table("Points above random weights", header, tuple(rows), note)


def class_table(results: Precisions, titles: Mapping[Weights, str], classes: Sequence[str]) -> Table:
    """Average precision of each class by area."""
    columns = [(weights, mode) for mode in _modes(results) for weights in titles]
    rows = []
    for name in classes:
        values = [[each["classes"][name] for each in _chosen(results, *column)] for column in columns]
        rows.append((name, *("-" if None in cell else _percent(cell) for cell in values)))
    header = ("", *(f"{titles[weights]}, {MODES[mode]}" for weights, mode in columns))
    return Table("Average precision of each class by area, in %", header, tuple(rows), _note(results))


def figure_detections(
    path: Path, samples: Sequence[BoxedPicture], found: Mapping[str, Sequence[Any]], classes: Sequence[str]
) -> None:
    """Pictures with their true boxes (dashed) and those found with a score of `SURE` or more.

    Args:
        path: Of a PNG.
        samples: A column each.
        found: Title of a row -> of each picture corners, labels and scores, as lists.
        classes: Names of the labels.
    """
    from matplotlib.figure import Figure  # here: no program needs it to start

    figure = Figure(figsize=(2.6 * len(samples), 2.7 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), len(samples), squeeze=False)
    for (title, each), line in zip(found.items(), axes, strict=True):
        for axis, sample, (corners, labels, scores) in zip(line, samples, each, strict=True):
            axis.imshow(sample.image.permute(1, 2, 0).numpy())
            axis.axis("off")
            for box in sample.boxes.corners.tolist():
                _outline(axis, box, "white", "--")
            for box, label, score in zip(corners, labels, scores, strict=True):
                if score >= SURE:
                    _outline(axis, box, f"C{label % 10}", "-")
                    words = f"{classes[label]} {score:.2f}".replace("_", " ")
                    axis.text(*box[:2], words, fontsize=5, color="white", backgroundcolor=f"C{label % 10}", va="bottom")
        line[0].set_title(title, fontsize="small", loc="left")
    figure.savefig(path, dpi=110)


def _outline(axis: Any, box: Sequence[float], colour: str, style: str) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle=style))


def _seeds(results: Precisions) -> list[int]:
    return sorted({fit.seed for fit in results})


def _modes(results: Precisions) -> list[Mode]:
    return [mode for mode in MODES if any(fit.mode == mode for fit in results)]


def _chosen(results: Precisions, weights: Weights, mode: Mode) -> list[Mapping[str, Any]]:
    """Of each seed, in order."""
    return [results[DetectionFit(weights, mode, seed)] for seed in _seeds(results)]


def _values(results: Precisions, weights: Weights, mode: Mode, rule: Rule) -> list[float]:
    return [each[rule] for each in _chosen(results, weights, mode)]


def _percent(values: Sequence[float]) -> str:
    """`61.2` of one seed; of several their mean and half the t-interval."""
    if len(values) < 2:
        return f"{100 * values[0]:.1f}"
    mean, _, high = t_interval(values, fewest=2)
    return f"{100 * mean:.1f}" + ("" if high is None else f" ± {100 * (high - mean):.1f}")


def _note(results: Precisions) -> str:
    seeds = len(_seeds(results))
    return "One seed, so no interval." if seeds == 1 else f"{interval_note(seeds, '').capitalize()}."
