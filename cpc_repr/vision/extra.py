"""Packages of the `vision` extra, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any


def vision_module(name: str) -> Any:
    """The module `name`.

    Raises:
        ValueError: It cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise ValueError(f"{name} cannot be imported ({error}): pip install 'cpc-rl[vision]'") from error
