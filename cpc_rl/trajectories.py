"""Recorded play on disk: what `cpc_rl.collect` writes, and `cpc_rl.pretrain` or a program of yours reads.

manifest.json       environment, policy, seed and shapes; of each file its steps, size and SHA-256
rows-00000.npz      T rows of B environments, a NumPy archive with the arrays of `FIELDS`
rows-00001.npz      the T rows behind them, of the same environments
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from configs import Frozen, RunFailure, UsageError, explain
from cpc_rl.runs.files import write_atomic
from envs.config import EnvConfig

MANIFEST = "manifest.json"
FIELDS: dict[str, torch.dtype] = {  # [T, B] each, as in `envs.api.EnvStep`; `obs` has [T, B, H, W, C] or [T, B, F]
    "obs": torch.uint8,  # float32 where observations are vectors
    "last_action": torch.int64,  # the action that led to the row; 0 where none did
    "reward": torch.float32,  # that came with the row
    "terminated": torch.bool,
    "truncated": torch.bool,
    "is_first": torch.bool,
    "valid": torch.bool,
}
LEVEL = 1  # of zlib: a third of the time of its usual 6
Count = Annotated[int, Field(ge=0, lt=2**63)]


class RowsFile(Frozen):
    """One file of recorded play."""

    name: str = Field(pattern=r"^rows-\d{5,9}\.npz$")
    steps: Count  # rows that count: agent steps of all environments
    bytes: Count
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Frozen):
    """All of manifest.json."""

    format: Literal[1] = 1
    env: EnvConfig
    policy: str  # `random`, or the run directory of the agent that played
    policy_frames: Count | None  # that agent was trained for; None: random
    seed: Count
    rows: int = Field(ge=2, le=10_000)  # T of each file
    obs_shape: tuple[Annotated[int, Field(ge=1, lt=2**31)], ...]  # (H, W, C) or (F,)
    num_actions: int = Field(ge=1, lt=2**31)
    action_repeat: int = Field(ge=1, lt=2**31)
    files: tuple[RowsFile, ...] = ()

    @property
    def frames(self) -> int:
        """Engine frames recorded so far, as runs count them."""
        return self.action_repeat * sum(file.steps for file in self.files)

    @property
    def bytes(self) -> int:
        """Size of all files on disk."""
        return sum(file.bytes for file in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 that stands for the content of all files, in order."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    def layout(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Shape and type of each array of a file."""
        each: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            name: ((self.rows, self.env.num_envs), dtype) for name, dtype in FIELDS.items()
        }
        dtype = torch.uint8 if len(self.obs_shape) == 3 else torch.float32
        return each | {"obs": ((self.rows, self.env.num_envs, *self.obs_shape), dtype)}

    def write(self, folder: Path) -> None:
        """Replace `folder`'s manifest.json by this one."""
        text = self.model_dump_json(indent=1) + "\n"
        write_atomic(folder / MANIFEST, lambda file: file.write(text.encode()))


def read_manifest(folder: Path) -> Manifest:
    """Read what `folder` holds. Raises UsageError where it is no recorded play, RunFailure where it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder} holds no recorded play: it has no {MANIFEST}")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RunFailure(f"{path}: {explain(error)}") from error


def write_rows(folder: Path, number: int, rows: Mapping[str, Tensor]) -> RowsFile:
    """Write one file whole or not at all.

    Args:
        folder: Of the manifest, which does not name the file yet.
        number: Of the file, from 0.
        rows: The arrays of `FIELDS`.

    Raises:
        OSError: The disk is full, for example.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in FIELDS:
            array = io.BytesIO()
            np.save(array, rows[name].cpu().numpy(), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # of no date: the same play gives the same bytes
            archive.writestr(entry, array.getbuffer(), zipfile.ZIP_DEFLATED, LEVEL)
    data = buffer.getvalue()
    path = folder / f"rows-{number:05d}.npz"
    write_atomic(path, lambda file: file.write(data))
    steps, digest = int(rows["valid"].sum()), hashlib.sha256(data).hexdigest()
    return RowsFile(name=path.name, steps=steps, bytes=len(data), sha256=digest)


def read_rows(folder: Path, manifest: Manifest, number: int) -> dict[str, Tensor]:
    """Read and check the file with this number: the arrays of `FIELDS`.

    Raises:
        RunFailure: It is missing, or not what the manifest says.
    """
    file = manifest.files[number]
    path = folder / file.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunFailure(f"cannot read {path}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise RunFailure(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            rows = {name: torch.from_numpy(arrays[name]) for name in FIELDS}
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunFailure(f"{path} is no archive of {', '.join(FIELDS)}: {error}") from error
    for name, (shape, dtype) in manifest.layout().items():
        found: Any = tuple(rows[name].shape), rows[name].dtype
        if found != (shape, dtype):
            raise RunFailure(f"{path}: {name} is {found[1]} {list(found[0])}, not {dtype} {list(shape)}")
    return rows
