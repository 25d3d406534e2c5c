"""The tables of a report, once as text for eyes and once as numbers for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import rich.box
import rich.table
from rich.text import Text

from cpc_rl.compare import statistics
from cpc_rl.compare.phrases import interval, millions, number, probability
from cpc_rl.compare.statistics import FEWEST, Estimate, estimate, iqm, t_interval
from cpc_rl.compare.summary import RETURNS, Arm, Comparison, Panel, Speedup, at_chance

BEST = 3


class Table(NamedTuple):
    """A table of text."""

    title: str
    head: list[str]
    rows: list[list[str]]
    left: int  # columns of words; those after them are numbers


def tables(comparison: Comparison) -> list[Table]:
    """Scores, differences from the baseline, and the score over all levels; those that have rows."""
    made = [_scores(comparison), _contrasts(comparison), _aggregate(comparison)]
    return [table for table in made if table.rows]


def _scores(comparison: Comparison) -> Table:
    arms, is_return = list(_arms(comparison)), comparison.metric in RETURNS
    any_iqm = any(len(arm.counted) > FEWEST for _, arm in arms)  # of three it is the mean
    any_norm = any(arm.normalised(panel.env) is not None for panel, arm in arms if arm.counted)
    any_best = is_return and any(len(arm.counted) > BEST for _, arm in arms)
    head = ["level", "back end", "arm", "runs", "frames", f"final {comparison.what}, mean"]
    head += [f"final {comparison.what}, IQM"] * any_iqm
    head += ["over training, mean"] + ["over training, IQM"] * any_iqm + ["each, final"]
    head += ["normalised final"] * any_norm + [f"best {BEST}, mean"] * any_best
    rows = []
    for panel, arm in arms:
        row = [panel.env, " and ".join(panel.backends), arm.label, _counted(arm), millions(panel.frames)]
        for values in (arm.finals, arm.areas):
            row.append(interval(t_interval(values)))
            row += [interval(estimate(iqm, values))] * any_iqm
        scores, best = arm.normalised(panel.env), statistics.best(arm.finals, BEST)
        row.append(each(arm.finals))
        row += ["-" if scores is None else interval(t_interval(scores), unit=" %")] * any_norm
        row += ["-" if best is None else f"{number(best)} (of {len(arm.finals)})"] * any_best
        rows.append(row)
    return Table(comparison.what.capitalize() if is_return else comparison.what, head, rows, left=3)


def _contrasts(comparison: Comparison) -> Table:
    is_return = comparison.metric in RETURNS
    head = ["level", "arm", "pairs", f"final {comparison.what}, difference", "Holm p", "Welch's interval"]
    head += ["over training, difference", better(comparison)]
    head += [f"frames to baseline's final {comparison.what}", "times fewer"] * is_return
    rows: list[list[str]] = []
    for panel, arm in _arms(comparison):
        contrast = panel.contrasts.get(arm.label)
        if panel.baseline is None or not panel.contrasts or (contrast is None and arm is not panel.baseline):
            continue
        reach = "not reached" if arm.reach is None else millions(arm.reach)
        if contrast is None:
            chance = " (at random play)" if at_chance(arm, panel.chance) else ""
            rows.append([panel.env, f"{arm.label} (baseline)", *["-"] * 6, *[reach + chance, "1"] * is_return])
            continue
        p = "" if contrast.improvement_p is None else f" (p {probability(contrast.improvement_p)})"
        rows.append(
            [
                panel.env,
                arm.label,
                str(contrast.pairs or "none"),
                interval(contrast.final.difference, sign=True),
                probability(comparison.corrected.get(arm.label, {}).get(panel.env)),
                _bounds(contrast.welch.difference),
                interval(contrast.area, sign=True),
                number(contrast.improvement) + p,
                *[reach, _times(contrast.speedup)] * is_return,
            ]
        )
    return Table(f"Against {comparison.baseline}", head, rows, left=2)


def better(comparison: Comparison) -> str:
    """What the probability of a higher value is called: of some metrics less is better."""
    return "P(better)" if comparison.metric in RETURNS else "P(higher)"


def _times(speedup: Speedup | None) -> str:
    if speedup is None:
        return "-"
    value, low, high, reached = speedup.value, speedup.low, speedup.high, speedup.reached
    return f"{number(value)} [{number(low, high)}, {number(high)}], reached in {100 * reached:.0f} %"


def _aggregate(comparison: Comparison) -> Table:
    head = ["arm", "levels", "IQM of normalised final returns"]
    count = str(len(comparison.panels))
    rows = [[label, count, interval(estimate, unit=" %")] for label, estimate in comparison.aggregate.items()]
    return Table("Over all levels", head, rows, left=1)


def each(values: np.ndarray) -> str:
    """All values where they are few, else their range."""
    if not len(values):
        return "-"
    if len(values) > 5:
        return f"{number(values.min())} to {number(values.max())}"
    return ", ".join(number(value) for value in values)


def markdown(table: Table) -> str:
    """As Markdown."""
    lines = [table.head, ["---"] * table.left + ["--:"] * (len(table.head) - table.left), *table.rows]
    return "\n".join("| " + " | ".join(plain(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Text that Markdown takes for no HTML, on one line."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())


def console(table: Table) -> rich.table.Table:
    """As a table of rich."""
    made = rich.table.Table(title=table.title, box=rich.box.MINIMAL, title_justify="left")
    for i, heading in enumerate(table.head):
        made.add_column(heading, justify="left" if i < table.left else "right")
    for row in table.rows:
        made.add_row(*map(Text, row))  # names are no markup
    return made


def summary_csv(comparison: Comparison) -> str:
    """One line an arm and level; numbers in full, empty where there is none."""
    rows = [_numbers(comparison, panel, arm) for panel, arm in _arms(comparison)]
    for label, value in comparison.aggregate.items():
        rows.append({"env": "(all)", "arm": label, **_columns("normalised_iqm", value)})
    head = list(dict.fromkeys(key for row in rows for key in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def curves_csv(comparison: Comparison) -> str:
    """Long form: one line a point of a run's curve, and of each arm's mean (`run` empty) with its band."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["env", "backend", "arm", "run", "seed", "frames", comparison.metric, "low", "high"])
    for panel, arm in _arms(comparison):
        if panel.grid is None or not arm.counted:
            continue
        frames = np.round(panel.grid).astype(int)
        for run, line in zip(arm.counted, arm.curves, strict=True):
            for at, value in zip(frames, line, strict=True):
                writer.writerow([panel.env, run.backend, arm.label, run.path, run.seed, at, f"{value:.6g}", "", ""])
        band = statistics.band(arm.curves)
        edges = zip(*band, strict=True) if band else [("", "")] * len(frames)
        for at, value, (low, high) in zip(frames, arm.curves.mean(0), edges, strict=True):
            bounds = [low, high] if low == "" else [f"{low:.6g}", f"{high:.6g}"]
            writer.writerow([panel.env, "+".join(panel.backends), arm.label, "", "", at, f"{value:.6g}", *bounds])
    return file.getvalue()


def _numbers(comparison: Comparison, panel: Panel, arm: Arm) -> dict[str, Any]:
    row: dict[str, Any] = {"env": panel.env, "backend": "+".join(panel.backends), "arm": arm.label}
    row |= {"runs": len(arm.runs), "counted": len(arm.counted), "seeds": len({str(run.seed) for run in arm.counted})}
    row |= {state: sum(run.state == state for run in arm.runs) for state in ("failed", "unfinished", "stopped")}
    row["frames"] = round(panel.frames)
    row |= _columns("final_mean", t_interval(arm.finals)) | _columns("final_iqm", estimate(iqm, arm.finals))
    row |= _columns("training_mean", t_interval(arm.areas)) | _columns("training_iqm", estimate(iqm, arm.areas))
    scores = arm.normalised(panel.env)
    row |= _columns("normalised_mean", None if scores is None else t_interval(scores))
    row["best_3"] = statistics.best(arm.finals, BEST)
    contrast = panel.contrasts.get(arm.label)
    row["pairs"] = contrast.pairs if contrast else None
    paired = contrast.paired if contrast else None
    row |= _columns("difference", paired.difference if paired else None) | {
        "difference_p": paired.p if paired else None
    }
    row |= _columns("welch", contrast.welch.difference if contrast else None)
    row |= {"welch_p": contrast.welch.p if contrast else None}
    row["holm_p"] = comparison.corrected.get(arm.label, {}).get(panel.env)
    row |= _columns("training_difference", contrast.area if contrast else None)
    row["probability_of_improvement"] = contrast.improvement if contrast else None
    row["mann_whitney_p"] = contrast.improvement_p if contrast else None
    speedup = contrast.speedup if contrast else None
    row |= {"frames_to_baseline": arm.reach, "speedup": speedup.value if speedup else None}
    row |= {f"speedup_{name}": getattr(speedup, name) if speedup else None for name in ("low", "high", "reached")}
    return row


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = estimate or (None, None, None)
    return {name: None if value is None or np.isnan(value) else value, f"{name}_low": low, f"{name}_high": high}


def _bounds(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return "-"
    size = max(abs(estimate.low), abs(estimate.high))
    return f"[{number(estimate.low, size)}, {number(estimate.high, size)}]"


def _counted(arm: Arm) -> str:
    words = arm.replicates if arm.counted else "0"
    words += "" if len(arm.counted) == len(arm.runs) else f" of {len(arm.runs)} runs"
    stopped = sorted(run.reached for run in arm.runs if run.state == "stopped")
    if stopped:
        ends = (
            millions(stopped[0]) if stopped[0] == stopped[-1] else f"{millions(stopped[0])} to {millions(stopped[-1])}"
        )
        words += f"; {len(stopped)} stopped at {ends} frames"
    return words


def _arms(comparison: Comparison) -> Iterator[tuple[Panel, Arm]]:
    for panel in comparison.panels.values():
        for label in comparison.labels:
            if label in panel.arms:
                yield panel, panel.arms[label]
