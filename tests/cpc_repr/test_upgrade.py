"""Configurations of earlier versions."""

from __future__ import annotations

import pytest

from cpc_repr.upgrade import upgrade


def test_an_optimiser_of_old_reads_as_one_of_today() -> None:
    old = {"optim": {"learning_rate": 0.1, "warmup": 5, "fall": 0, "beta1": 0.8, "clip": 0.01, "average": None}}
    new = {"learning_rate": 0.1, "warmup": 5, "beta1": 0.8, "clip_norm": 0.01, "average": None}
    assert upgrade({"cpc": {"steps": 3}, **old}) == {"cpc": {"steps": 3}, "optimiser": new}
    assert upgrade({"optim": {"fall": 7}, "train": {"updates": 7}})["optimiser"] == {"schedule": "linear"}
    assert upgrade({"optimiser": new}) == {"optimiser": new} and upgrade({"optim": 3}) == {"optim": 3}
    with pytest.raises(ValueError, match="optim.fall = 5 of train.updates = 7: .* optimiser.schedule: linear"):
        upgrade({"optim": {"fall": 5}, "train": {"updates": 7}})


@pytest.mark.parametrize(
    "old, new",
    [
        ({"candidates": "all", "num_negatives": None}, {"pool": "batch", "exclude": "none", "count": "all"}),
        ({"candidates": "exclude_own"}, {"pool": "batch", "exclude": "own"}),
        ({"candidates": "own", "num_negatives": 7}, {"pool": "sequence", "exclude": "none", "count": 7}),
        ({"num_negatives": 7}, {"count": 7}),
    ],
)
def test_negatives_of_old_read_as_those_of_today(old: dict, new: dict) -> None:
    assert upgrade({"cpc": {"steps": 3, **old}}) == {"cpc": {"steps": 3, "negatives": new}}


def test_probes_of_old_fit_all_rows_at_their_one_rate() -> None:
    old = {"probe": {"epochs": 6, "learning_rate": 3e-3}}
    assert upgrade(old) == {"probe": {"epochs": 6, "learning_rates": [3e-3], "validation": 0}}
    today = {"probe": {"epochs": 6, "learning_rates": [3e-3, 1e-2]}}
    assert upgrade(today) == today


def test_what_is_of_today_stays() -> None:
    today = {"cpc": {"steps": 3, "anchors": 5, "negatives": {"pool": "time"}}, "train": {"updates": 4}}
    assert upgrade(today) == today
    assert upgrade({"cpc": {"anchors": None}}) == {"cpc": {"anchors": "all"}} and upgrade({"cpc": 3}) == {"cpc": 3}
    with pytest.raises(ValueError, match="cpc.candidates = 'some': was one of all, exclude_own, own"):
        upgrade({"cpc": {"candidates": "some"}})
