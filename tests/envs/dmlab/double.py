"""What tests need to have `deepmind_lab.py` beside this file play DeepMind Lab."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.dmlab.levels import DMLAB_LEVELS
from envs.dmlab.module import SCRIPTS
from tests.envs.processes import ROOT

HERE = Path(__file__).parent


def lay_out(folder: Path) -> None:
    """Make what the double looks for in its `runfiles`, as it lies in the engine's wheel, and `bin/zip` besides."""
    levels = [*DMLAB_LEVELS.values(), "tests/missing_map"]
    for path in (
        "libdmlab_headless_sw.so",
        "q3map2/q3map2",
        "bspc",
        "bin/zip",
        *(f"{SCRIPTS}/{level}.lua" for level in levels),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch(mode=0o755)


class Shown(NamedTuple):
    """What a frame of the double says in its first pixels."""

    frames: int  # engine frames since the reset
    seed: int
    mixer: int
    episode: int  # of that Lab, from 1
    action: tuple[int, ...]  # the last one


def read(frame: Any) -> Shown:
    """Read a frame, uint8 [H, W, 3]."""
    numbers = np.ascontiguousarray(frame).reshape(-1)[:44].view("<u4")
    return Shown(*(int(n) for n in numbers[:4]), tuple(int(n) - 512 for n in numbers[4:]))


class Double:
    """The module is importable, here and in processes started from here."""

    def __init__(self, folder: Path) -> None:
        self.settings, self.log_file = folder / "double.json", folder / "double.log"
        self.runfiles = folder / "runfiles"
        lay_out(self.runfiles)
        self.set()

    def set(self, **settings: Any) -> None:
        """What it does from now on (see `deepmind_lab.py`); faults that have struck may strike again."""
        for claim in self.settings.parent.glob(f"{self.settings.name}.*.*"):
            claim.unlink()
        text = json.dumps({"log": str(self.log_file), "runfiles": str(self.runfiles), **settings})
        temporary = self.settings.with_suffix(".new")
        temporary.write_text(text)
        os.replace(temporary, self.settings)

    def log(self, *words: str) -> list[list[str]]:
        """Its log's lines without the process ids, those that begin with `words`."""
        if not self.log_file.exists():
            return []
        lines = [line.split()[1:] for line in self.log_file.read_text().splitlines()]
        return [line for line in lines if line[: len(words)] == list(words)]


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[Double]:
    """As if deepmind_lab were installed; its settings lie in `folder`."""
    double = Double(folder)
    path, before = str(HERE), {name: os.environ.get(name) for name in ("DEEPMIND_LAB_DOUBLE", "PYTHONPATH", "PATH")}
    os.environ["PATH"] = os.pathsep.join([str(double.runfiles / "bin"), os.environ["PATH"]])
    os.environ["DEEPMIND_LAB_DOUBLE"] = str(double.settings)
    os.environ["PYTHONPATH"] = os.pathsep.join([path, *filter(None, [before["PYTHONPATH"]])])
    sys.path.insert(0, path)
    try:
        yield double
    finally:
        sys.path.remove(path)
        sys.modules.pop("deepmind_lab", None)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def frames(step: Any) -> list[Shown]:
    """What all rows of an `EnvStep` show."""
    pictures: NDArray[np.uint8] = step.obs.numpy()
    return [read(picture) for picture in pictures]


def start(lab: Double, folder: Path, words: list[str], compile_seconds: float) -> subprocess.Popen[str]:
    """A program in `folder`, with the double importable."""
    lab.set(compile_seconds=compile_seconds)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env["PYTHONPATH"]])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *words], cwd=folder, env=env, start_new_session=True, **pipes)
