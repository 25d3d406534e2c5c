"""Ground floor: presets (YAML files beside this one), the loader, and the two errors a program ends with."""

from configs.errors import RunFailure, UsageError, as_usage_error, explain, guarded
from configs.files import difference, dump, load_yaml, preset_names
from configs.loader import load
from configs.model import Frozen, flag_names

__all__ = [
    "Frozen",
    "RunFailure",
    "UsageError",
    "as_usage_error",
    "difference",
    "dump",
    "explain",
    "flag_names",
    "guarded",
    "load",
    "load_yaml",
    "preset_names",
]
