"""Tables and curves of results, shared by all experiments: on the terminal, as Markdown, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import rich.box
import rich.console
import rich.table

from cpc_repr.probes import Score
from cpc_rl.compare.statistics import t_interval


@dataclass(frozen=True)
class Table:
    """Cells of text under a header, with a note on how to read them."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")

    def show(self, console: rich.console.Console | None = None) -> None:
        """Print it; where no terminal sets a width, as wide as it is."""
        console = console or rich.console.Console()
        if not console.is_terminal:
            console.width = 200
        table = rich.table.Table(title=self.title, caption=self.note or None, box=rich.box.SIMPLE_HEAD)
        for i, name in enumerate(self.header):
            table.add_column(name, justify="left" if i == 0 else "right", no_wrap=i == 0)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


Row = Mapping[str, Score]  # what was measured -> accuracy, of one seed
Column = tuple[str, str | Mapping[str, str]]  # header; what was measured, or published figures by the row's name


def rows_of(seeds: Sequence[Mapping[str, Row]], name: str) -> list[Row]:
    """The row `name` of every seed that has it."""
    return [rows[name] for rows in seeds if name in rows]


def score_table(
    title: str,
    rows: Mapping[str, Sequence[Row]],
    columns: Sequence[Column],
    note: str,
) -> Table:
    """Accuracies in percent, with published figures beside them; rows without a single one of ours are left out.

    Args:
        title: Above the table.
        rows: The name of each, and its seeds.
        columns: What is in each.
        note: Below the table.
    """
    measured = {source for _, source in columns if isinstance(source, str)}
    cells = [
        (name, *(_cell(name, seeds, source) for _, source in columns))
        for name, seeds in rows.items()
        if any(measured & row.keys() for row in seeds)
    ]
    return Table(title, ("", *(header for header, _ in columns)), tuple(cells), note)


def _cell(name: str, seeds: Sequence[Row], source: str | Mapping[str, str]) -> str:
    if not isinstance(source, str):
        return source.get(name, "")
    return percent([row[source] for row in seeds if source in row])


def interval_note(seeds: int, over: str) -> str:
    """What the intervals in a table of so many seeds are; `over` is what a single seed's is taken over."""
    if seeds == 1:
        return f"[..]: 95 % interval over {over}, one seed"
    return f"mean of {seeds} seeds ± half its 95 % t-interval"


def over_seeds(scores: Sequence[Score]) -> Score:
    """One seed with its own interval, of several their mean and its 95 % t-interval, of none NaN."""
    if len(scores) < 2:
        return scores[0] if scores else Score(*[float("nan")] * 3)
    mean, low, high = t_interval([score.accuracy for score in scores], fewest=2)
    return Score(mean, mean if low is None else low, mean if high is None else high)


def percent(scores: Sequence[Score]) -> str:
    """`61.2 [60.1, 62.3]` of one seed, `61.2 ± 1.1` of several; see `over_seeds`."""
    if not scores:
        return "-"
    mean, low, high = astuple(over_seeds(scores))
    words = f"{mean:.1%} [{low:.1%}, {high:.1%}]" if len(scores) == 1 else f"{mean:.1%} ± {high - mean:.1%}"
    return words.replace("%", "")


def plot_curves(
    path: Path,
    panels: Sequence[tuple[str, Mapping[str, Sequence[float]]]],
    x: Sequence[float],
    xlabel: str,
) -> None:
    """Draw panels side by side, each (title, name of a curve -> its values at whole `x`), into a PNG."""
    from matplotlib.figure import Figure  # here: no program needs it to start
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.6 * len(panels), 3.6), layout="constrained")  # not pyplot: a notebook's stays as it is
    axes = figure.subplots(1, len(panels), squeeze=False)
    for axis, (title, curves) in zip(axes[0], panels, strict=True):
        for name, values in curves.items():
            if name.startswith("chance"):
                axis.plot(x, values, "--", color="grey", linewidth=1, label=name)
            else:
                axis.plot(x, values, ".-", label=name)
        axis.set(title=title, xlabel=xlabel)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if len(curves) > 1:
            axis.legend(fontsize="small")
    figure.savefig(path, dpi=110)
