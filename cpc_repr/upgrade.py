"""Configurations of earlier versions, in the words of today: files, config.yaml and checkpoints of old runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from cpc_rl.runs.upgrade import upgrade_run

C = TypeVar("C", bound=BaseModel)
POOLS = {
    "all": {"pool": "batch", "exclude": "none"},
    "exclude_own": {"pool": "batch", "exclude": "own"},
    "own": {"pool": "sequence", "exclude": "none"},
}


def upgrade(old: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, or a part of one, in the words of today.

    Raises ValueError where nothing of today says the same.
    """
    new = upgrade_run(old)
    if isinstance(new.get("cpc"), Mapping):
        new["cpc"] = _negatives(new["cpc"])
    if isinstance(new.get("optim"), Mapping):
        new["optimiser"] = _optimiser(new.pop("optim"), new.get("train", {}).get("updates"))
    if isinstance(new.get("probe"), Mapping) and "learning_rate" in new["probe"]:
        new["probe"] = _probe(new["probe"])
    return new


def reread(now: C, old: Mapping[str, Any]) -> C:
    """The configuration `old` as one of today, of the same class as `now`. Raises ValueError as `upgrade`."""
    return type(now).model_validate(upgrade(old))


def _probe(old: Mapping[str, Any]) -> dict[str, Any]:
    """The section `probe`, when there was one learning rate, and all rows were fitted for all passes."""
    section = dict(old)
    return {"learning_rates": [section.pop("learning_rate")], "validation": 0, **section}


def _negatives(old: Mapping[str, Any]) -> dict[str, Any]:
    """The section `cpc`, when it had `candidates` and `num_negatives`, and none stood for all."""
    section = dict(old)
    negatives: dict[str, Any] = {}
    if "candidates" in section:
        word = section.pop("candidates")
        if word not in POOLS:
            raise ValueError(f"cpc.candidates = {word!r}: was one of {', '.join(POOLS)}; say cpc.negatives now")
        negatives |= POOLS[word]
    if "num_negatives" in section:
        count = section.pop("num_negatives")
        negatives["count"] = "all" if count is None else count
    if "anchors" in section and section["anchors"] is None:
        section["anchors"] = "all"
    return section | ({"negatives": {**negatives, **section.get("negatives", {})}} if negatives else {})


def _optimiser(old: Mapping[str, Any], updates: int | None) -> dict[str, Any]:
    """The section `optimiser`, when it was called `optim`."""
    section = dict(old)
    fall = section.pop("fall", 0)
    if fall and fall != updates:
        raise ValueError(
            f"optim.fall = {fall} of train.updates = {updates}: a learning rate falls over all updates now, by "
            "optimiser.schedule: linear"
        )
    section |= {"schedule": "linear"} if fall else {}
    return section | ({"clip_norm": section.pop("clip")} if "clip" in section else {})
