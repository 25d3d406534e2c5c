from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from configs import RunFailure, UsageError
from cpc_rl.compare import phrases
from cpc_rl.compare.curves import Curve
from cpc_rl.compare.reading import Run, RunSet, find
from cpc_rl.compare.summary import Contrast, Panel, Speedup, compare, counting
from cpc_rl.compare.tables import tables
from cpc_rl.runs.sweep_directory import SweepDirectory
from tests.cpc_rl.made_runs import line, run_set, write_run

LUCKY = (("rooms_watermaze", 4.065, 54.0), ("rooms_keys_doors_puzzle", 4.135, 53.8))  # random, and human play


def arms(tmp_path: Path, none: list[float], cpc: list[float], env: str = "maze") -> RunSet:
    """Runs of level returns, seeds 1, 2, ..."""
    made = [(aux, seed, value) for aux, each in (("none", none), ("cpc", cpc)) for seed, value in enumerate(each, 1)]
    return run_set(
        *(write_run(tmp_path / f"{env}-{aux}-{seed}", aux, value, env=env, seed=seed) for aux, seed, value in made)
    )


def test_an_arm_against_the_baseline(tmp_path: Path) -> None:
    panel = compare(arms(tmp_path, [1.0, 2.0, 6.0], [4.0, 7.0, 7.0])).panels["maze"]
    assert panel.baseline is not None and panel.baseline.label == "none"
    assert panel.arms["cpc"].finals.tolist() == [4, 7, 7]
    contrast = panel.contrasts["cpc"]
    assert contrast.pairs == 3
    half = 4.302653 * 2 / 3**0.5  # of 3, 5 and 1: t of 2 degrees of freedom, a deviation of 2
    assert contrast.final.difference == pytest.approx((3.0, 3 - half, 3 + half))
    assert contrast.final is contrast.paired and contrast.welch.difference.value == pytest.approx(3)
    assert contrast.improvement == pytest.approx(8 / 9) and contrast.improvement_p is not None


CEILINGS = st.one_of(st.sampled_from([0.3, 0.9, 20.1, 1.0]), st.floats(1e-6, 1e9), st.floats(-1e9, -1e-6))


def compared(none: Sequence[Curve], cpc: Sequence[Curve]) -> tuple[Panel, Contrast]:
    """Two arms of these curves, seeds 1, 2, ..."""
    made = [
        Run(
            Path(f"{aux}-{seed}"),
            {"aux": aux, "run.seed": seed, "env.name": "maze", "env.backend": "minilab"},
            curve,
            "done",
        )
        for aux, arm in (("none", none), ("cpc", cpc))
        for seed, curve in enumerate(arm, 1)
    ]
    panel = compare(RunSet(made, [], 0)).panels["maze"]
    return panel, panel.contrasts["cpc"]


@settings(derandomize=True, max_examples=25, deadline=None)
@given(CEILINGS, st.integers(0, 2**32 - 1))
def test_arms_that_are_constant_and_equal_are_a_tie(x: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    arms = [[line(range(100, 2100, 100), [x] * 20, generator.integers(5, 10, 20)) for _ in range(5)] for _ in range(2)]
    panel, contrast = compared(*arms)
    assert contrast.speedup == Speedup(1.0, 1.0, 1.0, 1.0) and (contrast.improvement, contrast.improvement_p) == (
        0.5,
        1,
    )
    assert contrast.final == contrast.welch == ((0, 0, 0), 1)
    assert contrast.area == (0, 0, 0) and panel.arms["cpc"].finals.tolist() == [x] * 5


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.one_of(st.sampled_from([0.3, 0.9, 20.1, 1.0]), st.floats(1e-6, 1e9)), st.integers(0, 2**32 - 1))
def test_a_ceiling_is_reached_at_the_same_frames_whatever_its_height(x: float, seed: int) -> None:
    generator = np.random.default_rng(seed)

    def arm(returns: list[float]) -> list[Curve]:
        return [line(range(100, 2100, 100), returns, generator.integers(5, 10, 20)) for _ in range(3)]

    _, contrast = compared(arm([0.0] * 6 + [x] * 14), arm([0.0, x / 2] + [x] * 18))
    assert contrast.speedup is not None and contrast.speedup.value == pytest.approx(contrast.speedup.low)
    assert round(contrast.speedup.low, 2) == round(contrast.speedup.high, 2) == 2.29 and contrast.speedup.reached == 1
    assert contrast.improvement == 0.5 and contrast.final == ((0, 0, 0), 1)


def test_only_pairs_are_subtracted_where_seeds_differ(tmp_path: Path) -> None:
    none = [write_run(tmp_path / f"n{seed}", "none", 10.0 * seed, seed=seed) for seed in (1, 2, 3, 4)]
    cpc = [write_run(tmp_path / f"c{seed}", "cpc", 10.0 * seed + seed, seed=seed) for seed in (2, 3, 4, 9)]
    comparison = compare(run_set(*none, *cpc))
    contrast = comparison.panels["maze"].contrasts["cpc"]
    assert contrast.pairs == 3 and contrast.final.difference == pytest.approx(
        (3.0, 3 - 2.484138, 3 + 2.484138)
    )  # of 2, 3, 4
    assert "cpc and none share 3 seeds only: their difference is of these pairs" in phrases.notes(comparison)


def test_without_common_seeds_means_are_subtracted(tmp_path: Path) -> None:
    none = [write_run(tmp_path / f"n{seed}", "none", 1.0, seed=seed) for seed in (1, 2, 3)]
    cpc = [write_run(tmp_path / f"c{seed}", "cpc", 5.0, seed=seed) for seed in (4, 5, 6)]
    comparison = compare(run_set(*none, *cpc))
    contrast = comparison.panels["maze"].contrasts["cpc"]
    assert (contrast.pairs, contrast.paired, contrast.final) == (0, None, ((4.0, 4.0, 4.0), 0.0))
    assert "cannot be paired by seed" in phrases.notes(comparison)[0]


def test_frames_to_the_baselines_final_return(tmp_path: Path) -> None:
    """The baseline climbs to 10 over 1000 frames, the other arm twice as fast; one that never gets there has none."""
    ramp = np.arange(1.0, 11.0)
    rows = {"none": ramp, "cpc": np.minimum(2 * ramp, 10), "other": ramp / 2}
    made = [write_run(tmp_path / f"{aux}{seed}", aux, list(rows[aux]), seed=seed) for aux in rows for seed in (1, 2, 3)]
    panel = compare(run_set(*made)).panels["maze"]
    none, cpc, other = (panel.arms[label].reach for label in ("none", "cpc", "other"))
    assert (none, cpc, other) == (pytest.approx(1000, abs=10), pytest.approx(500, abs=10), None)
    cpc_speedup, other_speedup = (panel.contrasts[label].speedup for label in ("cpc", "other"))
    assert cpc_speedup is not None and other_speedup is not None
    assert cpc_speedup.value == pytest.approx(2, abs=0.03) and cpc_speedup.reached == 1
    assert other_speedup == Speedup(None, 0.0, 0.0, 0.0)


def test_the_frames_to_reach_are_those_of_resampled_seeds(tmp_path: Path) -> None:
    """Of three seeds one gets nowhere: a draw of it alone, 1 in 27, and any with it twice miss the baseline's mean."""
    none = [write_run(tmp_path / f"n{seed}", "none", [0.0] * 5 + [10.0] * 5, seed=seed) for seed in (1, 2, 3)]
    ways = ([10.0] * 10, [20.0] * 10, [0.0] * 10)
    cpc = [write_run(tmp_path / f"c{seed}", "cpc", way, seed=seed) for seed, way in enumerate(ways, 1)]
    speedup = compare(run_set(*none, *cpc)).panels["maze"].contrasts["cpc"].speedup
    assert speedup is not None and speedup.value is not None and speedup.low == 0.0
    enough = [a + b + c >= 3 for a in (0, 1, 2) for b in (0, 1, 2) for c in (0, 1, 2)]  # in tens: a mean of 10 or more
    assert speedup.reached == pytest.approx(np.mean(enough), abs=0.04)  # a standard error of 0.01


def test_no_ratio_where_the_baseline_is_at_random_play(tmp_path: Path) -> None:
    """Uniform play has 1.14 there."""
    for index, (returns, learnt) in enumerate(
        (([1.0, 1.2, 1.4], False), ([5.0, 5.2, 5.4], True), ([0.5, 9.0, 3.0], False))
    ):
        made = arms(tmp_path / str(index), returns, [9.0, 9.5, 9.7], "rooms_watermaze")
        comparison = compare(made)
        panel = comparison.panels["rooms_watermaze"]
        assert panel.chance == 1.14 and (panel.contrasts["cpc"].speedup is not None) is learnt
        rows = {row[1]: row for row in tables(comparison)[1].rows}
        assert rows["none (baseline)"][-2].endswith("(at random play)") is not learnt
        assert (rows["cpc"][-1] == "-") is not learnt


def test_a_run_of_less_than_half_the_frames_does_not_cut_the_others_short(tmp_path: Path) -> None:
    long, half, short = (write_run(tmp_path / str(n), seed=n, frames=n) for n in (1000, 500, 490))
    given = run_set(long, half, short)
    assert [run.path for run in counting(given.runs)] == [long, half]
    comparison = compare(given)
    panel = comparison.panels["maze"]
    assert panel.frames == 500 and len(panel.arms["cpc"].counted) == 2
    told = phrases.notes(comparison)
    assert f"{half}: no further than 500 frames, where all are compared" in told
    assert f"{short}: left out, for its curve ends at 490, before half of the longest" in told
    assert not any(str(long) in note for note in told)


def test_the_first_frames_only(tmp_path: Path) -> None:
    """A longer run compared up to N frames is the run that ended there."""
    long = [write_run(tmp_path / f"long{n}", returns=[1.0, 2.0, 3.0, 4.0], seed=n, frames=1000) for n in (1, 2, 3)]
    first = [write_run(tmp_path / f"first{n}", returns=[1.0, 2.0], seed=n, frames=500) for n in (1, 2, 3)]
    cut, whole, short = (
        compare(run_set(*runs), frames=n).panels["maze"] for runs, n in ((long, 500), (long, None), (first, None))
    )
    assert (cut.frames, whole.frames) == (500, 1000)
    (one,), (two,) = cut.arms.values(), short.arms.values()
    np.testing.assert_array_equal(one.curves, two.curves)
    with pytest.raises(RunFailure, match="--frames 249 is before the first episode_return"):
        compare(run_set(*long), frames=249)


def test_many_runs_with_the_same_shortcoming_are_one_note(tmp_path: Path) -> None:
    long = write_run(tmp_path / "long", seed=0, frames=1000)
    short = [write_run(tmp_path / f"short{n}", seed=n, frames=600) for n in range(1, 6)]
    told = "\n".join(phrases.notes(compare(run_set(long, *short))))
    three = ", ".join(map(str, short[:3]))
    assert f"{three} and 2 more: no further than 600 frames, where all are compared" in told
    assert told.count("no further") == 1 and str(long) not in told


def test_what_is_wrong_with_a_run_is_said(tmp_path: Path) -> None:
    good = write_run(tmp_path / "good", seed=1)
    holes = write_run(tmp_path / "holes", returns=[1.0] * 8 + [None, 1.0], seed=2)
    empty = write_run(tmp_path / "empty", returns=[], seed=3)
    slow = write_run(tmp_path / "slow", seed=4, planned=1200)
    torn = write_run(tmp_path / "torn", seed=5)
    (torn / "metrics.jsonl").write_text('{"frames": \n{"frames": 2}\n')
    comparison = compare(run_set(good, holes, empty, slow, torn))
    told = "\n".join(phrases.notes(comparison))
    assert f"{holes}: 1 lines of metrics have a return that is not a number and are left out" in told
    assert f"{empty}: unfinished, 50 of 1 k frames; no episode has ended, no curve" in told
    assert f"{slow}: unfinished, 1 k of 1.2 k frames" in told
    assert f"{torn}: failed at 0 frames ({torn / 'metrics.jsonl'}, line 1: not JSON" in told
    assert len(comparison.panels["maze"].arms["cpc"].counted) == 3
    assert str(good) not in told


def test_other_differences_are_named(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", "none", settings={"optimiser.learning_rate": 1e-3, "env.num_envs": 16})
    two = write_run(tmp_path / "b", "cpc", planned=2000, settings={"optimiser.learning_rate": 3e-3, "env.num_envs": 16})
    told = phrases.notes(compare(run_set(one, two), ("aux",)))
    assert told[0] == (
        "runs differ not only in aux but also in optimiser.learning_rate (0.001, 0.003); run.frames (1000, 2000)"
    )


def test_two_seeds_are_too_few(tmp_path: Path) -> None:
    comparison = compare(arms(tmp_path, [1.0, 2.0], [4.0, 7.0]))
    assert comparison.panels["maze"].contrasts["cpc"].final == ((4.0, None, None), None)
    assert (
        phrases.headline(comparison) == "cpc against none on maze: +4.00 final return, 2 seeds, too few for an interval"
    )
    assert "cpc has 2 seeds: too few for an interval (3 at least)" in phrases.notes(comparison)


def test_a_seed_twice_is_no_second_seed(tmp_path: Path) -> None:
    comparison = compare(run_set(*(write_run(tmp_path / str(i), seed=1) for i in range(3))))
    assert comparison.panels["maze"].arms["cpc"].replicates == "3 runs"
    assert "cpc has 3 runs of 1 seeds, counted as so many" in phrases.notes(comparison)


def test_the_finding_in_one_line(tmp_path: Path) -> None:
    assert (
        phrases.headline(compare(arms(tmp_path / "a", [1.0, 2.0, 6.0], [4.0, 7.0, 7.0])))
        == "cpc against none on maze: +3.00 [-1.97, 7.97] final return, 3 seeds"
    )
    alone = run_set(*(write_run(tmp_path / f"b{seed}", seed=seed) for seed in (1, 2, 3)))
    assert phrases.headline(compare(alone)) == "maze: final return cpc 1.00 [1.00, 1.00] (3 seeds)"


def test_the_finding_over_levels(tmp_path: Path) -> None:
    scores = {
        "a": ([1.0, 2.0, 3.0], [4.0, 5.0, 7.0]),
        "b": ([5.0, 5.0, 5.0], [4.0, 4.0, 4.0]),
        "c": ([1.0, 2.0, 3.0], [0.0, 5.0, 5.0]),
    }
    given = [run for env, (none, cpc) in scores.items() for run in arms(tmp_path, none, cpc, env).runs]
    comparison = compare(RunSet(given, [], 0))
    p = stats.ttest_1samp([3, 3, 4], 0).pvalue  # on a, the second smallest of three: twice as large after Holm
    assert 2 * p < 0.05 and comparison.corrected["cpc"]["a"] == pytest.approx(2 * p)
    expected = "cpc higher on 2 (1 beyond chance), lower on 1 (1 beyond chance), Holm's correction over 3 levels"
    assert phrases.headline(comparison) == f"Final return against none on 3 levels: {expected}"


def test_scores_over_all_levels(tmp_path: Path) -> None:
    """Human play on one level and random play on the other: half way."""
    watermaze = arms(tmp_path, [4.065] * 3, [54.0] * 3, "rooms_watermaze")
    keys = arms(tmp_path, [4.135] * 3, [4.135] * 3, "rooms_keys_doors_puzzle")
    comparison = compare(RunSet([*watermaze.runs, *keys.runs], [], 0))
    assert comparison.aggregate["none"].value == pytest.approx(0)
    assert comparison.aggregate["cpc"] == (pytest.approx(50), None, None)  # three seeds: no interval
    lucky = [arms(tmp_path / "lucky", [low, low, high], [], env).runs for env, low, high in LUCKY]
    assert compare(RunSet([run for level in lucky for run in level], [], 0)).aggregate["none"].value == pytest.approx(
        25
    )
    with_seekavoid = compare(RunSet([*watermaze.runs, *arms(tmp_path, [1.0], [1.0], "seekavoid_arena_01").runs], [], 0))
    assert not with_seekavoid.aggregate
    assert with_seekavoid.no_aggregate.startswith("no score over all levels: seekavoid_arena_01 has no published")
    assert with_seekavoid.no_aggregate in phrases.notes(with_seekavoid)


def test_an_arm_that_a_level_lacks_is_not_scored_over_all(tmp_path: Path) -> None:
    watermaze = arms(tmp_path, [1.0] * 3, [2.0] * 3, "rooms_watermaze")
    keys = arms(tmp_path, [1.0] * 3, [], "rooms_keys_doors_puzzle")
    assert list(compare(RunSet([*watermaze.runs, *keys.runs], [], 0)).aggregate) == ["none"]


def test_no_curve_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="no episode has ended yet in .*empty"):
        compare(run_set(write_run(tmp_path / "empty", returns=[])))


def test_runs_without_common_frames(tmp_path: Path) -> None:
    """Of a run that logs first after another has ended nothing can be compared, and the figure says what it counts."""
    early = write_run(tmp_path / "early", seed=1, frames=600)
    late = write_run(tmp_path / "late", returns=[None] * 9 + [2.0], seed=2)
    panel = compare(run_set(early, late)).panels["maze"]
    assert panel.grid is None and panel.arms["cpc"].counted == () and panel.contrasts == {}


def test_a_sweep_is_all_its_trials(tmp_path: Path) -> None:
    sweep = SweepDirectory.make(tmp_path / "sweep", {}, b"", 1, [])
    sweep.add([{"aux": "cpc"}] * 5, keeps_runs=True)
    for trial in sweep.trials[:3]:
        write_run(tmp_path / "sweep" / f"trials/{trial.index:03d}", returns=float(trial.index), seed=trial.index)
    for trial, status in zip(sweep.trials, ("done", "done", "failed", "failed", "waiting"), strict=True):
        trial.status, trial.error = status, "error: out of memory" if status == "failed" else None
    sweep.save()
    place = tmp_path / "sweep"
    given = find([place, place / "trials/000"])
    assert [(run.name, run.state) for run in given.runs] == [("000", "done"), ("001", "done"), ("002", "failed")]
    assert given.waiting == 1
    assert len(find([place / ".." / "sweep", place / "trials/000"]).runs) == 3  # each once, however it is spelt
    comparison = compare(given)
    arm = comparison.panels["maze"].arms["cpc"]
    assert arm.finals.tolist() == [0, 1]  # the failed one does not count, however far it came
    told = phrases.notes(comparison)
    assert f"{place / 'trials/002'}: failed at 1 k frames (error: out of memory); left out" in told
    assert f"{place}, trial 3: failed before its run began (error: out of memory)" in told
    assert "1 trials have not begun" in told


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run directory"):
        find([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.00123, "0.00123"),
        (-0.01, "-0.01"),
        (0.123, "0.12"),
        (-12.34, "-12.3"),
        (123.4, "123.4"),
        (12345.0, "12,345"),
        (None, "-"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert phrases.number(value) == text


@pytest.mark.parametrize(
    ("frames", "text"),
    [(400, "400"), (400_000, "400 k"), (999_936, "1 M"), (5_003_200, "5 M"), (1.41e6, "1.41 M"), (1e9, "1,000 M")],
)
def test_frames_in_words(frames: float, text: str) -> None:
    assert phrases.millions(frames) == text


def test_a_cut_that_leaves_no_episode_is_named(tmp_path: Path) -> None:
    runs = run_set(write_run(tmp_path / "a", "none"), write_run(tmp_path / "b", "cpc"))
    with pytest.raises(RunFailure, match="--frames 1 is before the first episode_return of every run"):
        compare(runs, frames=1)
    assert compare(runs, frames=10**9).labels == ["none", "cpc"]
