"""The section `run` of earlier versions, in today's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def upgrade_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, or a layer of one, with its section `run` as it is written now.

    Until version 0.2 TensorBoard had a switch of its own, `tensorboard`, and the project was `wandb_project`.
    """
    new = dict(settings)
    if isinstance(run := new.get("run"), Mapping):
        section = dict(run)
        if section.pop("tensorboard", False):
            section["track"] = "tensorboard"
        if "wandb_project" in section:
            section["track_project"] = section.pop("wandb_project")
        new["run"] = section
    return new
