"""Settings as earlier versions wrote them, in today's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cpc_rl.runs.upgrade import upgrade_run


def upgrade(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, or a layer of one, as it is written now; what no version wrote otherwise is untouched.

    Until version 0.2 `cpc_action` read the section `cpc`; `negatives` was one word beside `num_negatives`, and all
    anchors were written 0. minilab had the look of `labmaze` only.
    """
    new = upgrade_run(settings)
    env, whole = new.get("env"), {"a2c", "network", "optimiser"} <= new.keys()  # what a run recorded, not a layer
    if whole and isinstance(env, Mapping) and env.get("backend") == "minilab" and "textures" not in env:
        new["env"] = {**env, "textures": "labmaze"}
    if new.get("aux") == "cpc_action" and "cpc" in new and "cpc_action" not in new:
        new["cpc_action"] = new.pop("cpc")
    for name in ("cpc", "cpc_action"):
        if isinstance(new.get(name), Mapping):
            new[name] = _section(new[name])
    return new


def _section(old: Mapping[str, Any]) -> dict[str, Any]:
    section = dict(old)
    if section.get("anchors") == 0:
        section["anchors"] = "all"
    count, pool = section.get("num_negatives"), section.get("negatives")
    if pool == "sampled":
        section["negatives"] = {"pool": "batch"} | ({} if count is None else {"count": count})
    elif isinstance(pool, str):
        section["negatives"] = {"pool": pool, "count": "all"}
    elif count is not None and isinstance(pool, Mapping | None):
        section["negatives"] = {"count": count, **(pool or {})}
    else:
        return section  # today's words already, or none that ever were
    section.pop("num_negatives", None)
    return section


def upgrade_state(saved: Mapping[str, Any] | None, aux: str) -> dict[str, Any]:
    """What a checkpoint holds of the losses `aux`, as `AuxLosses` reads it.

    Until version 0.2 there was one loss at most, and its entries had no name in front of them.
    """
    entries: dict[str, Tensor] = dict(saved or {})
    if aux not in ("cpc", "cpc_action") or any(key.startswith(f"{aux}.") for key in entries):
        return entries
    moved = {
        key.replace("cell.", "roll_forward.cell.") if aux == "cpc_action" else key: x for key, x in entries.items()
    }
    return {f"{aux}.{key}": x for key, x in moved.items()}
