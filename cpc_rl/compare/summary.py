"""All that is said of a set of runs: levels, arms, their statistics over seeds, and what must not be hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from configs import RunFailure
from cpc_rl.compare import curves, grouping, references, statistics
from cpc_rl.compare.reading import Run, RunSet
from cpc_rl.compare.statistics import Estimate

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

    @property
    def replicates(self) -> str:
        """How many runs count, in words: `3 seeds`, or `24 runs` where seeds repeat."""
        seeds = len({str(run.seed) for run in self.counted})
        word = "seed" if seeds == len(self.counted) else "run"
        return f"{len(self.counted)} {word}{'' if len(self.counted) == 1 else 's'}"

    def normalised(self, env: str) -> np.ndarray | None:
        """Final returns [n] in percent between random and human play; None without published scores."""
        return references.normalise(self.finals, env)


@dataclass(frozen=True)
class Contrast:
    """An arm against the baseline, on one level."""

    pairs: int  # of runs, by seed (and draw)
    final: Estimate  # mean difference of final returns, of pairs; of all runs where `pairs` is 0
    final_t: Estimate | None  # with a t-interval, of pairs
    area: Estimate
    improvement: Estimate  # P(arm > baseline) of final returns
    speedup: float | None  # baseline's frames to its final return over this arm's; None: not reached


@dataclass(frozen=True)
class Panel:
    """One level."""

    env: str
    backends: tuple[str, ...]
    grid: np.ndarray | None  # [POINTS] frames that all counted runs share; None where there are none
    arms: Mapping[str, Arm]
    baseline: Arm | None  # None where this level has no run of it that counts
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
    aggregate: Mapping[str, Estimate]  # arm -> IQM of normalised final returns over levels and runs
    no_aggregate: str  # why there is none, where there are several levels
    lost: tuple[str, ...]  # trials without a run

    @property
    def labels(self) -> list[str]:
        """All arms, the baseline first."""
        labels = dict.fromkeys(label for panel in self.panels.values() for label in panel.arms)
        return sorted(labels, key=lambda label: (label != self.baseline, grouping.natural(label)))


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
        UsageError: A key or a baseline that is not there, or back ends that would be mixed.
        RunFailure: No run has a curve.
    """
    runs = run_set.runs
    if frames is not None:
        runs = [replace(run, curve=curves.first(run.curve, frames)) for run in runs]
    if not any(run.has_episodes for run in runs):
        raise RunFailure(f"no episode has ended yet in {', '.join(str(run.path) for run in runs) or 'any run'}")
    by = grouping.choose(runs, by)
    sorted_runs = grouping.panels(runs, by, mix)
    labels = sorted({label for arms in sorted_runs.values() for label in arms}, key=grouping.natural)
    base = grouping.pick_baseline(labels, baseline)
    panels = {env: _panel(env, arms, base) for env, arms in sorted_runs.items()}
    aggregate, why = _aggregate(panels)
    lost = (*run_set.lost, *([f"{run_set.waiting} trials have not begun"] if run_set.waiting else []))
    return Comparison(by, base, panels, aggregate, why, lost)


def counting(runs: Sequence[Run]) -> list[Run]:
    """Those of a level's runs that did not fail and have come half as far as the longest of them."""
    able = [run for run in runs if run.has_episodes and run.state != "failed"]
    longest = max((run.curve.frames[-1] for run in able), default=0.0)
    return [run for run in able if run.curve.frames[-1] >= SHORT * longest]


def _panel(env: str, arms: Mapping[str, Sequence[Run]], base: str) -> Panel:
    runs = [run for arm in arms.values() for run in arm]
    counted = counting(runs)
    grid = curves.common_grid([run.curve for run in counted]) if counted else None
    if grid is None:
        counted = []
    chosen = {label: [run for run in arm if run in counted] for label, arm in arms.items()}
    target = None  # the baseline's final return
    if grid is not None and chosen.get(base):
        target = float(np.mean([curves.final_return(run.curve, grid) for run in chosen[base]]))
    made = {label: _arm(label, arm, chosen[label], grid, target) for label, arm in arms.items()}
    base_arm = made[base] if target is not None else None
    backends = tuple(sorted({run.backend for run in runs}))
    contrasts = {
        label: _contrast(arm, base_arm)
        for label, arm in made.items()
        if base_arm is not None and label != base and arm.counted
    }
    return Panel(env, backends, grid, made, base_arm, contrasts)


def _arm(label: str, runs: Sequence[Run], counted: Sequence[Run], grid: np.ndarray | None, target: float | None) -> Arm:
    if grid is None or not counted:
        empty = np.empty(0)
        return Arm(label, tuple(runs), (), np.empty((0, 0)), empty, empty, None)
    lines = np.stack([curves.resample(run.curve, grid) for run in counted])  # [n, POINTS]
    finals = np.array([curves.final_return(run.curve, grid) for run in counted])
    reach = None if target is None else curves.frames_to_reach(grid, lines.mean(0), target)
    return Arm(label, tuple(runs), tuple(counted), lines, finals, curves.area(lines), reach)


def _contrast(arm: Arm, base: Arm) -> Contrast:
    pairs = grouping.pair(arm.counted, base.counted)
    improvement = statistics.estimate(statistics.probability_of_improvement, arm.finals, base.finals)
    speedup = base.reach / arm.reach if base.reach and arm.reach else None
    if not pairs:
        apart = [(arm.finals, base.finals), (arm.areas, base.areas)]
        final, area = (statistics.estimate(statistics.difference_of_means, *both) for both in apart)
        return Contrast(0, final, None, area, improvement, speedup)
    ours, theirs = (list(index) for index in zip(*pairs, strict=True))
    final_difference = statistics.difference(arm.finals[ours], base.finals[theirs])
    area_difference = statistics.difference(arm.areas[ours], base.areas[theirs])
    return Contrast(
        len(pairs),
        statistics.estimate(statistics.mean, final_difference),
        statistics.t_interval(final_difference),
        statistics.estimate(statistics.mean, area_difference),
        improvement,
        speedup,
    )


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
