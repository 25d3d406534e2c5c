"""What tasks share whose answers the pictures give themselves: a head on the mean of the encoder's maps, and chance.

Kolesnikov et al. 2019, "Revisiting self-supervised visual representation learning", compare four of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.objective import Losses, Stage
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext.base import PictureObjective

GRID = frozenset({"view.patch", "view.stride", "view.jitter"})  # settings of tasks that cut pictures into patches


class Chance(NamedTuple):
    """What a network that has learnt nothing comes to."""

    loss: float
    accuracy: float


class HeadedEncoder(nn.Module):
    """The encoder, and a linear map of its maps' mean."""

    def __init__(self, config: EncoderConfig, outputs: int) -> None:
        super().__init__()
        self.model = PatchEncoder(config)
        self.head = nn.Linear(self.model.size, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures or patches float [N, 3, h, w] -> [N, outputs]."""
        maps = self.model.encoder(pictures.contiguous(memory_format=torch.channels_last))  # [N, D, h', w']
        outputs: Tensor = self.head(maps.mean((-2, -1)))
        return outputs


class PretextTask(PictureObjective[Tensor]):
    """A task on pictures without labels; each method's loss has an `accuracy` beside it."""

    live: Mapping[str, str] = {"loss": "loss/total", "accuracy": "accuracy"}
    unread: ClassVar = frozenset({"evaluation.units"})

    @property
    @abstractmethod
    def chance(self) -> Chance:
        """What the task's loss and accuracy are for a network that has learnt nothing."""

    def batch(self, number: int) -> Tensor:
        """Pictures, uint8 [B, 3, S, S]."""
        return self.pictures(number).images

    def diagnostics(self) -> Iterator[Stage]:
        """How well the task is done on test pictures."""
        yield Stage("task", self._judge, show=lambda measured: self.context.say(_describe(self.title, measured)))

    @torch.no_grad()
    def _judge(self) -> dict[str, float]:
        """Mean loss and accuracy of views of test pictures, and chance."""
        self.module.eval()
        batches, measured = self.context.config.evaluation.batches, []
        with self.context.live(self.title) as tick:
            for number in range(batches):
                loss, metrics = self.loss(self.test_pictures(number).images, number)
                measured.append(torch.stack([loss, metrics["accuracy"]]))
                tick(number + 1, batches)
        loss, accuracy = torch.stack(measured).double().mean(0).tolist()
        chance = self.chance
        return {"loss": loss, "chance_loss": chance.loss, "accuracy": accuracy, "chance_accuracy": chance.accuracy}


def classification(logits: Tensor, answers: Tensor) -> Losses:
    """Mean cross-entropy and accuracy of logits [..., K] for answers int64 [...]."""
    loss = F.cross_entropy(logits.flatten(0, -2), answers.flatten())
    return loss, {"accuracy": (logits.argmax(-1) == answers).float().mean()}


def _describe(title: str, measured: Mapping[str, float]) -> str:
    return (
        f"{title} on test pictures: loss {measured['loss']:.3f} (chance {measured['chance_loss']:.3f}), "
        f"accuracy {measured['accuracy']:.3f} (chance {measured['chance_accuracy']:.3f})"
    )
