"""Configuration as YAML: presets, files, and the resolved copy in a run directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from configs.errors import UsageError, shorten, suggest
from configs.model import flatten
from configs.strict_yaml import read_yaml

PRESETS = Path(__file__).parent


def preset_names(family: str = "") -> list[str]:
    """Return the names `--preset` takes: files `<family>.<name>.yaml`, the agents' are `<name>.yaml`."""
    stems = (path.stem.rpartition(".") for path in PRESETS.glob("*.yaml"))
    return sorted(name for group, _, name in stems if group == family)


def load_preset(name: str, family: str = "") -> dict[str, Any]:
    """Read the preset called `name`. Raises UsageError for a name that is not there."""
    if not preset_names(family):
        raise UsageError(f"--preset {name}: this program has no presets")
    if name not in preset_names(family):
        raise UsageError(f"--preset {name}: no such preset; {suggest(name, preset_names(family))}")
    return load_yaml(PRESETS / f"{family}.{name}.yaml" if family else PRESETS / f"{name}.yaml")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an empty file is an empty mapping.

    Raises:
        UsageError: The file is missing, is not YAML, is no mapping or has no end: see `strict_yaml`.
    """
    try:
        data = read_yaml(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{path} must hold keys and values, not {shorten(repr(data))}")
    return data


def dump(config: BaseModel) -> str:
    """Write `config` as YAML of plain types, one block a section; `load_yaml` and the model read it back equal."""
    blocks = (
        yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True)
        for name, value in config.model_dump(mode="json").items()
    )
    return "\n".join(blocks)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `over` on `base`, section by section; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def difference(a: BaseModel | Mapping[str, Any], b: BaseModel | Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """List where two configurations differ: (dotted key, value in `a`, value in `b`); None where one lacks the key."""
    flat_a, flat_b = (flatten(x.model_dump(mode="json") if isinstance(x, BaseModel) else x) for x in (a, b))
    keys = [*flat_a, *(key for key in flat_b if key not in flat_a)]
    return [(key, flat_a.get(key), flat_b.get(key)) for key in keys if flat_a.get(key) != flat_b.get(key)]
