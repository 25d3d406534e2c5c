"""Classification from few labels: a classifier on frozen features, then fine-tuned, against training on pixels.

Hénaff et al. 2020, Table 2: the encoder sees whole pictures (a 14 x 14 grid of 224), eleven residual blocks read its
maps; first they alone are trained, then the encoder too, at a smaller rate, until the validation pictures say stop.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from configs import Frozen, UsageError
from cpc_repr.bookmark import Bookmark
from cpc_repr.context import Tick
from cpc_repr.objective import generator
from cpc_repr.training import drawing
from cpc_repr.vision.data.batches import PictureBatch
from cpc_repr.vision.data.grid import Share, ViewConfig, normalised
from cpc_repr.vision.encoders.base import initialise, normalise
from cpc_repr.vision.encoders.resnet import Bottleneck

Way = Literal["pixels", "frozen", "tuned"]
WAYS: tuple[Way, ...] = ("pixels", "frozen", "tuned")


class FewLabelsConfig(Frozen):
    """Classification with few labels."""

    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(), description="Shares of the labels to learn from, e.g. 0.01 0.1 1; none leave this table out."
    )
    blocks: int = Field(default=11, ge=1, le=100, description="Residual blocks on the encoder's maps.")
    maps: int = Field(
        default=4096, ge=1, le=65_536, description="Channels that the residual blocks on the maps put out."
    )
    bottleneck: int = Field(
        default=1024, ge=1, le=65_536, description="Channels inside the residual blocks on the maps."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout before the last linear map, for pixels too.")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="Share of the training pictures kept apart to say when to stop."
    )
    batch_size: int = Field(default=32, ge=1, le=65_536, description="Pictures of an update.")
    updates: int = Field(default=20_000, ge=1, le=10**9, description="Updates of each phase, at most.")
    every: int = Field(default=500, ge=1, le=10**9, description="Updates between two validations.")
    patience: int = Field(
        default=10, ge=1, le=10**6, description="Validations without a new best one before training stops."
    )
    learning_rate: float = Field(
        default=0.05, gt=0, le=10, description="Learning rate of the classifier (SGD, momentum 0.9)."
    )
    encoder_learning_rate: float = Field(
        default=1e-5, gt=0, le=10, description="Learning rate of the encoder when it is fine-tuned (Adam)."
    )
    pixels_learning_rate: float = Field(
        default=1e-3, gt=0, le=10, description="Learning rate of training on pixels (Adam)."
    )
    resize: int | None = Field(
        default=None, ge=4, le=4096, description="Length of the shorter side of the whole pictures; none: --resize."
    )
    crop: int | None = Field(default=None, ge=4, le=4096, description="Side of the whole pictures; none: --crop.")
    area: tuple[Share, Share] | None = Field(
        default=None, description="Smallest and largest share that a crop of random size takes; none: as --area."
    )
    augment: bool = Field(
        default=False, description="Whether each training picture is augmented as one patch, by --augment.*."
    )
    trials: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Draws of learning rate (half, once, twice), weight decay (1e-5..1e-2), dropout (0..1) and batch "
        "(half, once), of which the validation pictures choose one for each way; 0: the settings as they are.",
    )
    weight_decay: float = Field(default=1e-4, ge=0, le=1, description="Weight decay of SGD and of training on pixels.")


def few_view(view: ViewConfig, config: FewLabelsConfig) -> ViewConfig:
    """The whole pictures: those of `view`, with what `config` says of their size."""
    own = {"resize": config.resize, "crop": config.crop, "area": config.area}
    return view.model_copy(update={name: value for name, value in own.items() if value is not None})


class TransferClassifier(nn.Module):
    """Residual blocks, mean, dropout, linear, on the maps of an encoder that sees the whole picture."""

    def __init__(self, encoder: nn.Module, size: int, classes: int, config: FewLabelsConfig) -> None:
        """For an `encoder` with `size` channels, which begins frozen."""
        super().__init__()
        self.encoder = encoder
        sizes = itertools.pairwise([size, *[config.maps] * config.blocks])
        blocks = [Bottleneck(i, config.bottleneck, o, 1, "layer") for i, o in sizes]
        self.blocks = nn.Sequential(*blocks)
        self.norm = normalise("layer", config.maps)
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(config.maps, classes)
        initialise(self.blocks, [block.expand for block in blocks])
        self.freeze(True)

    def freeze(self, frozen: bool) -> None:
        """Whether the encoder is left as it is."""
        self.frozen = frozen
        self.encoder.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> TransferClassifier:
        """As `nn.Module`, but a frozen encoder is always in evaluation: batch statistics stay too."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def head(self) -> list[nn.Parameter]:
        """All parameters but the encoder's."""
        return [p for name, p in self.named_parameters() if not name.startswith("encoder.")]

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of images uint8 [B, 3, S, S]."""
        x = self.blocks(self.encoder(normalised(images)))
        return self.classify(self.dropout(F.relu(self.norm(x)).mean((-2, -1))))


def apart(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Numbers of the pictures to learn from, and of those kept apart for validation."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    kept = max(1, round(share * count))
    if kept >= count:
        raise UsageError(f"{count} training pictures are too few to keep {share:.0%} apart for validation")
    return order[kept:], order[:kept]


def labelled(labels: Tensor, fraction: float) -> Tensor:
    """The first `fraction` of each class, at least one picture: places in `labels` [N], in order.

    A smaller fraction is a part of every larger one.
    """
    places = []
    for label in torch.unique(labels).tolist():
        mine = (labels == label).nonzero()[:, 0]
        places.append(mine[: max(1, round(fraction * len(mine)))])
    return torch.cat(places).sort().values


def fit(
    net: nn.Module,
    optimisers: Iterable[torch.optim.Optimizer],
    read: Callable[[int], PictureBatch],
    validate: Callable[[nn.Module], float],
    config: FewLabelsConfig,
    device: torch.device,
    tick: Tick,
    mark: Bookmark | None = None,
    seed: int = 0,
) -> float:
    """Train `net` and leave it as it was at its best look at the validation pictures, whose accuracy is returned.

    Where it stands at the beginning counts too, so that fine-tuning does not end below what it began with. A stopped
    fit goes on where `mark` is, and one that has ended is not done again; `seed` is of dropout.
    """
    optimisers = list(optimisers)
    saved = {} if mark is None else mark.read()
    if not saved:
        saved = {"updates": 0, "since": 0, "best": validate(net), "best_state": copy.deepcopy(net.state_dict())}
    elif "net" in saved:
        net.load_state_dict(saved["net"])
        for optimiser, state in zip(optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
    best, state, since = saved["best"], saved["best_state"], saved.get("since", 0)
    for update in range(saved.get("updates", config.updates), config.updates):
        if since >= config.patience:
            break
        net.train()
        batch = read(update)
        with drawing(generator(seed, update, 6), device):
            loss = F.cross_entropy(net(batch.images.to(device)), batch.labels.to(device))
        for optimiser in optimisers:
            optimiser.zero_grad()
        torch.autograd.backward(loss)
        for optimiser in optimisers:
            optimiser.step()
        if (update + 1) % config.every == 0 or update + 1 == config.updates:
            accuracy = validate(net)
            since = 0 if accuracy > best else since + 1
            if accuracy > best:
                best, state = accuracy, copy.deepcopy(net.state_dict())
        if mark is not None:
            now = {"updates": update + 1, "since": since, "best": best, "best_state": state, "net": net.state_dict()}
            mark.offer(lambda now=now: {**now, "optimisers": [o.state_dict() for o in optimisers]})  # type: ignore[misc]
        tick(update + 1, config.updates)
    if state is not None:
        net.load_state_dict(state)
    if mark is not None:
        mark.write({"best": best, "best_state": state})
    return float(best)


def optimisers(net: nn.Module, way: Way, config: FewLabelsConfig) -> list[torch.optim.Optimizer]:
    """Of pixels, of a frozen `TransferClassifier`, or of one to be tuned."""
    if not isinstance(net, TransferClassifier):
        return [torch.optim.AdamW(net.parameters(), lr=config.pixels_learning_rate, weight_decay=config.weight_decay)]
    net.freeze(way == "frozen")
    head = torch.optim.SGD(net.head(), lr=config.learning_rate, momentum=0.9, weight_decay=config.weight_decay)
    if way == "frozen":
        return [head]
    for group in head.param_groups:
        group["lr"] *= 0.1  # it is trained already
    return [head, torch.optim.Adam(net.encoder.parameters(), lr=config.encoder_learning_rate)]
