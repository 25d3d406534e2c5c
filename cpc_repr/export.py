"""Hand an encoder over: one file that gives z without this library.

    python -m cpc_repr.export runs/NAME                 # runs/NAME/export/encoder.onnx
    python -m cpc_repr.export runs/NAME --format torch  # encoder.pt2, which torch.export.load reads

Speech: samples float32 [B, n] -> z [B, T, D]. Pictures: images uint8 [B, 3, S, S] -> z [B, H, W, D]. Sentences: words
int64 [B, L] -> z [B, D]; vocabulary.txt beside the file begins with word number 2; 1 is unknown, 0 padding.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import tyro
from pydantic import Field
from torch import Tensor, nn
from torch.export import Dim

from configs import Frozen, RunFailure, check_program, guarded, load, load_yaml
from cpc_repr import audio, text, vision
from cpc_repr.audio.encode import HALO
from cpc_repr.text.encode import VOCABULARY
from cpc_rl.exchange import ROWS, SUFFIX, Format, check_folder, check_format, read_network, write_network
from cpc_rl.runs import RunDirectory
from cpc_rl.runs.files import check_writable

TOLERANCE = 1e-3  # of z, whose numbers are of size 1
FEWEST, LONGEST = HALO + 160, 16_000 * 3600 * 24  # samples: of two frames, since torch takes one for a constant; a day


class EncoderExportConfig(Frozen):
    """What to hand over, and as what."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = Field(
        description="Run directory of speech, pictures or sentences."
    )
    format: Format = Field(
        default="onnx", description="Form of the file: `onnx`, or `torch` for an exported program (.pt2)."
    )
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = Field(
        default=None, description="Folder to write into; by default `export` in the run directory."
    )
    debug: bool = Field(default=False, description="Show tracebacks of errors.")


class ExportedEncoder(nn.Module):
    """z of a batch."""

    def __init__(self, model: nn.Module, z: Callable[[Tensor], Tensor]) -> None:
        """`z` computes with the weights of `model`."""
        super().__init__()
        self.model, self._z = model, z

    def forward(self, batch: Tensor) -> tuple[Tensor]:
        """See the family."""
        return (self._z(batch),)


class Parts(NamedTuple):
    """An encoder, an example of its input, by name, and the axes of it that are free."""

    encoder: ExportedEncoder
    example: Mapping[str, Tensor]
    free: Mapping[int, Dim] = ROWS


def speech_parts(run: Path) -> Parts:
    """The convolutions; recordings of a batch are equally long."""
    model = audio.load(run).model
    example = {"samples": torch.randn(2, 4000, generator=torch.Generator().manual_seed(1))}
    return Parts(
        ExportedEncoder(model.encoder, model.encoder), example, {**ROWS, 1: Dim("samples", min=FEWEST, max=LONGEST)}
    )


def picture_parts(run: Path) -> Parts:
    """Whole pictures of the size that training cropped them to."""
    encoder = vision.load(run)
    shape, draws = (2, 3, encoder.view.crop, encoder.view.crop), torch.Generator().manual_seed(1)
    example = {"images": torch.randint(256, shape, dtype=torch.uint8, generator=draws)}
    return Parts(ExportedEncoder(encoder.model, lambda images: encoder.cells(images, None)), example)


def sentence_parts(run: Path) -> Parts:
    """Each sentence by itself, its words by number: `vocabulary.txt` begins with number 2; 1 is unknown, 0 padding."""
    encoder = text.load(run)
    shape, draws = (2, encoder.max_tokens), torch.Generator().manual_seed(1)
    example = {"words": torch.randint(1, len(encoder.vocabulary), shape, generator=draws)}
    free = {**ROWS, 1: Dim("words", min=1, max=encoder.max_tokens)}
    return Parts(ExportedEncoder(encoder.model.encoder, encoder.model.encoder), example, free)


@torch.no_grad()
def export_encoder(run_dir: Path, form: Format = "onnx", *, out: Path | None = None) -> tuple[Path, float]:
    """Write the encoder of a run of `cpc_repr` as one file, with its `config.yaml` beside it.

    Args:
        run_dir: Of one run, not of an experiment of several.
        form: `onnx` or `torch`.
        out: The folder; by default `export` in the run directory.

    Returns:
        The file, and the largest difference of its z from PyTorch's for a random batch.

    Raises:
        UsageError: Not such a run, a folder that cannot be written or holds other things, or a package is missing.
        RunFailure: No checkpoint is whole, or the file computes something else than the network.
    """
    check_format(form)
    run = RunDirectory.open(run_dir)
    folder = out or run.path / "export"
    path = folder / f"encoder{SUFFIX[form]}"
    check_writable(path, "--out")
    check_folder(folder, "encoder")
    settings = load_yaml(run.config_path)
    check_program(run.path, settings, ["cpc_repr.audio", "cpc_repr.vision", "cpc_repr.text"])
    family = "vision" if "view" in settings else "text" if "stories" in settings else "audio"
    encoder, example, free = {"vision": picture_parts, "text": sentence_parts, "audio": speech_parts}[family](run.path)
    encoder.eval().requires_grad_(False)
    folder.mkdir(parents=True, exist_ok=True)
    write_network(path, form, encoder, example, ["z"], {"family": family}, free)
    difference = float((read_network(path)(*example.values())[0] - encoder(*example.values())[0]).abs().max())
    if not difference < TOLERANCE:
        raise RunFailure(f"{path} computes a z that differs from the network's by {difference:.2g}")
    shutil.copyfile(run.config_path, folder / "config.yaml")
    if family == "text":
        shutil.copyfile(run.path / VOCABULARY, folder / VOCABULARY)
    return path, difference


def show(config: EncoderExportConfig) -> int:
    """Export, and say what was written."""
    path, difference = export_encoder(config.run, config.format, out=config.out)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB: z as PyTorch's to {difference:.0e}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    argv = sys.argv[1:] if argv is None else argv

    def program() -> int:
        return show(load(EncoderExportConfig, argv, prog="python -m cpc_repr.export", description=__doc__ or ""))

    return guarded(program, debug="--debug" in argv)


if __name__ == "__main__":
    sys.exit(main())
