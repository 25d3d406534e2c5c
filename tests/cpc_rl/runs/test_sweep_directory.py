"""A sweep on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from configs import RunFailure, UsageError
from cpc_rl.runs.sweep_directory import SweepDirectory, parameters_text

CONTENT = {"method": "random", "parameters": {"seed": {"values": [1, 2]}}}
TEXT = b"# as it was\nmethod: random\nparameters: {seed: {values: [1, 2]}}\n"


def make(path: Path, **changes) -> SweepDirectory:
    return SweepDirectory.make(path, **({"content": CONTENT, "text": TEXT, "seed": 1, "cross": ["seed"]} | changes))


def test_made_once_and_found_again(tmp_path: Path):
    sweep = make(tmp_path / "out")
    sweep.add([{"seed": 1, "rate": 0.1}], keeps_runs=True)
    sweep.trials[0].status = "done"
    sweep.save()
    again = make(tmp_path / "out")
    again.add([{"seed": 9}, {"seed": 2, "rate": None}], keeps_runs=False)
    assert [(t.index, t.status, t.parameters) for t in SweepDirectory.open(tmp_path / "out").trials] == [
        (0, "done", {"seed": 1, "rate": 0.1}),
        (1, "waiting", {"seed": 2, "rate": None}),
    ]
    assert (tmp_path / "out/sweep.yaml").read_bytes() == TEXT
    assert again.run_path(again.trials[0]) == tmp_path / "out/trials/000" and again.run_path(again.trials[1]) is None
    assert again.log_path(again.trials[1]) == tmp_path / "out/logs/001.log"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": 2}, "seed was 1, is 2"),
        ({"cross": []}, r"cross was \['seed'\], is \[\]"),
        ({"content": {**CONTENT, "method": "grid"}}, "method was random, is grid"),
        ({"content": {**CONTENT, "run_cap": 3}}, "run_cap was None, is 3"),
    ],
)
def test_another_sweep_is_refused_by_what_differs(tmp_path: Path, changes, says):
    make(tmp_path / "out")
    with pytest.raises(UsageError, match=f"out is a sweep that differs: {says}; give another --out"):
        make(tmp_path / "out", **changes)
    make(tmp_path / "out", text=b"# other comments\n")


def test_a_directory_begun_by_a_killed_sweep_is_taken(tmp_path: Path):
    (tmp_path / "sweep.yaml").write_text("half")
    (tmp_path / ".state.json.tmp").touch()
    make(tmp_path)
    assert (tmp_path / "sweep.yaml").read_bytes() == TEXT


def test_damage_and_absence_are_told(tmp_path: Path):
    with pytest.raises(UsageError, match="not a sweep's directory: it has no state.json"):
        SweepDirectory.open(tmp_path)
    (tmp_path / "state.json").write_text('{"format": 1, "seed": 1, "cross": [], "trials": [{"index": 0}]}')
    with pytest.raises(RunFailure, match="state.json: trials.0.parameters"):
        SweepDirectory.open(tmp_path)


@pytest.mark.parametrize(
    ("trial", "says"),
    [
        ({"run": "../victim"}, "run of trial 0 is '../victim', not trials/000"),
        ({"run": "/etc"}, "run of trial 0 is '/etc', not trials/000"),
        ({"run": "trials/001"}, "not trials/000"),
        ({"log": "../../log"}, "log of trial 0 is '../../log', not logs/000.log"),
        ({"job": "slurm:../../x"}, "job = 'slurm:../../x'"),
        ({"exit_code": 10**30}, "exit_code"),
        ({"index": 7, "log": "logs/007.log", "run": None}, "not numbered 0, 1, 2"),
    ],
)
def test_a_state_that_leads_elsewhere_is_damaged(tmp_path: Path, trial, says):
    whole = {"index": 0, "parameters": {}, "log": "logs/000.log", "run": "trials/000", "job": "slurm:123_4"}
    for content in (whole, whole | trial):
        state = {"format": 1, "seed": 1, "cross": [], "trials": [content]}
        (tmp_path / "state.json").write_text(json.dumps(state))
        if content is whole:
            assert SweepDirectory.open(tmp_path).trials[0].job == "slurm:123_4"
    with pytest.raises(RunFailure, match=f"state.json: .*{re.escape(says)}"):
        SweepDirectory.open(tmp_path)


def test_parameters_in_short():
    values = {"optimiser.learning-rate": 0.00123456, "aux": "cpc", "clip": None, "wandb": True}
    assert parameters_text(values) == "learning-rate 0.00123, aux cpc, clip null, wandb true"
