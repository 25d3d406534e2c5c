"""Memory of a training step of a reversible stage against its depth, beside plain autograd on the same layers.

`python benchmarks/revnet_memory.py` writes `benchmarks/results/vision/revnet_memory.md`: the allocator's peak in
one forward and backward pass, above what was held before; the gradients of the weights are part of it.
"""

import argparse
from pathlib import Path

import torch
from hardware import hardware
from infonce import peak_mebibytes

from cpc_repr.vision.encoders.revnet import ReversibleStage

CHANNELS, SIDE, PICTURES = 128, 32, 32
DEPTHS = (2, 4, 8, 16, 32)


def peak(depth: int, reversible: bool, device: torch.device) -> float:
    stage = ReversibleStage(depth, CHANNELS, "batch").to(device)
    x = torch.randn(PICTURES, CHANNELS, SIDE, SIDE, device=device, requires_grad=True)

    def step() -> None:
        (stage if reversible else stage.plain)(x).sum().backward()

    return peak_mebibytes(step, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/vision/revnet_memory.md"))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    layer = PICTURES * CHANNELS * SIDE * SIDE * 4 / 2**20
    lines = [
        "# A reversible stage: memory of a training step against depth\n",
        f"{hardware()}; float32.",
        f"{PICTURES} pictures, maps of {CHANNELS} x {SIDE} x {SIDE} ({layer:.0f} MiB), batch normalisation.\n",
        "| units | MiB, reversible | MiB, plain autograd |",
        "|--:|--:|--:|",
    ]
    for depth in DEPTHS:
        lines.append(f"| {depth} | {peak(depth, True, device):.0f} | {peak(depth, False, device):.0f} |")
        print(lines[-1], flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
