"""CPC on sequences: an encoder, a GRU on top, and a matrix W_k for each step ahead.

Van den Oord et al. 2018, section 2. Speech and books differ in what is read and in the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cpc_repr import cpc_loss
from cpc_repr.context import Context
from cpc_repr.objective import Losses, Objective, Stage, generator
from cpc_repr.offsets import live_offsets, offset_metrics, offsets_stage
from cpc_rl.infonce import CPC, linear_heads
from cpc_rl.optim import OptimiserConfig

R = TypeVar("R")


class Encoding(NamedTuple):
    """What a network makes of a sequence, a row each step."""

    z: Tensor  # [..., T, channels]
    c: Tensor  # [..., T, context]


class SequenceModel(nn.Module):
    """g_enc and g_ar: sequences -> z [B, T, channels], c [B, T, context]; c_t has seen z up to t."""

    def __init__(self, encoder: nn.Module, channels: int, context: int) -> None:
        """`encoder` gives z."""
        super().__init__()
        self.encoder = encoder
        self.gru = nn.GRU(channels, context, batch_first=True)

    def forward(self, sequences: Tensor) -> Encoding:
        """Encode whole sequences, each from a zero state."""
        z = self.encoder(sequences)  # [B, T, channels]
        return Encoding(z, self.gru(z)[0])


class SequenceCPC(nn.Module):
    """The network and the matrices W_k of equation 3, one for each step ahead."""

    def __init__(self, model: SequenceModel, steps: int) -> None:
        super().__init__()
        self.model = model
        self.heads = linear_heads(model.gru.hidden_size, model.gru.input_size, steps)


def contrast(
    encoding: Encoding,
    heads: nn.ModuleList,
    draws: torch.Generator,
    anchors: int | None = None,
    anchor_steps: Tensor | None = None,
    **negatives: Any,
) -> CPC:
    """InfoNCE of predicting z from c: `cpc_rl.infonce.cpc_loss`.

    Args:
        encoding: z [B, T, D], c [B, T, H].
        heads: K of them, for 1 to K steps ahead.
        draws: Of negatives and anchors, where there is something to draw. On the CPU.
        anchors: Predict from this many steps, drawn anew; None: from all.
        anchor_steps: long [S], predict from these steps instead.
        negatives: As `cpc_loss` takes them.
    """
    time = encoding.z.shape[1]
    if anchor_steps is None and anchors is not None and anchors < time:
        anchor_steps = torch.randperm(time, generator=draws)[:anchors]
    steps = range(1, len(heads) + 1)
    return cpc_loss(encoding.c, encoding.z, heads, steps, generator=draws, anchor_steps=anchor_steps, **negatives)


class SequenceObjective(Objective[Tensor, R], Generic[R]):
    """CPC: c_t predicts z of the steps ahead."""

    title = "CPC"
    module: SequenceCPC

    def __init__(
        self,
        module: SequenceCPC,
        read: Callable[[int], Tensor],
        read_test: Callable[[int], Tensor],
        optimiser: OptimiserConfig,
        updates: int,
        *,
        seed: int,
        device: torch.device,
        unit: str,
        test_batches: int,
        negatives: dict[str, Any],
        anchors: int | None = None,
        reads_files: bool = False,
    ) -> None:
        """Train `module` on what `read` gives.

        Args:
            module: With its initial weights.
            read: Maps the number of a batch to sequences.
            read_test: The same, of test data.
            optimiser: And its learning rate.
            updates: How long to train.
            seed: Of negatives and anchors.
            device: Where to compute.
            unit: What a step is, for the pictures.
            test_batches: How many are evaluated.
            negatives: See `contrast`.
            anchors: See `contrast`.
            reads_files: See `Objective`.
        """
        self.module, self.read, self.read_test = module.to(device), read, read_test
        self.optimiser, self.updates = optimiser, updates
        self.seed, self.device, self.unit, self.test_batches = seed, device, unit, test_batches
        self.negatives, self.anchors, self.reads_files = negatives, anchors, reads_files
        self.offsets = range(1, len(module.heads) + 1)
        self.live = live_offsets(self.offsets)

    def describe(self) -> str:
        """Method, size and steps ahead."""
        return f"{super().describe()}, {len(self.offsets)} {self.unit} ahead"

    def batch(self, number: int) -> Tensor:
        """Sequences of batch `number`."""
        return self.read(number)

    def loss(self, batch: Tensor, number: int) -> Losses:
        """InfoNCE."""
        found = self._contrast(batch, number, self.anchors)
        return found.loss, offset_metrics(found.per_offset, self.offsets)

    def diagnostics(self, context: Context[Any, Any]) -> Iterable[Stage]:
        """Contrastive accuracy of each step ahead, from all steps of test sequences."""
        yield offsets_stage(
            context,
            self.module,
            lambda number: self._contrast(self.read_test(number), number, None).per_offset,
            self.test_batches,
            self.offsets,
            self.unit,
            "accuracy_per_step.png",
        )

    def _contrast(self, batch: Tensor, number: int, anchors: int | None) -> CPC:
        encoding = self.module.model(batch.to(self.device))
        draws = generator(self.seed, number)
        return contrast(encoding, self.module.heads, draws, anchors, **self.negatives)
