"""A comparison as files: figure, tables and page, each replaced whole."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from cpc_rl.compare import figure, grouping, phrases, references, tables
from cpc_rl.compare.page import page
from cpc_rl.compare.reading import Run
from cpc_rl.compare.summary import RETURNS, Comparison
from cpc_rl.runs.files import write_atomic


def write(comparison: Comparison, folder: Path, command: Sequence[str], refresh: float | None = None) -> list[Path]:
    """Write compared.png, .svg, curves.csv, summary.csv, summary.md and report.html into `folder`.

    Args:
        comparison: What to say.
        folder: Made if need be.
        command: What made it, as words.
        refresh: Seconds after which the page loads itself again; None: never.

    Returns:
        The files.
    """
    title, notes = phrases.headline(comparison), phrases.notes(comparison)
    made = tables.tables(comparison)
    runs = [_settings(comparison), _runs(comparison)]
    drawn = figure.draw(comparison, title, notes)
    line = shlex.join(command)
    lead, how = _lead(comparison), _how(comparison)
    text = "\n\n".join(
        part
        for part in [
            f"# {tables.plain(title)}",
            lead,
            "\n".join(f"- {tables.plain(note)}" for note in notes),
            *(f"## {tables.plain(table.title)}\n\n{tables.markdown(table)}" for table in [*made, *runs]),
            *how,
            f"    {line}\n",
        ]
        if part
    )
    html = page(
        title,
        lead,
        notes,
        figure.render(figure.draw(comparison), "svg"),
        [*made, *runs],
        figure.styles(comparison),
        how,
        line,
        refresh,
    )
    contents = {
        "compared.png": figure.render(drawn, "png"),
        "compared.svg": figure.render(drawn, "svg"),
        "curves.csv": tables.curves_csv(comparison).encode(),
        "summary.csv": tables.summary_csv(comparison).encode(),
        "summary.md": text.encode(),
        "report.html": html.encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomic(folder / name, partial(_put, content))
    return [folder / name for name in contents]


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _lead(comparison: Comparison) -> str:
    runs = [run for panel in comparison.panels.values() for arm in panel.arms.values() for run in arm.runs]
    states = {state: sum(run.state == state for run in runs) for state in ("done", "stopped", "unfinished", "failed")}
    counts = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    backends = sorted({run.backend for run in runs})
    levels = len(comparison.panels)
    where = f"{levels} level{'' if levels == 1 else 's'} ({' and '.join(backends)})"
    return f"{len(runs)} runs ({counts}) on {where}, arms told apart by {', '.join(comparison.by)}."


def _how(comparison: Comparison) -> list[str]:
    words = {"what": comparison.what, "better": tables.better(comparison)}
    is_return = comparison.metric in RETURNS
    paragraphs = [phrases.HOW.format(**words), phrases.DIFFERENCES.format(**words)]
    paragraphs.append(phrases.FRAMES if is_return else phrases.OTHER.format(**words))
    arms = [(panel, arm) for panel in comparison.panels.values() for arm in panel.arms.values()]
    if is_return and any(len(arm.counted) > tables.BEST for _, arm in arms):
        paragraphs.append(phrases.BEST_OF)
    if any(arm.normalised(panel.env) is not None for panel, arm in arms if arm.counted):
        paragraphs.append(f"{references.SOURCE[0].upper()}{references.SOURCE[1:]}.")
    if comparison.aggregate:
        paragraphs.append(phrases.AGGREGATE)
    return [*paragraphs, phrases.AGAIN]


def _settings(comparison: Comparison) -> tables.Table:
    """What each arm was run with, where runs differ."""
    runs: dict[str, list[Run]] = {label: [] for label in comparison.labels}
    for panel in comparison.panels.values():
        for label, arm in panel.arms.items():
            runs[label] += arm.runs
    differing = grouping.differing(run for arm in runs.values() for run in arm)
    rows = []
    for key in dict.fromkeys([*comparison.by, *differing, "run.seed"]):
        each = ([run.settings.get(key) for run in arm if grouping.plays_a_part(key, run)] for arm in runs.values())
        rows.append([key, *map(_values, each)])
    return tables.Table("What differs", ["setting", *runs], rows, left=1 + len(runs))


def _values(values: Iterable[Any]) -> str:
    different = {str(value): value for value in values if value is not None}
    return phrases.listed(sorted(different.values(), key=grouping.natural))


def _runs(comparison: Comparison) -> tables.Table:
    """Every run, whether it counts or not, with the settings in which runs differ beside those of the arms."""
    arms = [(panel.env, arm) for panel in comparison.panels.values() for arm in panel.arms.values()]
    differing = grouping.differing(run for _, arm in arms for run in arm.runs)
    keys = [key for key in differing if key not in comparison.by]
    head = ["level", "arm", "run", "seed", "state", "frames", "counted", f"final {comparison.what}", *keys]
    rows = []
    for env, arm in arms:
        finals = dict(zip(arm.counted, arm.finals, strict=True))
        for run in arm.runs:
            counted = "yes" if run in finals else "no"
            cells = [_seed(run), run.state, phrases.millions(run.reached), counted, phrases.number(finals.get(run))]
            settings = (_values([run.settings.get(key)] if grouping.plays_a_part(key, run) else []) for key in keys)
            rows.append([env, arm.label, str(run.path), *cells, *settings])
    return tables.Table("Runs", head, rows, left=3)


def _seed(run: Run) -> str:
    return "-" if run.seed is None else str(run.seed)
