"""A training step on speech with our loss and with gathered negatives: `python benchmarks/audio_negatives.py`.

Gathered: M negatives of its own for each position, drawn once and used by all K steps, laid out as [B, T, M, D], the
formulation of public code. Ours: M negatives that all positions share, or every latent of the batch. Steps are forward,
backward and Adam on random sound; times are the best of alternating rounds; memory is the peak of the allocator during
one step, above what was held before. `--channels 512 --batch 8` is the paper's size.
"""

import argparse

import torch
from hardware import hardware
from infonce import peak_mebibytes, seconds
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.audio.model import SpeechModel, SpeechModelConfig
from cpc_repr.sequences import Encoding, SequenceCPC, SequenceCPCConfig, contrast
from cpc_rl.malloc import keep_freed_memory
from cpc_rl.negatives import Negatives

WINDOW = 20_480


def gathered_loss(encoding: Encoding, heads: nn.ModuleList, negatives: int) -> Tensor:
    """Cross-entropy of the positive among itself and M latents gathered for each position."""
    z, c = encoding
    batch, time, width = z.shape
    index = torch.randint(batch * time, (batch, time, negatives), device=z.device)
    drawn = z.reshape(-1, width)[index.flatten()].view(batch, time, negatives, width)
    losses = []
    for k, head in enumerate(heads, start=1):
        prediction = head(c[:, :-k])  # [B, T - k, D]
        own = (prediction * z[:, k:]).sum(-1, keepdim=True)  # [B, T - k, 1]
        others = (drawn[:, k:] * prediction[:, :, None]).sum(-1)  # [B, T - k, M]
        logits = torch.cat([own, others], dim=-1).flatten(0, 1)
        losses.append(F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=z.device)))
    return torch.stack(losses).mean()


def measure(config: SpeechModelConfig, batch: int, steps: int, negatives: int | None, device: torch.device) -> str:
    model = SequenceCPC(SpeechModel(config), steps).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    sound, draws = torch.randn(batch, WINDOW, device=device), torch.Generator()

    task = SequenceCPCConfig(steps=steps, negatives=Negatives(count=negatives or "all"))

    def step(loss: Tensor) -> None:
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()

    def ours() -> None:
        step(contrast(model.model(sound), model.heads, task, draws).loss)

    def gathered() -> None:
        step(gathered_loss(model.model(sound), model.heads, negatives or 128))

    ours()  # Adam's moments and the gradients are there from now on
    arms = [ours] if negatives is None else [ours, gathered]
    memory = [peak_mebibytes(run, device) for run in arms]
    times = [min(column) for column in zip(*([seconds(run, device) for run in arms] for _ in range(5)), strict=True)]
    cells = [f"{x:.0f}" for x in (1e3 * times[0], memory[0])]
    other = (
        ["", "", ""]
        if negatives is None
        else [f"{1e3 * times[1]:.0f}", f"{memory[1]:.0f}", f"{times[0] / times[1]:.2f}"]
    )
    pool = f"all {batch * 128}" if negatives is None else str(negatives)
    return f"| {steps} | {pool} | {cells[0]} | {other[0]} | {other[2]} | {cells[1]} | {other[1]} |"


def main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--channels", type=int, default=64)
    flags.add_argument("--batch", type=int, default=8)
    flags.add_argument("--threads", type=int, default=1)
    chosen = flags.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(chosen.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep_freed_memory()  # as in a training process
    config = SpeechModelConfig(channels=chosen.channels, context=256, norm="batch")
    print(f"# A training step of CPC on speech, our loss and gathered negatives\n\n{hardware()}; float32.")
    print(f"{chosen.channels} channels, GRU 256, {chosen.batch} windows of {WINDOW} samples.\n")
    print("| K | negatives | ms, ours | ms, gathered | ratio | MiB, ours | MiB, gathered |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for negatives in (16, 128, 512, None):
        for steps in (3, 12, 24):
            print(measure(config, chosen.batch, steps, negatives, device), flush=True)


if __name__ == "__main__":
    main()
