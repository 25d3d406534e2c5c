"""Which program a run directory is of, by a section of its config.yaml that no other program's has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from configs.errors import UsageError

SECTIONS = {
    "a2c": "agents.a2c",
    "held_out": "cpc_rl.pretrain",
    "detector": "cpc_repr.vision.detect",
    "view": "cpc_repr.vision",
    "stories": "cpc_repr.text",
    "corpus": "cpc_repr.audio",  # and the one before
}


def check_program(path: Path | str, settings: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Raise UsageError where the run at `path` is known to be of another program than those `allowed`."""
    found = next((program for section, program in SECTIONS.items() if section in settings), None)
    if found is not None and found not in allowed:
        raise UsageError(f"{path} is a run of python -m {found}, and this takes one of {' or '.join(allowed)}")
