"""Files that compute a network without this library: ONNX, and PyTorch's own exported programs."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from configs import UsageError
from cpc_rl.runs.files import write_atomic

Format = Literal["onnx", "torch"]
ROWS = {0: Dim("rows", min=1)}  # so many environments, pictures, ...
SUFFIX: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}


def check_format(form: Format) -> None:
    """Raise UsageError where the packages that a format needs are not there."""
    for name in ("onnx", "onnxscript", "onnxruntime") if form == "onnx" else ():
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"--format onnx needs {name} ({error}): pip install 'cpc-rl[export]'") from error


def check_folder(folder: Path, name: str) -> None:
    """Raise UsageError where `folder` holds things that no export of a file `name` has written, such as a run."""
    if not folder.is_dir():
        return
    held = {entry.name for entry in folder.iterdir() if entry.name[0] != "."}  # without locks, and files half written
    if held and ("metrics.jsonl" in held or not held & {f"{name}{suffix}" for suffix in SUFFIX.values()}):
        raise UsageError(f"--out {folder} holds other things ({min(held)}); give a new or empty folder")


def write_network(
    path: Path,
    form: Format,
    network: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    notes: Mapping[str, str],
    free: Mapping[int, Dim] = ROWS,
) -> None:
    """Write what `network` computes into one file.

    Args:
        path: Written whole or not at all.
        form: `onnx` or `torch` (`torch.export.load` reads it).
        network: In evaluation mode.
        example: Its inputs by name, in order; at least two rows, so that no length is taken for a constant.
        outputs: Names of what it returns, a tuple.
        notes: Kept in the file: ONNX's `metadata_props`, or the extra file `notes` of `torch`.
        free: The axes that all inputs have in common and that may have another length than in `example`.
    """
    program = torch.export.export(network, tuple(example.values()), dynamic_shapes=tuple(dict(free) for _ in example))
    if form == "torch":
        kept, text = io.BytesIO(), "\n".join(f"{name}: {value}" for name, value in notes.items())
        torch.export.save(program, kept, extra_files={"notes": text})
        write_atomic(path, lambda file: file.write(kept.getbuffer()))
        return
    made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=[*example], output_names=[*outputs])
    assert made is not None
    made.model.metadata_props.update(notes)
    write_atomic(path, lambda file: file.write(made.model_proto.SerializeToString()))


def read_network(path: Path) -> Callable[..., tuple[Tensor, ...]]:
    """What a file of `write_network` computes, tensors in and out, on the CPU."""
    if path.suffix == SUFFIX["torch"]:
        module: Any = torch.export.load(path).module()
        return lambda *inputs: tuple(module(*inputs))
    session = importlib.import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        found: list[np.ndarray] = session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))
        return tuple(torch.from_numpy(x) for x in found)

    return run
