"""Packages that only one of audio, vision and text needs: imported when they are, with a word on how to get them."""

from __future__ import annotations

import importlib
from typing import Any


def optional_module(name: str, extra: str) -> Any:
    """The module `name`, of a package that `pip install 'cpc-rl[EXTRA]'` installs.

    Raises:
        ValueError: It cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    # OSError: a C library does not load; RuntimeError: torchvision was made for another torch.
    except (ImportError, OSError, RuntimeError) as error:
        raise ValueError(f"{name} cannot be imported ({error}): pip install 'cpc-rl[{extra}]'") from error
