"""Greedy InfoMax (Löwe et al. 2019): three modules, each trained by its own InfoNCE and by nothing else.

The modules are the encoder's blocks; each sees what is below it detached, and predicts the mean of its own maps in the
rows below from the one of the patch itself, without a context network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from configs import UsageError, as_usage_error
from cpc_repr.context import Context
from cpc_repr.objective import Losses, Stage
from cpc_repr.offsets import greedy_losses, offsets_stage
from cpc_repr.vision.data.batches import patches
from cpc_repr.vision.data.pictures import Pictures
from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext.base import PictureObjective, PictureRepresentation
from cpc_repr.vision.pretext.cpc import Direction, VisionCPCConfig, check_rows
from cpc_rl.infonce import CPC, PerOffset

NAMES = ("module1", "module2", "module3")


class VisionGreedyNetwork(nn.Module):
    """The encoder with heads for each of its blocks."""

    def __init__(self, encoder: EncoderConfig, config: VisionCPCConfig) -> None:
        super().__init__()
        self.model = PatchEncoder(encoder)
        self.tasks = nn.ModuleList(Direction(size, config, nn.Identity()) for size in self.model.encoder.sizes)

    def forward(self, patches: Tensor, generator: torch.Generator | None = None) -> list[CPC]:
        """The losses of patches float [B, H, W, 3, p, p]; their sum trains every module as if it were alone."""
        z = self.model.blocks(patches, isolate=True)
        return [task(latents, generator) for task, latents in zip(self.tasks, z, strict=True)]


class VisionGreedyInfoMax(PictureObjective[Tensor]):
    """The sum of three losses, one a module; each module's output is probed. Its settings are those of `cpc`."""

    title = "Greedy InfoMax"
    rows: ClassVar = {name: f"Greedy InfoMax, module {i + 1}" for i, name in enumerate(NAMES)}
    ablations: ClassVar = ("augmentation", "norm")
    borrowed: ClassVar = frozenset({"cpc"})
    unread: ClassVar = frozenset({"cpc.context_width", "cpc.context_blocks", "evaluation.units"})
    live: Mapping[str, str] = {"loss": "loss/total", "first": f"loss/{NAMES[0]}", "last": f"loss/{NAMES[-1]}"}

    @classmethod
    def check(cls, config: Any) -> None:
        """As CPC's rows, in one direction and with three modules."""
        check_rows(config)
        if config.cpc.directions != 1:
            raise UsageError(f"--directions {config.cpc.directions}: --method gim predicts downwards only, so 1")
        with as_usage_error(), torch.device("meta"):
            blocks = len(make_encoder(config.model).sizes)
        if blocks != len(NAMES):
            raise UsageError(
                f"--method gim: {len(NAMES)} modules, and --encoder {config.model.encoder} has {blocks} blocks; "
                "resnet has one for each number of --blocks"
            )

    def __init__(self, context: Context[Any, Pictures]) -> None:
        """See `Objective`."""
        self.config: VisionCPCConfig = context.config.cpc
        super().__init__(context, lambda: VisionGreedyNetwork(context.config.model, self.config))

    def describe(self) -> str:
        """Sizes and grid."""
        cells = self.context.config.view.cells
        return f"{super().describe()}, grid of {cells} x {cells}, {self.config.negatives.count} negatives"

    def batch(self, number: int) -> Tensor:
        """Pictures, uint8 [B, 3, S, S]."""
        return self.pictures(number).images

    def loss(self, batch: Tensor, number: int) -> Losses:
        """The sum of the modules' losses."""
        return greedy_losses(dict(zip(NAMES, self._contrast(batch, number), strict=True)), self.config.offsets)

    def representations(self) -> Mapping[str, PictureRepresentation]:
        """Each module's output."""
        return dict(zip(NAMES, self.blocks(), strict=True))

    def diagnostics(self) -> Iterator[Stage]:
        """Contrastive accuracy of each offset, for each module."""
        for i, name in enumerate(NAMES):
            yield offsets_stage(
                self,
                partial(self._judge, i),
                self.config.offsets,
                "rows of the grid",
                f"accuracy_per_offset_{name}.png",
                f"per_offset_{name}",
            )

    def _judge(self, module: int, number: int) -> PerOffset:
        return self._contrast(self.test_pictures(number).images, number)[module].per_offset

    def _contrast(self, images: Tensor, number: int) -> list[CPC]:
        config = self.context.config
        x = patches(images.to(self.context.device), config.view, config.augment, self.draws(number, 2))
        results: list[CPC] = self.module(x, self.draws(number, 3))
        return results
