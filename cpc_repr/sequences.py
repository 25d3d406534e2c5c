"""CPC on sequences: an encoder, a GRU on top, and a matrix W_k for each step ahead.

Van den Oord et al. 2018, section 2. Speech and books differ in what is read and in the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from configs import Frozen, UsageError
from cpc_repr import cpc_loss
from cpc_repr.context import Context
from cpc_repr.objective import Losses, Objective, Stage
from cpc_repr.offsets import live_offsets, offset_metrics, offsets_stage
from cpc_rl.infonce import CPC, linear_heads
from cpc_rl.negatives import Count, Negatives

R = TypeVar("R")


class SequenceCPCConfig(Frozen):
    """The contrastive task."""

    steps: int = Field(
        default=12, ge=1, le=100, description="Steps ahead that are predicted (K), of 10 ms or of a sentence."
    )
    negatives: Negatives = Negatives()
    anchors: Count = Field(
        default="all",
        description="Steps of each window that predict, drawn at each update: the same gradient on average, for less; "
        "or `all`.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Divisor of the scores; the paper has none. With --norm batch, the square root of the size of z "
        "lets the loss begin at log N however wide z is.",
    )


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
    config: SequenceCPCConfig,
    draws: torch.Generator,
    anchor_steps: Tensor | None = None,
) -> CPC:
    """InfoNCE of predicting z from c: `cpc_rl.infonce.cpc_loss`, with the negatives `config` asks for.

    Args:
        encoding: z [B, T, D], c [B, T, H].
        heads: K of them, for 1 to K steps ahead.
        config: See there.
        draws: Of negatives and anchors, where there is something to draw. On the CPU.
        anchor_steps: long [S], predict from these steps; None: as `config` says.
    """
    time = encoding.z.shape[1]
    if anchor_steps is None and config.anchors != "all" and config.anchors < time:
        anchor_steps = torch.randperm(time, generator=draws)[: config.anchors]
    return cpc_loss(
        encoding.c,
        encoding.z,
        heads,
        range(1, len(heads) + 1),
        generator=draws,
        anchor_steps=anchor_steps,
        scale=1 / config.temperature,
        **config.negatives.options,
    )


class SequenceObjective(Objective[Tensor, R], Generic[R]):
    """CPC: c_t predicts z of the steps ahead."""

    title = "CPC"
    rows = {"cpc": "CPC"}  # noqa: RUF012
    unit: str  # what a step is

    def __init__(
        self,
        context: Context[Any, Any],
        build: Callable[[], SequenceModel],
        read: Callable[[int], Tensor],
        read_test: Callable[[int], Tensor],
    ) -> None:
        """Train the network of `build` on what `read` gives; `read_test` gives batches of test data."""
        self.config: SequenceCPCConfig = context.config.cpc
        super().__init__(context, lambda: SequenceCPC(build(), self.config.steps))
        self.read, self.read_test = read, read_test
        self.offsets = range(1, self.config.steps + 1)
        self.live = live_offsets(self.offsets)

    @property
    def network(self) -> SequenceCPC:
        """The module."""
        return cast(SequenceCPC, self.module)

    def describe(self) -> str:
        """Method, size and steps ahead."""
        return f"{super().describe()}, {len(self.offsets)} {self.unit} ahead"

    def batch(self, number: int) -> Tensor:
        """Sequences of batch `number`."""
        return self.read(number)

    def loss(self, batch: Tensor, number: int) -> Losses:
        """InfoNCE."""
        result = self._contrast(batch, number, self.config)
        return result.loss, offset_metrics(result.per_offset, self.offsets)

    def diagnostics(self) -> Iterable[Stage]:
        """Contrastive accuracy of each step ahead, from all steps of test sequences."""
        every = self.config.model_copy(update={"anchors": "all"})
        yield offsets_stage(
            self,
            lambda number: self._contrast(self.read_test(number), number, every).per_offset,
            self.offsets,
            self.unit,
            "accuracy_per_step.png",
        )

    def _contrast(self, batch: Tensor, number: int, config: SequenceCPCConfig) -> CPC:
        encoding = self.network.model(batch.to(self.context.device))
        return contrast(encoding, self.network.heads, config, self.draws(number))


def check_task(config: SequenceCPCConfig, batch_size: int, time: int) -> None:
    """Raise UsageError if windows of `time` steps, `batch_size` of them, leave nothing to predict or to tell apart."""
    if config.steps >= time:
        raise UsageError(f"--steps {config.steps}: windows of {time} steps allow at most {time - 1}")
    check_negatives(config.negatives, batch_size)


def check_negatives(negatives: Negatives, batch_size: int) -> None:
    """Raise UsageError if a batch of so many sequences leaves no negative: the loss would be 0 whatever is learnt."""
    if batch_size == 1 and (option := negatives.needs_two_sequences):
        raise UsageError(
            f"--batch-size 1 with --negatives.{option} leaves no negative: --batch-size 2 or more, or --negatives.pool "
            "batch or sequence without exclusion"
        )
