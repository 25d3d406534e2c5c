"""The words of a report: numbers with intervals, the finding in one line, and what must not be hidden."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cpc_rl.compare import grouping
from cpc_rl.compare.curves import WINDOW
from cpc_rl.compare.reading import Run
from cpc_rl.compare.statistics import FEWEST, LEVEL, Estimate, t_interval
from cpc_rl.compare.summary import Comparison, Contrast, Panel, counting

HOW = (
    "Final {what}: mean over the episodes of the last tenth of the frames that all counted runs share; over training: "
    "mean height of the curve over these frames (the area below it over their number). Brackets: 95 % t-intervals over "
    "runs, from three runs on. IQM: mean without the lowest and the highest quarter of the runs, rounded down, so that "
    "of three it is the mean; its brackets are the 95 % percentile bootstrap's, from ten runs on: of fewer it is too "
    "narrow (of three values from a normal distribution it holds the truth 75 % of the time)."
)
DIFFERENCES = (
    "Differences are of pairs of runs with the same seed (in a search: with the same draw as well), with the paired "
    "t-test's interval; Welch's takes all runs and no pairs. Holm p: the p of the paired test (Welch's where nothing "
    "pairs), corrected for the number of levels: below 0.05 on any level is chance in at most 5 % of comparisons. "
    "{better}: how often a random run of the arm has a higher final {what} than one of the baseline, ties half, with "
    "the exact p of the Mann-Whitney test."
)
FRAMES = (
    "Frames to the baseline's final return: where the arm's mean curve first "
    f"gets there; each point of it averages the last {100 * WINDOW:.0f} % of the frames. Times fewer: the baseline's "
    "frames over the arm's, with an interval over 2,000 resamples of the seeds of both (one that does not get there "
    "counts as 0) and the share of them that get there. It is biased: noise helps who is asked to get somewhere, and "
    "of two equal arms of three seeds the median is 1.2. No ratio is given where the baseline may be at random play."
)
OTHER = (
    "Compared is {what}, of which more may be better or worse. Lines of metrics weigh by their episodes where they say "
    "something of these (episode/..., episode_length), and all alike otherwise."
)
BEST_OF = (
    "Best 3: as IMPALA and CPC report searches. The best of many runs are partly the lucky ones, so it lies above what "
    "the same settings would score again, and the more so the more runs there are: compare only arms with as many."
)
AGGREGATE = (
    "Over all levels: IQM of all runs' normalised final returns together; its bootstrap resamples runs within a level, "
    "from ten runs a level on."
)
AGAIN = "Any of these runs once more: python -m agents.a2c --config DIR/config.yaml"


def number(value: float | None, size: float | None = None, sign: bool = False) -> str:
    """A number with three digits or so, as many decimals as `size` calls for."""
    if value is None or value != value:
        return "-"
    size = abs(value) if size is None else size
    decimals = 2 if size < 10 else 1 if size < 1000 else 0
    if 0 < size < 0.01:  # a learning rate, for example
        decimals = 2 - math.floor(math.log10(size))
    return f"{value:{'+' if sign else ''},.{decimals}f}"


def interval(estimate: Estimate | None, sign: bool = False, unit: str = "") -> str:
    """`13.8 [4.1, 22.0]`, or the value alone where there is no interval."""
    if estimate is None:
        return "-"
    value, low, high = estimate
    size = max(abs(x) for x in (value, low, high) if x is not None)
    text = number(value, size, sign) + unit
    return text if low is None else f"{text} [{number(low, size)}, {number(high, size)}]"


def probability(p: float | None) -> str:
    """`0.034`, `< 0.001`."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def millions(frames: float) -> str:
    """`6 M`, `400 k`, `1,000 M`."""
    if frames < 1e3:
        return f"{frames:.0f}"
    rounded = float(f"{frames:.3g}")  # before the unit is chosen: 999,936 are 1 M
    return f"{rounded / 1e6:,.10g} M" if rounded >= 1e6 else f"{rounded / 1e3:.3g} k"


def headline(comparison: Comparison) -> str:
    """The finding in one line."""
    panels = list(comparison.panels.values())
    if len(panels) == 1:
        return _one_level(panels[0], comparison.baseline, comparison.what)
    others = [label for label in comparison.labels if label != comparison.baseline]
    parts = "; ".join(_many_levels(comparison, label) for label in others)
    return f"Final {comparison.what} against {comparison.baseline} on {len(panels)} levels: {parts or 'no other arm'}"


def _one_level(panel: Panel, baseline: str, what: str) -> str:
    if not panel.contrasts:
        arms = [
            f"{label} {interval(t_interval(arm.finals))} ({arm.replicates})"
            for label, arm in panel.arms.items()
            if arm.counted
        ]
        return f"{panel.env}: final {what} " + (", ".join(arms) or "not known yet")
    ranked = sorted(panel.contrasts.items(), key=lambda item: -item[1].final.difference.value)
    label, contrast = ranked[0]
    which = "" if len(ranked) == 1 else f", the highest of {len(ranked)} arms"
    text = f"{label} against {baseline} on {panel.env}: {interval(contrast.final.difference, sign=True)} final {what}"
    return f"{text}, {_runs_of(panel, label, contrast)}{which}"


def _runs_of(panel: Panel, label: str, contrast: Contrast) -> str:
    arm, base = panel.arms[label], panel.baseline
    words = arm.replicates
    if contrast.pairs:
        words = f"{contrast.pairs} {arm.replicates.split()[1].rstrip('s')}{'s' if contrast.pairs > 1 else ''}"
    elif base is not None and base.replicates != arm.replicates:
        words = f"{arm.replicates} against {base.replicates}"
    return words if contrast.final.p is not None else f"{words}, too few for an interval"


def _many_levels(comparison: Comparison, label: str) -> str:
    found = {env: panel.contrasts[label].final for env, panel in comparison.panels.items() if label in panel.contrasts}
    p = comparison.corrected.get(label, {})
    words = []
    for word, sign in (("higher", 1), ("lower", -1)):
        there = [env for env, test in found.items() if sign * test.difference.value > 0]
        clear = sum(p.get(env, 1.0) < 1 - LEVEL for env in there)
        if there:
            words.append(f"{word} on {len(there)}" + (f" ({clear} beyond chance)" if p else ""))
    text = f"{label} {', '.join(words) or 'the same or not known yet'}"
    return text + (f", Holm's correction over {len(p)} levels" if p else "")


def notes(comparison: Comparison) -> list[str]:
    """Everything a reader must know before believing the figure; empty where there is nothing."""
    lines: list[str] = []
    for panel in comparison.panels.values():
        texts = [
            *_differences(panel, comparison.by),
            *_seeds(panel, comparison.baseline),
            *_shortcomings(panel, comparison.what),
        ]
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


def _shortcomings(panel: Panel, what: str) -> list[str]:
    runs_with: dict[str, list[Path]] = defaultdict(list)  # what is wrong -> with which runs
    alike = 1.02  # lengths that differ by less are the same
    longest = max((run.curve.frames[-1] for arm in panel.arms.values() for run in arm.counted), default=0.0)
    long_enough = counting([run for arm in panel.arms.values() for run in arm.runs])
    for arm in panel.arms.values():
        for run in arm.runs:
            faults = state(run)
            if run.broken:
                faults.append(f"{run.broken} lines of metrics have a {what} that is not a number and are left out")
            if not run.has_episodes:
                faults.append("no episode has ended, no curve" if what == "return" else f"no {what}, no curve")
            elif run.state == "failed":
                faults.append("left out")
            elif run not in arm.counted and run in long_enough:
                ends = " to ".join(millions(frames) for frames in (run.curve.frames[0], run.curve.frames[-1]))
                faults.append(f"left out, for the curves share no frames: its own is of {ends}")
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
    if run.state == "stopped" and run.planned:
        return [f"stopped early at {millions(run.reached)} of {millions(run.planned)} frames ({run.reason})"]
    if run.state == "unfinished" and run.planned:
        return [f"unfinished, {millions(run.reached)} of {millions(run.planned)} frames"]
    return []
