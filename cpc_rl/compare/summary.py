"""All that is said of a set of runs: levels, arms, their statistics over seeds, and what must not be hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from configs import RunFailure, UsageError
from configs.errors import suggest
from cpc_rl.compare import curves, grouping, references, statistics
from cpc_rl.compare.curves import RETURN
from cpc_rl.compare.reading import Run, RunSet
from cpc_rl.compare.statistics import Estimate, Test

# Metrics of which more is better, random play and humans are known, and the rest are not.
RETURNS = {RETURN: "return", "eval/return": "evaluated return", "eval/greedy_return": "greedy return"}
SHORT = 0.5  # of the longest run's frames: a run of fewer would cut the comparison of all others short


@dataclass(frozen=True)
class Arm:
    """Runs of one kind on one level. Numbers are of the runs that `counted`, n of them, over the level's frames."""

    label: str
    runs: tuple[Run, ...]
    counted: tuple[Run, ...]
    curves: np.ndarray  # [n, POINTS]
    finals: np.ndarray  # [n], mean return of the last tenth of the frames
    areas: np.ndarray  # [n], mean return over all frames
    reach: float | None  # frames until the mean curve is at the baseline's final return
    metric: str = RETURN

    @property
    def replicates(self) -> str:
        """How many runs count, in words: `3 seeds`, or `24 runs` where seeds repeat."""
        seeds = len({str(run.seed) for run in self.counted})
        word = "seed" if seeds == len(self.counted) else "run"
        return f"{len(self.counted)} {word}{'' if len(self.counted) == 1 else 's'}"

    def normalised(self, env: str) -> np.ndarray | None:
        """Final returns [n] in percent between random and human play; None without published scores."""
        return references.normalise(self.finals, env) if self.metric in RETURNS else None


@dataclass(frozen=True)
class Speedup:
    """How many times fewer frames an arm needs to the baseline's final return than the baseline itself.

    Biased: what noise does to a mean curve helps the one that is asked to get there. Of two equal arms of three seeds
    the median is above 1.
    """

    value: float | None  # None: the arm's mean curve does not get there
    low: float  # over resamples of the seeds of both arms; one that does not get there counts as 0
    high: float
    reached: float  # share of the resamples that get there


@dataclass(frozen=True)
class Contrast:
    """An arm against the baseline, on one level."""

    pairs: int  # of runs, by seed (and draw)
    paired: Test | None  # of final returns, of pairs; None where nothing pairs
    welch: Test  # of final returns, of all runs
    area: Estimate  # of means over training, of pairs, or of all runs
    improvement: float  # P(arm > baseline) of final returns
    improvement_p: float | None  # of the Mann-Whitney test
    speedup: Speedup | None  # None where the baseline is at random play, or of fewer than three seeds

    @property
    def final(self) -> Test:
        """Of pairs where there are pairs."""
        return self.paired or self.welch


@dataclass(frozen=True)
class Panel:
    """One level."""

    env: str
    backends: tuple[str, ...]
    grid: np.ndarray | None  # [POINTS] frames that all counted runs share; None where there are none
    arms: Mapping[str, Arm]
    baseline: Arm | None  # None where this level has no run of it that counts
    chance: float | None  # mean return of uniform random play, where it is known
    contrasts: Mapping[str, Contrast]  # of all other arms that count

    @property
    def frames(self) -> float:
        """Up to which all is compared."""
        return 0.0 if self.grid is None else float(self.grid[-1])


@dataclass(frozen=True)
class Comparison:
    """Everything a report says."""

    by: tuple[str, ...]
    baseline: str
    panels: Mapping[str, Panel]
    corrected: Mapping[str, Mapping[str, float]]  # arm -> level -> p of `Contrast.final`, by Holm over its levels
    aggregate: Mapping[str, Estimate]  # arm -> IQM of normalised final returns over levels and runs
    no_aggregate: str  # why there is none, where there are several levels
    lost: tuple[str, ...]  # trials without a run
    metric: str = RETURN

    @property
    def what(self) -> str:
        """The metric in words."""
        return words_of(self.metric)

    @property
    def labels(self) -> list[str]:
        """All arms, the baseline first."""
        labels = dict.fromkeys(label for panel in self.panels.values() for label in panel.arms)
        return sorted(labels, key=lambda label: (label != self.baseline, grouping.natural(label)))


def words_of(metric: str) -> str:
    """What a metric is called in a report."""
    return RETURNS.get(metric, metric)


def compare(
    run_set: RunSet,
    by: Sequence[str] = (),
    baseline: str | None = None,
    mix: bool = False,
    frames: float | None = None,
) -> Comparison:
    """Compare runs.

    Args:
        run_set: At least one run with an episode.
        by: Settings that tell the arms apart; none: what differs (`grouping.choose`).
        baseline: The arm that others are compared with; by default the first without auxiliary loss, or else the first.
        mix: Put runs of different back ends together.
        frames: Look at the first so many only; None: at all.

    Raises:
        UsageError: A key, a baseline or a metric that is not there, or back ends that would be mixed.
        RunFailure: No run has a curve.
    """
    runs = run_set.runs
    if frames is not None:
        runs = [replace(run, curve=curves.first(run.curve, frames)) for run in runs]
    if not any(run.has_episodes for run in runs):
        logged = {name for run in runs for name in run.logged}
        if run_set.metric != RETURN and run_set.metric not in logged:
            raise UsageError(f"--metric {run_set.metric}: no run has logged it; {suggest(run_set.metric, logged)}")
        if any(run.has_episodes for run in run_set.runs):  # but later
            raise RunFailure(f"--frames {frames} is before the first {run_set.metric} of every run")
        missing = "no episode has ended yet" if run_set.metric == RETURN else f"{run_set.metric} is no number yet"
        told = f" ({run_set.lost[0]})" if run_set.lost and not runs else ""
        raise RunFailure(f"{missing} in {', '.join(str(run.path) for run in runs) or 'any run'}{told}")
    by = grouping.choose(runs, by)
    sorted_runs = grouping.panels(runs, by, mix)
    labels = sorted({label for arms in sorted_runs.values() for label in arms}, key=grouping.natural)
    base = grouping.pick_baseline(labels, baseline)
    panels = {env: _panel(env, arms, base, run_set.metric) for env, arms in sorted_runs.items()}
    aggregate, why = _aggregate(panels) if run_set.metric in RETURNS else ({}, "")
    lost = (*run_set.lost, *([f"{run_set.waiting} trials have not begun"] if run_set.waiting else []))
    return Comparison(by, base, panels, _corrected(panels), aggregate, why, lost, run_set.metric)


def counting(runs: Sequence[Run]) -> list[Run]:
    """Those of a level's runs that did not fail and have come half as far as the longest of them, or stopped early.

    To leave out a run because it was soon good enough (or hopeless) would favour the others of its arm.
    """
    able = [run for run in runs if run.has_episodes and run.state != "failed"]
    longest = max((run.curve.frames[-1] for run in able), default=0.0)
    return [run for run in able if run.state == "stopped" or run.curve.frames[-1] >= SHORT * longest]


def _panel(env: str, arms: Mapping[str, Sequence[Run]], base: str, metric: str) -> Panel:
    runs = [run for arm in arms.values() for run in arm]
    counted = counting(runs)
    grid = curves.common_grid([run.curve for run in counted]) if counted else None
    if grid is None:
        counted = []
    chosen = {label: [run for run in arm if run in counted] for label, arm in arms.items()}
    target = None  # the baseline's final return
    if grid is not None and chosen.get(base) and metric in RETURNS:
        target = float(np.mean([curves.final_return(run.curve, grid) for run in chosen[base]]))
    made = {label: _arm(label, arm, chosen[label], grid, target, metric) for label, arm in arms.items()}
    base_arm = made[base] if grid is not None and chosen.get(base) else None
    backends = tuple(sorted({run.backend for run in runs}))
    chance = None
    if metric in RETURNS:
        chance = next((x for name in backends if (x := references.random_return(env, name)) is not None), None)
    contrasts = {
        label: _contrast(arm, base_arm, grid, chance)
        for label, arm in made.items()
        if base_arm is not None and grid is not None and label != base and arm.counted
    }
    return Panel(env, backends, grid, made, base_arm, chance, contrasts)


def _arm(
    label: str,
    runs: Sequence[Run],
    counted: Sequence[Run],
    grid: np.ndarray | None,
    target: float | None,
    metric: str,
) -> Arm:
    if grid is None or not counted:
        empty = np.empty(0)
        return Arm(label, tuple(runs), (), np.empty((0, 0)), empty, empty, None, metric)
    lines = np.stack([curves.resample(run.curve, grid) for run in counted])  # [n, POINTS]
    finals = np.array([curves.final_return(run.curve, grid) for run in counted])
    reach = np.nan if target is None else float(curves.frames_to_reach(grid, lines.mean(0), target))
    reached = None if np.isnan(reach) else reach
    return Arm(label, tuple(runs), tuple(counted), lines, finals, curves.area(lines), reached, metric)


def at_chance(arm: Arm, chance: float | None) -> bool:
    """Whether the final returns of an arm may be those of random play: their interval reaches down to it."""
    found = statistics.t_interval(arm.finals)
    return chance is not None and (found.value if found.low is None else found.low) <= chance


def _contrast(arm: Arm, base: Arm, grid: np.ndarray, chance: float | None) -> Contrast:
    pairs = grouping.pair(arm.counted, base.counted)
    improvement = float(statistics.probability_of_improvement(arm.finals, base.finals))
    improvement_p = statistics.mann_whitney(arm.finals, base.finals)
    speedup = None if arm.metric not in RETURNS or at_chance(base, chance) else _speedup(arm, base, grid)
    welch = statistics.welch_t(arm.finals, base.finals)
    if not pairs:
        area = statistics.welch_t(arm.areas, base.areas).difference
        return Contrast(0, None, welch, area, improvement, improvement_p, speedup)
    ours, theirs = (list(index) for index in zip(*pairs, strict=True))
    paired = statistics.paired_t(statistics.difference(arm.finals[ours], base.finals[theirs]))
    area = statistics.t_interval(statistics.difference(arm.areas[ours], base.areas[theirs]))
    return Contrast(len(pairs), paired, welch, area, improvement, improvement_p, speedup)


def _speedup(arm: Arm, base: Arm, grid: np.ndarray) -> Speedup | None:
    if min(len(arm.counted), len(base.counted)) < statistics.FEWEST:
        return None
    ours, theirs = statistics.resamples(len(arm.counted), len(base.counted))
    target = base.finals[theirs].mean(-1)  # [resamples]
    reach = curves.frames_to_reach(grid, arm.curves[ours].mean(1), target)
    of_base = curves.frames_to_reach(grid, base.curves[theirs].mean(1), target)
    ratio = np.nan_to_num(np.where(np.isnan(of_base), grid[-1], of_base) / reach)
    low, high = np.quantile(ratio, [(1 - statistics.LEVEL) / 2, (1 + statistics.LEVEL) / 2])
    value = base.reach / arm.reach if base.reach and arm.reach else None
    return Speedup(value, float(low), float(high), float((~np.isnan(reach)).mean()))


def _corrected(panels: Mapping[str, Panel]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for env, panel in panels.items():
        for label, contrast in panel.contrasts.items():
            if contrast.final.p is not None:
                found.setdefault(label, {})[env] = contrast.final.p
    return {label: dict(zip(each, statistics.holm(list(each.values())), strict=True)) for label, each in found.items()}


def _aggregate(panels: Mapping[str, Panel]) -> tuple[dict[str, Estimate], str]:
    """IQM of normalised final returns over all levels, for each arm that all levels have; or why there is none."""
    if len(panels) < 2:
        return {}, ""
    without = [env for env in panels if references.normalise(np.zeros(1), env) is None]
    if without:
        return {}, f"no score over all levels: {', '.join(without)} has no published random and human score"
    shared = [
        label
        for label in next(iter(panels.values())).arms
        if all(label in panel.arms and panel.arms[label].counted for panel in panels.values())
    ]
    if not shared:
        return {}, "no score over all levels: no arm has runs on all of them"
    scores = {label: [panel.arms[label].normalised(env) for env, panel in panels.items()] for label in shared}
    return {
        label: statistics.estimate(statistics.pooled_iqm, *(level for level in levels if level is not None))
        for label, levels in scores.items()
    }, ""
