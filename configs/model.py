"""What every configuration model shares, and how its fields are spelt on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro
from pydantic import BaseModel, ConfigDict

T = TypeVar("T")
MARK = "a resumed run may change it"
MayChange = Annotated[T, MARK]  # `threads: MayChange[int]`; on a section it holds for all fields of it
QUIET = "Print errors and the last result only."  # what `--quiet` does in every program


class Frozen(BaseModel):
    """Base of all configuration models: immutable, and refuses keys it does not know, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def flag_names(model: type[BaseModel], key_prefix: str = "", flag_prefix: str = "--") -> dict[str, str]:
    """Map each dotted key of `model` to its flag, e.g. `{"env.num_envs": "--num-envs"}`.

    Follows the tyro marks our models use: `OmitArgPrefixes` on a section, `arg(name="")` on one whose own sections keep
    their names, and `arg(name=...)` on a field.
    """
    names: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            marks = field.metadata
            bare = tyro.conf.OmitArgPrefixes in marks or any(getattr(mark, "name", None) == "" for mark in marks)
            inner = flag_prefix if bare else f"{flag_prefix}{_dashed(name)}."
            names |= flag_names(field.annotation, f"{key_prefix}{name}.", inner)
        else:
            # `tyro.conf.arg` gives an object with the name in `.name`; pydantic's own metadata has no such attribute.
            spelt = next((m.name for m in field.metadata if getattr(m, "name", None)), name)
            names[key_prefix + name] = flag_prefix + _dashed(spelt)
    return names


def flags_given(model: type[BaseModel], argv: Sequence[str]) -> dict[str, str]:
    """Dotted keys of the settings that `argv` names, and the flag of each."""
    words = {word.partition("=")[0].replace("_", "-") for word in argv if word.startswith("--")}
    return {key: flag for key, flag in flag_names(model).items() if words & {flag, _negated(flag)}}


def _negated(flag: str) -> str:
    """The flag that switches a setting off: `--no-bias`, `--evaluation.no-blocks`."""
    section, dot, name = flag.removeprefix("--").rpartition(".")
    return f"--{section}{dot}no-{name}"


def keys_of(model: type[BaseModel], *annotations: Any, prefix: str = "") -> set[str]:
    """Return the dotted keys whose field has one of these types, such as `int` and `int | None`."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= keys_of(field.annotation, *annotations, prefix=f"{prefix}{name}.")
        elif field.annotation in annotations:
            keys.add(prefix + name)
    return keys


def changeable_keys(model: type[BaseModel], prefix: str = "", all_of_it: bool = False) -> set[str]:
    """Return the dotted keys that a resumed run may change: those of fields, or of sections, marked `MayChange`."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        marked = all_of_it or MARK in field.metadata
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= changeable_keys(field.annotation, f"{prefix}{name}.", marked)
        elif marked:
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
