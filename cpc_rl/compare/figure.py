"""The figure: a panel a level, a line an arm, its runs thin behind it and a band around it."""

from __future__ import annotations

import io
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cpc_rl.aux import AUX_LOSSES
from cpc_rl.compare import curves, statistics
from cpc_rl.compare.phrases import millions
from cpc_rl.compare.reading import Run
from cpc_rl.compare.summary import Arm, Comparison, Panel

# Black and red, as in the paper's Figure 6; #000000 itself is left unsaid in an SVG, where a page could not change it.
BASELINE, CPC = "#0a0a0a", "#d62728"
OTHERS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d31")  # told apart by colour-blind eyes too
INK, FAINT, RULE, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
Dashes = Literal["-", "--", ":"]
Style = tuple[str, Dashes]  # colour and dashes of an arm
DASHES: tuple[Dashes, ...] = ("-", "--", ":")
ACROSS = 3  # panels in a row
MOST_NOTES = 8  # below the figure
STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a name may have a $
    "svg.hashsalt": "cpc-rl",  # the same runs give the same bytes
}


def styles(comparison: Comparison) -> dict[str, Style]:
    """Colour and dashes of each arm."""
    chosen: dict[str, Style] = {comparison.baseline: (BASELINE, "-")}
    free = [label for label in comparison.labels if label != comparison.baseline]
    red = next((name for name in [*AUX_LOSSES, *free] if name in free), None)
    if red is not None:
        chosen[red] = (CPC, "-")
    for i, label in enumerate(label for label in free if label != red):
        chosen[label] = (OTHERS[i % len(OTHERS)], DASHES[i // len(OTHERS) % len(DASHES)])
    return chosen


def draw(comparison: Comparison, title: str = "", notes: Sequence[str] = ()) -> Figure:
    """Draw all levels; `title` is the finding, `notes` stand below. Without either: for a page that has both."""
    count = len(comparison.panels)
    columns = min(count, ACROSS)
    rows = math.ceil(count / columns)
    width = max(8.4, 3.9 * columns)
    footer = _footer(notes, width) if title else ""
    chosen = styles(comparison)
    handles = _legend(comparison, chosen)
    across = max(1, int(width / (0.8 + 0.1 * max(len(str(handle.get_label())) for handle in handles))))
    foot = 0.2 + 0.24 * math.ceil(len(handles) / across) + 0.17 * len(footer.splitlines())  # inches
    head = _wrapped(title, width, 9.2)
    height = 3.3 * rows + foot + 0.2 * len(head.splitlines())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.add_gridspec(rows + 1, columns, height_ratios=[3.3] * rows + [foot])
        for i, panel in enumerate(comparison.panels.values()):
            axis = figure.add_subplot(grid[i // columns, i % columns])
            _panel(axis, panel, chosen)
            if i % columns == 0:
                axis.set_ylabel("episode return" if comparison.metric == curves.RETURN else comparison.what)
        bottom = figure.add_subplot(grid[rows, :])
        bottom.set_axis_off()
        legend = bottom.legend(handles=handles, loc="upper left", ncols=across, frameon=False, borderpad=0)
        text = bottom.text(0, 0, footer, fontsize=8, color=FAINT, transform=bottom.transAxes, linespacing=1.35)
        for artist in (legend, text):
            artist.set_in_layout(False)  # they have their room
        if head:
            figure.suptitle(head, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def render(figure: Figure, kind: str) -> bytes:
    """The figure as a `png` or `svg` file."""
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _panel(axis: Axes, panel: Panel, chosen: Mapping[str, Style]) -> None:
    for label, arm in panel.arms.items():
        _arm(axis, panel, arm, *chosen[label])
    if panel.chance is not None:
        axis.axhline(panel.chance, color=FAINT, linestyle=(0, (1, 3)), linewidth=1)
    axis.set_title(panel.env, fontsize=10.5, loc="left", pad=18)
    axis.text(0, 1.02, _facts(panel), transform=axis.transAxes, fontsize=8, color=FAINT, va="bottom")
    axis.set_xlabel("frames")
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda frames, _: millions(frames) if frames else "0"))
    axis.grid(color=RULE, linewidth=0.6, alpha=0.7)
    axis.set_axisbelow(True)


def _arm(axis: Axes, panel: Panel, arm: Arm, colour: str, dashes: Dashes) -> None:
    for run in arm.runs:  # each as far as it goes, whether it counts or not
        if run.has_episodes:
            own, window = _own_grid(panel, run)
            line = curves.resample(run.curve, own, window)
            axis.plot(own, line, color=colour, linewidth=0.7, alpha=0.35 if run in arm.counted else 0.2)
    if panel.grid is None or not arm.counted:
        return
    edges = statistics.band(arm.curves)
    if edges is not None:
        axis.fill_between(panel.grid, *edges, color=colour, alpha=0.15, linewidth=0)
    dot = "o" if panel.grid[0] == panel.grid[-1] else ""  # a line of one point is none
    axis.plot(panel.grid, arm.curves.mean(0), color=colour, linestyle=dashes, linewidth=2.2, marker=dot)


def _own_grid(panel: Panel, run: Run) -> tuple[np.ndarray, float | None]:
    """Frames to draw a run at, those of the level's grid and on beyond both its ends; and the window they average."""
    frames, grid = run.curve.frames, panel.grid
    if grid is None or grid[0] == grid[-1]:
        return np.linspace(frames[0], frames[-1], curves.POINTS), None
    step = grid[1] - grid[0]
    first, last = np.ceil((frames[0] - grid[0]) / step), np.floor((frames[-1] - grid[0]) / step)
    inner = grid[0] + step * np.arange(first, last + 1)
    return np.unique([frames[0], *inner, frames[-1]]), curves.WINDOW * (grid[-1] - grid[0])


def _facts(panel: Panel) -> str:
    """Back end, frames and how many runs of each arm count: `minilab · 6 M frames · none 3 seeds, cpc 2 of 3 runs`."""
    counts = {
        label: arm.replicates if len(arm.counted) == len(arm.runs) else f"{len(arm.counted)} of {len(arm.runs)} runs"
        for label, arm in panel.arms.items()
    }
    arms = Counter(counts.values())
    if len(arms) == 1:
        runs = next(iter(arms)) + (" an arm" if len(counts) > 1 else "")
    elif len(counts) <= 2:
        runs = ", ".join(f"{label} {words}" for label, words in counts.items())
    else:  # the names of many arms would be wider than the panel; the tables have them
        runs = ", ".join(f"{words} ({number} arm{'s' * (number > 1)})" for words, number in arms.items())
    return f"{' and '.join(panel.backends)} · {millions(panel.frames)} frames · {runs}"


def _legend(comparison: Comparison, chosen: Mapping[str, Style]) -> list[Line2D]:
    lines = [
        Line2D([], [], color=chosen[label][0], linestyle=chosen[label][1], linewidth=2.2, label=label)
        for label in comparison.labels
    ]
    if any(panel.chance is not None for panel in comparison.panels.values()):
        lines.append(Line2D([], [], color=FAINT, linestyle=(0, (1, 3)), linewidth=1, label="uniform random play"))
    return lines


def _footer(notes: Sequence[str], width: float) -> str:
    how = (
        "Thick: mean over runs; thin: each run; band: 95 % t-interval of the mean over runs (3 at least). "
        f"Each point averages the episodes of the {100 * curves.WINDOW:.0f} % of the frames before it."
    )
    lines = [f"! {note}" for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append(f"! and {len(notes) - MOST_NOTES} more: in the report")
    return "\n".join(_wrapped(text, width, 16) for text in (how, *lines))


def _wrapped(text: str, width: float, letters: float) -> str:
    return "\n".join(textwrap.wrap(text, int(width * letters)))
