"""Ground floor: presets (YAML files beside this one), the loader, and the two errors a program ends with."""

from configs.errors import RunFailure, UsageError, as_usage_error, explain, guarded
from configs.files import difference, dump, load_yaml, preset_names
from configs.loader import load
from configs.model import QUIET, Frozen, MayChange, changeable_keys, flag_names, flags_given, flatten
from configs.programs import check_program

__all__ = [
    "QUIET",
    "Frozen",
    "MayChange",
    "RunFailure",
    "UsageError",
    "as_usage_error",
    "changeable_keys",
    "check_program",
    "difference",
    "dump",
    "explain",
    "flag_names",
    "flags_given",
    "flatten",
    "guarded",
    "load",
    "load_yaml",
    "preset_names",
]
