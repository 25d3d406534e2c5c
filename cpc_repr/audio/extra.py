"""Packages of the `audio` extra, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any


def audio_module(name: str) -> Any:
    """The package `name`.

    Raises:
        ValueError: It cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: the C library that it wraps does not load
        raise ValueError(f"{name} cannot be imported ({error}): pip install 'cpc-rl[audio]'") from error
