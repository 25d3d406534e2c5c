"""What every configuration model shares, and how its fields are spelt on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tyro
from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of all configuration models: immutable, and refuses keys it does not know, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def flag_names(model: type[BaseModel], key_prefix: str = "", flag_prefix: str = "--") -> dict[str, str]:
    """Map each dotted key of `model` to its flag, e.g. `{"env.num_envs": "--num-envs"}`.

    Follows the two tyro marks our models use: `OmitArgPrefixes` on a section and `arg(name=...)` on a field.
    """
    names: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner = flag_prefix if tyro.conf.OmitArgPrefixes in field.metadata else f"{flag_prefix}{_dashed(name)}."
            names |= flag_names(field.annotation, f"{key_prefix}{name}.", inner)
        else:
            # `tyro.conf.arg` gives an object with the name in `.name`; pydantic's own metadata has no such attribute.
            spelt = next((m.name for m in field.metadata if getattr(m, "name", None)), name)
            names[key_prefix + name] = flag_prefix + _dashed(spelt)
    return names


def boolean_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted keys whose flag takes no value."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= boolean_keys(field.annotation, f"{prefix}{name}.")
        elif field.annotation is bool:
            keys.add(prefix + name)
    return keys


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one of dotted keys: `{"cpc": {"weight": 1}}` becomes `{"cpc.weight": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _dashed(name: str) -> str:
    return name.replace("_", "-")
