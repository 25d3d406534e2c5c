"""Sweep files: those committed are wandb's by its own schema; the same seed gives the same trials."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from configs import UsageError
from cpc_rl.sweep.file import SWEEPS, SweepFile, Trials, load_sweep

SCHEMA = json.loads((Path(__file__).parents[2] / "data/wandb_sweeps/schema.json").read_text())
FORMATS = jsonschema.FormatChecker()
FORMATS.checks("float")(lambda value: isinstance(value, float))
FORMATS.checks("integer")(lambda value: isinstance(value, int))
WANDB = jsonschema.Draft7Validator(SCHEMA, format_checker=FORMATS)
COMMITTED = sorted(SWEEPS.glob("*.yaml"))

BASE = {
    "program": "agents.a2c",
    "method": "random",
    "parameters": {
        "aux": {"values": ["none", "cpc"]},
        "entropy-cost": {"distribution": "log_uniform_values", "min": 5e-5, "max": 1e-2},
        "optimiser.epsilon": {"values": [0.1, 1e-3, 1e-5, 1e-7]},
    },
}


def trials(content=BASE, seed=1, cross=()):
    return Trials(SweepFile.model_validate(content), seed, cross)


def changed(**keys):
    return {**copy.deepcopy(BASE), **keys}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_files_are_valid_for_wandb_and_for_us(path):
    content = yaml.safe_load(path.read_text())
    assert [error.message for error in WANDB.iter_errors(content)] == []
    assert load_sweep(Path(path.stem))[0] == path
    assert WANDB.is_valid(BASE)


def test_the_schema_check_can_fail():
    bad = copy.deepcopy(BASE)
    bad["parameters"]["entropy-cost"]["min"] = "5e-5"
    assert not WANDB.is_valid(bad) and not WANDB.is_valid(changed(methods="random"))


def test_the_papers_search():
    file = load_sweep(Path("paper"))[2]
    search = Trials(file, 1, ["aux", "env"])
    assert search.count(24) == 24 * 2 * 5
    both = [search[i] for i in range(10)]
    keys = ("entropy-cost", "optimiser.learning-rate", "optimiser.epsilon")
    assert len({tuple(trial[key] for key in keys) for trial in both}) == 1, "arms and levels share their draws"
    assert [trial["aux"] for trial in both] == ["none"] * 5 + ["cpc"] * 5
    drawn = [search[10 * i] for i in range(24)]
    assert all(5e-5 <= t[keys[0]] <= 1e-2 and 5e-6 <= t[keys[1]] <= 5e-3 for t in drawn)
    assert {t[keys[2]] for t in drawn} == {1e-1, 1e-3, 1e-5, 1e-7}
    assert len({t[keys[0]] for t in drawn}) == len({t[keys[1]] for t in drawn}) == 24


def test_same_seed_same_trials_whatever_else_there_is():
    one, other = trials(), trials()
    assert [one[i] for i in range(9)] == [other[i] for i in reversed(range(9))][::-1]
    assert one[3] != trials(seed=2)[3] and one[3] != one[4]
    arms = [changed(parameters={**BASE["parameters"], "aux": {"value": aux}}) for aux in ("none", "cpc")]
    none, cpc = (trials(content)[5] for content in arms)
    assert {**none, "aux": "cpc"} == cpc, "two files that share all but aux share their draws"
    crossed = trials(cross=["aux"])
    assert [crossed[i]["aux"] for i in range(4)] == ["none", "cpc", "none", "cpc"]
    assert crossed[10] == none and crossed[11] == cpc
    assert list(crossed[0]) == list(BASE["parameters"])


def test_known_draws_never_change():
    """A sweep that goes on after an upgrade of this library must not draw other trials."""
    first = trials()[0]
    assert (first["aux"], first["optimiser.epsilon"]) == ("none", 1e-05)
    assert first["entropy-cost"] == pytest.approx(0.006038209747895, rel=1e-12)


def test_a_grid_in_wandbs_order():
    grid = trials(changed(method="grid", parameters={"seed": {"min": 1, "max": 3}, "aux": {"values": ["none", "cpc"]}}))
    assert grid.combinations == 6 and grid.count(None) == 6 and grid.count(4) == 4 and grid.count(99) == 6
    assert [(grid[i]["aux"], grid[i]["seed"]) for i in range(6)] == [
        (aux, seed) for aux in ("none", "cpc") for seed in (1, 2, 3)
    ]


def test_how_many():
    assert trials().count(7) == 7 and trials(cross=["aux", "optimiser.epsilon"]).count(3) == 24
    assert trials(changed(run_cap=5)).count(None) == 5
    with pytest.raises(ValueError, match="give --trials N"):
        trials().count(None)
    with pytest.raises(ValueError, match="--trials 3 makes 6 trials; the file's run_cap is 5"):
        trials(changed(run_cap=5), cross=["aux"]).count(3)
    assert trials(changed(run_cap=4), cross=["aux"]).count(2) == 4


def test_no_more_trials_than_a_sweep_keeps():
    wide = changed(method="grid", parameters={"a": {"min": 1, "max": 1000}, "b": {"min": 1, "max": 1000}})
    with pytest.raises(
        ValueError, match="1,000,000 trials are more than one sweep keeps, 100,000; give --trials or run_"
    ):
        trials(wide).count(None)
    assert trials(wide).count(100) == 100 and trials({**wide, "run_cap": 9}).count(None) == 9
    assert trials(wide)[999_999] == {"a": 1000, "b": 1000}, "found without going through all before it"
    with pytest.raises(ValueError, match="160,000 trials are more"):
        trials(cross=["aux", "optimiser.epsilon"]).count(20_000)


def test_a_word_of_the_command_may_look_like_a_number():
    assert SweepFile.model_validate(changed(command=["sleep", 3, 0.5])).command == ("sleep", "3", "0.5")


@pytest.mark.parametrize(
    ("cross", "says"),
    [("auxx", "no such parameter; there are aux, entropy-cost"), ("entropy-cost", "log_uniform_values has no list")],
)
def test_cross_is_refused(cross, says):
    with pytest.raises(ValueError, match=says):
        trials(cross=[cross])


def test_cross_is_not_for_a_grid():
    with pytest.raises(ValueError, match="--cross is for method random"):
        trials(changed(method="grid", parameters={"seed": {"values": [1]}}), cross=["seed"])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"method": "bayes"}, ["'bayes'", "random and grid"]),
        ({"method": "custom"}, ["'custom'", "random and grid"]),
        ({"method": "rando"}, ["method", "'random' or 'grid'"]),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, ["early_terminate", "not stopped early"]),
        ({"scheduler": {"engine": "wandb"}}, ["scheduler"]),
        ({"controller": {"type": "local"}}, ["controller"]),
        ({"parameter": {}}, ["parameter is not a known key", "parameters"]),
        ({"parameters": {}}, ["parameters"]),
        ({"parameters": {"x": {"min": 3, "max": 1}}}, ["parameter x", "less than max"]),
        ({"parameters": {"x y": {"value": 1}}}, ["'x y'", "letters"]),
        ({"parameters": [1]}, ["keys and values"]),
        ({"method": "grid"}, ["entropy-cost", "no list of values"]),
        ({"metric": {"name": "loss", "goal": "minimise"}}, ["metric.goal", "minimize"]),
        ({"run_cap": 0}, ["run_cap", "greater than or equal to 1"]),
        ({"program": ""}, ["program"]),
        ({"command": []}, ["command", "at least 1 item"]),
        ({"command": [["a"]]}, ["command", "valid string"]),
        ({"parameters": {"x": {"value": float("inf")}}}, ["parameter x", "not finite"]),
        ({"parameters": {"x": {"distribution": "log_normal", "mu": 1000}}}, ["parameter x", "not finite"]),
        (
            {"method": "grid", "parameters": {"x": {"min": 1, "max": 10**9}}},
            ["parameter x", "more than 100,000 values"],
        ),
        ({"method": ["grid"]}, ["method", "'random' or 'grid'"]),
        ({"metric": "loss"}, ["metric"]),
    ],
)
def test_refusals_name_the_key_and_what_is_allowed(keys, says, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(changed(**keys)))
    with pytest.raises(UsageError) as error:
        load_sweep(path)
    for word in [str(path), *says]:
        assert word in str(error.value)


def test_a_file_that_is_not_there():
    with pytest.raises(UsageError, match="papper: no such sweep file.*laptop, paper, seeds"):
        load_sweep(Path("papper"))
