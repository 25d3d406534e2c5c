"""The installed `deepmind_lab`: why it cannot be imported, and what of the engine lies beside it."""

from __future__ import annotations

import importlib
import os
import re
import shutil
from pathlib import Path

from envs.lookup import why_not as why_not_import

SCRIPTS = Path("baselab", "game_scripts", "levels")
LIBRARIES = {"software": "libdmlab_headless_sw.so", "hardware": "libdmlab_headless_hw.so"}
COMPILERS = {"q3map2": Path("q3map2", "q3map2"), "bspc": Path("bspc")}
# What the wheel's `__init__` imports, which its metadata do not ask for in full.
REMEDIES = {
    "deepmind_lab": "docs/dmlab.md says how to build it",
    "dm_env": "pip install dm-env",
    "imp": "Python 3.12 and later have none: install the wheel in Python 3.11",
    "pkg_resources": "setuptools 81 and later have none: pip install 'setuptools<81'",
    "six": "pip install six",
}


def why_not() -> str:
    """Why `deepmind_lab` cannot be imported, and what to do about it; empty if it can."""
    reason = why_not_import("deepmind_lab")
    missing = re.fullmatch(r"No module named '([^'.]+).*", reason)
    remedy = REMEDIES.get(missing[1] if missing else "", "docs/dmlab.md says what it needs")
    return f"{reason}; {remedy}" if reason else ""


def engine() -> Path | None:
    """The folder of the engine's own files; None where they do not lie as in its wheel."""
    module = importlib.import_module("deepmind_lab")
    path = Path(module.runfiles_path()) if hasattr(module, "runfiles_path") else None
    return path if path is not None and (path / SCRIPTS).is_dir() else None


def no_level(path: str) -> str:
    """That the engine has no such level; empty if it has, or if nobody can tell."""
    folder = engine()
    if path.endswith(".lua"):
        there = Path(path).is_file()
    else:
        there = folder is None or (folder / SCRIPTS / f"{path}.lua").is_file()
    return "" if there else f"DeepMind Lab has no level {path}; `python -m envs list dmlab` prints names"


def no_renderer(renderer: str) -> str:
    """Which library the engine lacks to draw with `renderer`; empty if it has it, or if nobody can tell."""
    folder = engine()
    if folder is None or (folder / LIBRARIES[renderer]).is_file():
        return ""
    for other, library in LIBRARIES.items():
        if (folder / library).is_file():
            return f"this deepmind_lab was built for the {other} renderer: --dmlab-renderer {other}"
    return f"the engine's library {folder / LIBRARIES[renderer]} is missing: build and install the wheel again"


def no_compiler() -> str:
    """What is missing to compile maps; empty if nothing is."""
    folder = engine()
    missing = [] if shutil.which("zip") else ["zip is not on the PATH"]
    for name, path in COMPILERS.items() if folder is not None else ():
        assert folder is not None
        if not os.access(folder / path, os.X_OK):
            missing.append(f"{name} is not at {folder / path}")
    return " and ".join(missing)
