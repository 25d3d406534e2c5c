"""The words of a report: numbers with intervals, the finding in one line, and what must not be hidden."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cpc_rl.compare import grouping
from cpc_rl.compare.reading import Run
from cpc_rl.compare.statistics import FEWEST, Estimate, estimate, mean
from cpc_rl.compare.summary import Comparison, Contrast, Panel

HOW = (
    "Final return: mean over the episodes of the last tenth of the frames that all counted runs share; over training: "
    "mean height of the curve over these frames (the area below it over their number). IQM: mean without the lowest "
    "and the highest quarter of the runs, rounded down, so that of three it is the mean. Brackets: 95 % percentile "
    "bootstrap over runs, 10,000 resamples, from three runs on; of three it reaches from the lowest value (or "
    "difference) to the highest. Of few runs it is too narrow: on values from a normal distribution it holds the truth "
    "75 % of the time with three, 85 % with five, 90 % with ten, where the t-interval holds it 95 %."
)
DIFFERENCES = (
    "Differences are of pairs of runs with the same seed (in a search: with the same draw as well). P(better): how "
    "often a random run of the arm has a higher final return than one of the baseline, ties half. Frames to the "
    "baseline's final return: where the arm's mean curve first gets there; noise helps it, in all arms alike. Times "
    "fewer: the baseline's frames over the arm's."
)
BEST_OF = (
    "Best 3: as IMPALA and CPC report searches. The best of many runs are partly the lucky ones, so it lies above what "
    "the same settings would score again, and the more so the more runs there are: compare only arms with as many."
)
AGGREGATE = (
    "Over all levels: IQM of all runs' normalised final returns together; its bootstrap resamples runs within a level."
)
AGAIN = "Any of these runs once more: python -m agents.a2c --config DIR/config.yaml"


def number(value: float | None, size: float | None = None, sign: bool = False) -> str:
    """A number with three digits or so, as many decimals as `size` calls for."""
    if value is None or value != value:
        return "-"
    size = abs(value) if size is None else size
    decimals = 2 if size < 10 else 1 if size < 1000 else 0
    return f"{value:{'+' if sign else ''},.{decimals}f}"


def interval(estimate: Estimate | None, sign: bool = False, unit: str = "") -> str:
    """`13.8 [4.1, 22.0]`, or the value alone where there is no interval."""
    if estimate is None:
        return "-"
    value, low, high = estimate
    size = max(abs(x) for x in (value, low, high) if x is not None)
    text = number(value, size, sign) + unit
    return text if low is None else f"{text} [{number(low, size)}, {number(high, size)}]"


def millions(frames: float) -> str:
    """`6.00 M`, `400 k`."""
    return f"{frames / 1e6:.3g} M" if frames >= 1e6 else f"{frames / 1e3:.3g} k" if frames >= 1e3 else f"{frames:.0f}"


def headline(comparison: Comparison) -> str:
    """The finding in one line."""
    panels = list(comparison.panels.values())
    if len(panels) == 1:
        return _one_level(panels[0], comparison.baseline)
    others = [label for label in comparison.labels if label != comparison.baseline]
    parts = "; ".join(_many_levels(comparison, label) for label in others)
    return f"Final return against {comparison.baseline} on {len(panels)} levels: {parts or 'no other arm'}"


def _one_level(panel: Panel, baseline: str) -> str:
    if not panel.contrasts:
        arms = [
            f"{label} {interval(_mean(arm.finals))} ({arm.replicates})"
            for label, arm in panel.arms.items()
            if arm.counted
        ]
        return f"{panel.env}: final return " + (", ".join(arms) or "not known yet")
    ranked = sorted(panel.contrasts.items(), key=lambda item: -item[1].final.value)
    label, contrast = ranked[0]
    which = "" if len(ranked) == 1 else f", the highest of {len(ranked)} arms"
    text = f"{label} against {baseline} on {panel.env}: {interval(contrast.final, sign=True)} final return"
    return f"{text}, {_runs_of(panel, label, contrast)}{which}"


def _runs_of(panel: Panel, label: str, contrast: Contrast) -> str:
    arm, base = panel.arms[label], panel.baseline
    words = arm.replicates
    if contrast.pairs:
        words = f"{contrast.pairs} {arm.replicates.split()[1].rstrip('s')}{'s' if contrast.pairs > 1 else ''}"
    elif base is not None and base.replicates != arm.replicates:
        words = f"{arm.replicates} against {base.replicates}"
    return words if contrast.final.low is not None else f"{words}, too few for an interval"


def _many_levels(comparison: Comparison, label: str) -> str:
    differences = [panel.contrasts[label].final for panel in comparison.panels.values() if label in panel.contrasts]
    words = []
    for word, side, sign in (("higher", "above", 1), ("lower", "below", -1)):
        there = [estimate for estimate in differences if sign * estimate.value > 0]
        clear = sum(estimate.apart_from_zero for estimate in there)
        if there:
            words.append(f"{word} on {len(there)} ({clear} interval{'' if clear == 1 else 's'} {side} 0)")
    return f"{label} {', '.join(words) or 'the same or not known yet'}"


def _mean(values: Any) -> Estimate:
    return estimate(mean, values)


def notes(comparison: Comparison) -> list[str]:
    """Everything a reader must know before believing the figure; empty where there is nothing."""
    lines: list[str] = []
    for panel in comparison.panels.values():
        texts = [*_differences(panel, comparison.by), *_seeds(panel, comparison.baseline), *_shortcomings(panel)]
        lines += [f"{panel.env}: {text}" if len(comparison.panels) > 1 else text for text in texts]
    lines += comparison.lost
    return [*lines, comparison.no_aggregate] if comparison.no_aggregate else lines


def _differences(panel: Panel, by: Iterable[str]) -> list[str]:
    """Settings in which runs differ though nobody asked."""
    runs = [run for arm in panel.arms.values() for run in arm.runs]
    keys = {key: values for key, values in grouping.differing(runs).items() if key not in by}
    lines = []
    if keys:
        settings = "; ".join(f"{key} ({listed(values)})" for key, values in keys.items())
        lines.append(f"runs differ not only in {', '.join(by)} but also in {settings}")
    if len(panel.backends) > 1:
        lines.append(f"different back ends together: {', '.join(panel.backends)}")
    return lines


def listed(values: Sequence[Any]) -> str:
    """Sorted values of a setting: all where they are few, else their number and ends; `-` for none."""
    spelt = [grouping.spell(value) for value in values]
    return (", ".join(spelt) or "-") if len(spelt) <= 5 else f"{len(spelt)} values, {spelt[0]} to {spelt[-1]}"


def _seeds(panel: Panel, baseline: str) -> list[str]:
    lines = []
    for label, arm in panel.arms.items():
        if 0 < len(arm.counted) < FEWEST:
            lines.append(f"{label} has {arm.replicates}: too few for an interval ({FEWEST} at least)")
        repeated = {seed: count for seed, count in Counter(run.seed for run in arm.counted).items() if count > 1}
        if repeated and not grouping.differing(arm.counted):
            seeds = len({run.seed for run in arm.counted})
            lines.append(f"{label} has {len(arm.counted)} runs of {seeds} seeds, counted as so many")
        contrast = panel.contrasts.get(label)
        if contrast is None or panel.baseline is None:
            continue
        if not contrast.pairs:
            lines.append(f"{label} and {baseline} cannot be paired by seed: their difference is one of means")
        elif contrast.pairs < max(len(arm.counted), len(panel.baseline.counted)):
            lines.append(
                f"{label} and {baseline} share {contrast.pairs} seeds only: their difference is of these pairs"
            )
    return lines


def _shortcomings(panel: Panel) -> list[str]:
    runs_with: dict[str, list[Path]] = defaultdict(list)  # what is wrong -> with which runs
    alike = 1.02  # lengths that differ by less are the same
    longest = max((run.curve.frames[-1] for arm in panel.arms.values() for run in arm.counted), default=0.0)
    for arm in panel.arms.values():
        for run in arm.runs:
            faults = state(run)
            if run.broken:
                faults.append(f"{run.broken} lines of metrics have a return that is not a number and are left out")
            if not run.has_episodes:
                faults.append("no episode has ended, no curve")
            elif run.state == "failed":
                faults.append("left out")
            elif run not in arm.counted:
                faults.append(
                    f"left out, for its curve ends at {millions(run.curve.frames[-1])}, before half of the longest"
                )
            elif run.curve.frames[-1] <= alike * panel.frames and longest > alike * panel.frames:
                faults.append(f"no further than {millions(panel.frames)} frames, where all are compared")
            if faults:
                runs_with["; ".join(faults)].append(run.path)
    return [f"{several(paths)}: {faults}" for faults, paths in runs_with.items()]


def several(paths: Sequence[Path]) -> str:
    """The first three of some paths, and how many more there are."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(map(str, paths[:3])) + more


def state(run: Run) -> list[str]:
    """What is wrong with how a run ended, if anything."""
    if run.state == "failed":
        return [f"failed at {millions(run.reached)} frames ({' '.join(run.error.split())})"]
    if run.state == "unfinished" and run.planned:
        return [f"unfinished, {millions(run.reached)} of {millions(run.planned)} frames"]
    return []
