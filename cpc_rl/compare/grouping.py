"""Telling the arms of a comparison apart: by which settings runs differ, and what each arm is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from configs import UsageError
from configs.errors import suggest
from cpc_rl.aux import AUX_LOSSES
from cpc_rl.compare.reading import Run
from envs import LEVELS

MOST_ARMS = 8  # that are inferred: a figure of more tells nobody anything

# Where and how a run went, but not what it learnt. Level and back end are compared panel by panel.
PLACES = {"env.name", "env.backend"} | {
    f"env.{name}" for name in ("env_threads", "env_processes", "env_timeout", "dmlab_cache", "episode_info")
}

# Of minilab: another look is another task. What a setting was where a run does not have it.
LOOKS: dict[str, Any] = {
    "env.textures": None,
    "env.look": "plain",
    "env.randomise": 0.0,
    "env.randomise_parts": None,
    "env.randomise_half": "both",
}


def plays_a_part(key: str, run: Run) -> bool:
    """Whether a setting means anything to the run: those of an auxiliary loss that it does not use do not."""
    section = key.partition(".")[0]
    return section not in AUX_LOSSES or section in str(run.settings.get("aux")).split(",")


def relevant(run: Run) -> dict[str, Any]:
    """The settings that decide what is learnt, without the seed."""
    return {
        key: value
        for key, value in run.settings.items()
        if key not in PLACES and (key == "run.frames" or not key.startswith("run.")) and plays_a_part(key, run)
    }


def differing(runs: Iterable[Run]) -> dict[str, list[Any]]:
    """Keys in which runs of the same level differ, with their values: of those runs that have the key."""
    values: dict[tuple[str, str], dict[str, Any]] = {}
    for run in runs:
        for key, value in relevant(run).items():
            values.setdefault((run.env, key), {})[str(value)] = value
    by_key: dict[str, dict[str, Any]] = {}
    for (_, key), each in values.items():
        if len(each) > 1:
            by_key.setdefault(key, {}).update(each)
    return {key: sorted(each.values(), key=natural) for key, each in by_key.items()}


def choose(runs: Sequence[Run], wanted: Sequence[str]) -> tuple[str, ...]:
    """Settings that tell the arms apart: `wanted`, or else what differs.

    Inferred are `aux` and those other keys of which each setting was run with several seeds; where only one auxiliary
    loss was run, all keys that differ, if they make no more than `MOST_ARMS` arms.

    Raises:
        UsageError: No run has a wanted key.
    """
    known = {key for run in runs for key in run.settings}
    for key in wanted:
        if key not in known:
            raise UsageError(f"--by {key}: no run has such a key in its config.yaml; {suggest(key, known)}")
    if wanted:
        return tuple(wanted)
    others = tuple(key for key in differing(runs) if key not in ("aux", "run.frames", *LOOKS))
    if "aux" not in differing(runs):
        return others if others and len({label(run, others) for run in runs}) <= MOST_ARMS else ("aux",)
    fine = ("aux", *others)
    seeds: dict[tuple[str, str], set[Any]] = {}
    for run in runs:
        seeds.setdefault((run.env, label(run, fine)), set()).add(run.seed)
    return fine if all(len(each) > 1 for each in seeds.values()) else ("aux",)


def label(run: Run, by: Sequence[str]) -> str:
    """Name of the run's arm: `cpc`, `cpc, steps=5`; of a key that plays no part in the run, its auxiliary loss."""
    parts = []
    for key in by:
        value = run.settings.get(key) if plays_a_part(key, run) else None
        if key == "aux":
            parts.append(str(value))
        elif value is not None:
            parts.append(f"{key.rpartition('.')[2]}={spell(value)}")
    return ", ".join(parts) or str(run.settings.get("aux"))


def spell(value: Any) -> str:
    """A setting's value, floats short."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def natural(text: Any) -> list[Any]:
    """Sorting key: numbers by value, the rest as text; `none` first."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return [(1, float(text), "")]
    parts = re.split(r"(\d+\.?\d*(?:e[+-]?\d+)?)", str(text))
    ordered = [(1, float(part), "") if i % 2 else (2, 0.0, part) for i, part in enumerate(parts) if part]
    return [(0, 0.0, "")] if text == "none" else ordered


def panels(runs: Iterable[Run], by: Sequence[str], mix_backends: bool = False) -> dict[str, dict[str, list[Run]]]:
    """Sort runs into level -> arm -> runs; levels as the suite lists them, arms in natural order, `none` first.

    Raises:
        UsageError: A level was played on several back ends, and `mix_backends` does not allow it; or in several looks,
            which are no arms.
    """
    by_level: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        by_level.setdefault(run.env, {}).setdefault(label(run, by), []).append(run)
    for env, arms in by_level.items():
        played = {run.backend: str(run.path) for arm in arms.values() for run in arm}
        if len(played) > 1 and not mix_backends:
            listed = ", ".join(f"{backend} (as in {path})" for backend, path in played.items())
            raise UsageError(f"runs of {env} are of different back ends: {listed}; --mix-backends compares them anyway")
        _refuse_mixed_looks(env, [run for arm in arms.values() for run in arm if run.backend == "minilab"], by)
    order = [*LEVELS, *by_level]
    envs = sorted(by_level, key=lambda env: order.index(env))
    return {env: dict(sorted(by_level[env].items(), key=lambda item: natural(item[0]))) for env in envs}


def _refuse_mixed_looks(env: str, runs: Sequence[Run], by: Sequence[str]) -> None:
    mixed: dict[str, str] = {}  # setting -> its values, and a run of each
    for key, before in LOOKS.items():
        name = key.rpartition(".")[2]
        of = [run for run in runs if not name.startswith("randomise_") or run.settings.get("env.randomise")]
        looks = {str(run.settings.get(key, before)): str(run.path) for run in of}
        if len(looks) > 1 and key not in by:
            mixed[key] = f"different {name}: " + ", ".join(f"{look} (as in {path})" for look, path in looks.items())
    if mixed:
        flags = " ".join(f"--by {key}" for key in dict.fromkeys(("aux", *by, *mixed)))
        raise UsageError(f"runs of {env} have {'; '.join(mixed.values())}; {flags} compares them")


def pick_baseline(labels: Sequence[str], wanted: str | None) -> str:
    """The arm others are compared with: `wanted`, else the first without auxiliary loss (`none`), else the first.

    Raises UsageError if it is not there.
    """
    if wanted is not None and wanted not in labels:
        raise UsageError(f"--baseline {wanted}: no such arm; arms are {'; '.join(labels)}")
    without = [label for label in labels if label == "none" or label.startswith("none, ")]
    return wanted or [*without, *labels][0]


def pair(arm: Sequence[Run], base: Sequence[Run]) -> list[tuple[int, int]]:
    """Indices of runs of two arms that belong together: of the same seed and, in a search, of the same draw.

    A draw is known by all settings in which runs of one arm differ. Empty where that is not unique: nothing is paired.
    """
    varied = {key for runs in (arm, base) for key in differing(runs)} - {"run.frames"}
    shared = sorted(
        varied & {key for run in arm for key in relevant(run)} & {key for run in base for key in relevant(run)}
    )

    def keys(runs: Sequence[Run]) -> list[tuple[str, ...]]:
        return [(str(run.seed), *(str(run.settings.get(key)) for key in shared)) for run in runs]

    ours, theirs = keys(arm), keys(base)
    if len(set(ours)) < len(ours) or len(set(theirs)) < len(theirs):
        return []
    return [(i, theirs.index(key)) for i, key in enumerate(ours) if key in theirs]
