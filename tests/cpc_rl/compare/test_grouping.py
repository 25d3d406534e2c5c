from pathlib import Path
from typing import Any

import pytest

from configs import UsageError
from cpc_rl.compare import grouping
from cpc_rl.compare.summary import compare
from tests.cpc_rl.made_runs import run_set, runs, write_run


def arms(tmp_path: Path, each: list[tuple[str, int, dict[str, Any]]], **more: Any) -> list[Any]:
    return runs(
        *(write_run(tmp_path / f"{i}", aux, seed=seed, settings=s, **more) for i, (aux, seed, s) in enumerate(each))
    )


def test_the_auxiliary_loss_tells_arms_apart(tmp_path: Path) -> None:
    made = arms(tmp_path, [("none", 1, {}), ("cpc", 1, {})])
    assert grouping.choose(made, ()) == ("aux",)
    assert [grouping.label(run, ("aux",)) for run in made] == ["none", "cpc"]


def test_an_ablation_with_seeds_is_told_apart_by_what_it_varies(tmp_path: Path) -> None:
    made = arms(
        tmp_path,
        [("cpc", seed, {"cpc.steps": k}) for k in (5, 30) for seed in (1, 2)] + [("none", 1, {}), ("none", 2, {})],
    )
    by = grouping.choose(made, ())
    assert by == ("aux", "cpc.steps")
    assert list(grouping.panels(made, by)["maze"]) == ["none", "cpc, steps=5", "cpc, steps=30"]  # in natural order


def test_a_search_is_told_apart_by_the_loss_alone(tmp_path: Path) -> None:
    draws = [{"optimiser.learning_rate": rate} for rate in (1e-3, 2e-3, 3e-3)]
    made = arms(tmp_path, [(aux, seed, draw) for aux in ("none", "cpc") for seed, draw in enumerate(draws)])
    assert grouping.choose(made, ()) == ("aux",)
    assert grouping.differing(made) == {"aux": ["none", "cpc"], "optimiser.learning_rate": [1e-3, 2e-3, 3e-3]}


def test_where_one_loss_was_run_any_other_setting_tells_apart(tmp_path: Path) -> None:
    made = arms(tmp_path, [("cpc", 1, {"optimiser.learning_rate": rate}) for rate in (1e-3, 2e-3)])
    assert grouping.choose(made, ()) == ("optimiser.learning_rate",)
    assert [grouping.label(run, ("optimiser.learning_rate",)) for run in made] == [
        "learning_rate=0.001",
        "learning_rate=0.002",
    ]


def test_no_more_arms_are_inferred_than_a_figure_can_show(tmp_path: Path) -> None:
    made = arms(
        tmp_path, [("cpc", 1, {"optimiser.learning_rate": float(rate)}) for rate in range(grouping.MOST_ARMS + 1)]
    )
    assert grouping.choose(made, ()) == ("aux",)
    assert grouping.choose(made, ("optimiser.learning_rate",)) == ("optimiser.learning_rate",)


def test_settings_that_decide_nothing_are_no_difference(tmp_path: Path) -> None:
    idle = {"run.threads": 4, "run.preset": "laptop", "env.env_threads": 2, "cpc.steps": 7}
    made = arms(
        tmp_path,
        [("none", 1, {}), ("none", 2, idle), ("none", 3, {"env.num_envs": 4}), ("none", 3, {"env.num_envs": 8})],
    )
    assert grouping.differing(made) == {"env.num_envs": [4, 8]}  # CPC's settings mean nothing without CPC


def test_planned_frames_are_a_difference_but_no_arm(tmp_path: Path) -> None:
    made = runs(write_run(tmp_path / "a", planned=1000), write_run(tmp_path / "b", planned=2000))
    assert grouping.differing(made) == {"run.frames": [1000, 2000]}
    assert grouping.choose(made, ()) == ("aux",)


def test_levels_may_have_settings_of_their_own(tmp_path: Path) -> None:
    made = [
        *runs(write_run(tmp_path / "a", env="one", settings={"optimiser.learning_rate": 1.0})),
        *runs(write_run(tmp_path / "b", env="two", settings={"optimiser.learning_rate": 2.0})),
    ]
    assert grouping.differing(made) == {}


def test_a_key_that_no_run_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--by cpc\.step: no run has such a key.*did you mean cpc\.steps"):
        grouping.choose(runs(write_run(tmp_path / "a")), ("cpc.step",))


def test_levels_come_as_the_suite_lists_them(tmp_path: Path) -> None:
    envs = ("Pong-v5", "seekavoid_arena_01", "rooms_watermaze", "maze")
    made = runs(*(write_run(tmp_path / env, env=env) for env in envs))
    assert list(grouping.panels(made, ("aux",))) == ["rooms_watermaze", "seekavoid_arena_01", "Pong-v5", "maze"]


def test_the_baseline(tmp_path: Path) -> None:
    assert grouping.pick_baseline(["cpc", "none"], None) == "none"
    assert grouping.pick_baseline(["cpc, k=1", "none, k=1", "none, k=2", "nonesuch"], None) == "none, k=1"
    assert grouping.pick_baseline(["a", "nonesuch"], None) == "a"
    assert grouping.pick_baseline(["a", "b"], "b") == "b"
    with pytest.raises(UsageError, match="--baseline c: no such arm; arms are a; b"):
        grouping.pick_baseline(["a", "b"], "c")


def test_runs_are_paired_by_seed(tmp_path: Path) -> None:
    made = arms(tmp_path, [("cpc", seed, {}) for seed in (3, 1, 7)] + [("none", seed, {}) for seed in (1, 2, 3)])
    assert grouping.pair(made[:3], made[3:]) == [(0, 2), (1, 0)]


def test_runs_of_a_search_are_paired_by_draw(tmp_path: Path) -> None:
    rates = (0.1, 0.2, 0.3)
    made = arms(
        tmp_path,
        [("cpc", 1, {"optimiser.learning_rate": r}) for r in rates]
        + [("none", 1, {"optimiser.learning_rate": r}) for r in reversed(rates)],
    )
    assert grouping.pair(made[:3], made[3:]) == [(0, 2), (1, 1), (2, 0)]


def test_arms_whose_settings_differ_throughout_are_paired_by_seed(tmp_path: Path) -> None:
    made = arms(tmp_path, [("cpc", 1, {"optimiser.learning_rate": 0.1}), ("none", 1, {"optimiser.learning_rate": 0.2})])
    assert grouping.pair(made[:1], made[1:]) == [(0, 0)]


def test_what_is_ambiguous_is_not_paired(tmp_path: Path) -> None:
    made = arms(tmp_path, [("cpc", 1, {}), ("cpc", 1, {}), ("none", 1, {})])
    assert grouping.pair(made[:2], made[2:]) == []
    assert grouping.pair(made[2:], made[:2]) == []


def test_numbers_are_sorted_as_numbers() -> None:
    labels = ["cpc, steps=30", "none", "cpc, steps=5", "adam", "cpc, steps=100"]
    assert sorted(labels, key=grouping.natural) == ["none", "adam", "cpc, steps=5", "cpc, steps=30", "cpc, steps=100"]
    assert sorted([10, 9.5, "none", 1e-3], key=grouping.natural) == ["none", 1e-3, 9.5, 10]


def test_looks_are_not_mixed_unless_they_are_the_arms(tmp_path: Path) -> None:
    """A run of minilab's earlier look beside one of today's; where all have one look nothing is said."""
    looks = [("drawn", 1), ("drawn", 2), ("labmaze", 1), ("labmaze", 2)]
    made = [
        write_run(tmp_path / f"{aux}-{look}{seed}", aux, seed=seed, settings={"env.textures": look})
        for look, seed in looks
        for aux in ("none", "cpc")
    ]
    with pytest.raises(UsageError, match=r"maze have different textures: drawn \(as in .*labmaze.*--by env.textures"):
        compare(run_set(*made))
    by_look = compare(run_set(*made), ("aux", "env.textures"))
    assert set(by_look.labels) == {
        f"{aux}, textures={look}" for aux in ("none", "cpc") for look in ("drawn", "labmaze")
    }
    assert compare(run_set(*made[:4])).labels == ["none", "cpc"]


def test_strengths_of_randomisation_are_not_mixed_either(tmp_path: Path) -> None:
    """A run of before the setting was there was not randomised; without strength its parts mean nothing."""
    plain = {"env.randomise": 0.0, "env.randomise_parts": ["picture"]}
    full = {"env.randomise": 1.0, "env.randomise_parts": ["picture", "sky"]}
    some = {"env.randomise": 1.0, "env.randomise_parts": ["sky"]}
    old, zero, one, part = (
        write_run(tmp_path / name, "none", seed=seed, settings=settings)
        for seed, (name, settings) in enumerate({"old": {}, "zero": plain, "one": full, "part": some}.items())
    )
    assert compare(run_set(old, zero)).labels == ["none"]
    with pytest.raises(UsageError, match=r"different randomise: 0.0 \(as in .*1.0.*--by env.randomise"):
        compare(run_set(old, zero, one))
    assert len(compare(run_set(zero, one), ("aux", "env.randomise")).labels) == 2
    engine = write_run(tmp_path / "engine", "none", seed=9, settings=plain | {"env.look": "engine"})
    with pytest.raises(UsageError, match=r"different look: plain \(as in .*engine"):
        compare(run_set(old, engine))
    with pytest.raises(UsageError, match=r"different randomise_parts"):
        compare(run_set(one, part))
    with pytest.raises(
        UsageError, match=r"look: .*; different randomise: .*--by aux --by env.look --by env.randomise c"
    ):
        compare(run_set(engine, one))
    assert len(compare(run_set(engine, one), ("aux", "env.look", "env.randomise")).labels) == 2


def test_other_back_ends_have_no_look(tmp_path: Path) -> None:
    """A run of before the setting was there, and one of today, which records it whatever plays."""
    old = write_run(tmp_path / "old", "none", backend="dmlab")
    new = write_run(tmp_path / "new", "cpc", backend="dmlab", settings={"env.textures": "drawn"})
    assert compare(run_set(old, new)).labels == ["none", "cpc"]
