"""Probes of frozen features for classes, few labels, and the accuracy of networks trained on labels."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.context import Context, Tick
from cpc_repr.objective import generator
from cpc_repr.prefetch import Prefetcher
from cpc_repr.probes import Score, feature_table, fit_probe
from cpc_repr.training import seeded
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.batches import PictureBatch, PictureBatches
from cpc_repr.vision.data.grid import crops
from cpc_repr.vision.data.pictures import Pictures, Split
from cpc_repr.vision.pretext.base import PictureRepresentation
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.transfer import few_labels as few
from cpc_repr.vision.transfer.linear import fit_grid, fit_lbfgs, fit_sgd, independent, scores, top

PictureContext = Context[VisionConfig, Pictures]
Features = Callable[[Tensor], Tensor]  # images uint8 [B, 3, S, S] -> [B, D]
Draw = Callable[[int], tuple[Tensor, Tensor]]  # number of an update -> z [B, H, W, D], labels [B]
LARGEST = 9000  # features of a block
_CHUNK = 64  # pictures looked at together


def pixels(config: VisionConfig) -> Features:
    """The picture itself, at most 32 x 32."""
    channels = 1 if config.view.grey >= 1 else 3

    def compute(images: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(images[:, :channels].float(), min(32, config.view.crop))
        return small.flatten(1) / 255

    return compute


def pooled(representation: PictureRepresentation) -> Features:
    """Mean of z over all places."""
    representation.encoder.eval()

    @torch.no_grad()
    def compute(images: Tensor) -> Tensor:
        return representation.cells(images, None).mean((1, 2))

    return compute


def max_pooled(representation: PictureRepresentation) -> Features:
    """Maxima of z over squares of places, at most `LARGEST` numbers (Kolesnikov et al. 2019, blocks of a network)."""
    representation.encoder.eval()

    @torch.no_grad()
    def compute(images: Tensor) -> Tensor:
        z = representation.cells(images, None).permute(0, 3, 1, 2)  # [B, D, H, W]
        side = min(*z.shape[2:], max(1, math.isqrt(LARGEST // z.shape[1])))
        return F.adaptive_max_pool2d(z, side).flatten(1)

    return compute


def collect(context: PictureContext, split: Split, features: Features, name: str) -> Tensor:
    """Features of every picture of `split`, float32 [N, D]: centre crops, in a file where they are very large."""
    x: Tensor | None = None
    with context.live(f"features, {name}") as tick:
        for start in range(0, len(split), _CHUNK):
            some = split.pictures(range(start, min(start + _CHUNK, len(split))))
            rows = features(crops(some, context.config.view).to(context.device)).cpu()
            if x is None:
                x = feature_table(len(split), rows.shape[1], context.scratch / f"{name}.bin")
            x[start : start + len(rows)] = rows
            tick(start + len(rows), len(split))
    assert x is not None
    return x


def probe(context: PictureContext, name: str, features: Features, protocols: bool = True) -> dict[str, Score]:
    """Accuracies, top-1 and top-5, of linear classifiers by SGD, and of the other protocols too if `protocols`."""
    config, pictures, device, classes = context.config, context.data, context.device, len(context.data.classes)
    train, test = (collect(context, s, features, n) for s, n in ((pictures.train, "train"), (pictures.test, "test")))
    train_y, test_y = pictures.train.labels, pictures.test.labels
    x, y, seed = train.to(device), train_y.to(device), config.run.seed
    with context.live(f"probing {name}: SGD") as tick:
        fitted: nn.Module = fit_sgd(x, y, classes, config.protocol, generator(seed, 0, 4), tick)
    accuracies = scores(fitted, test.to(device), test_y, "linear")
    if protocols:
        with context.live(f"probing {name}: L-BFGS") as tick:
            fitted = fit_lbfgs(x, y, classes, config.protocol, tick)
        accuracies |= scores(fitted, test.to(device), test_y, "lbfgs")
        with context.live(f"probing {name}: MLP") as tick:
            hidden = config.probe.hidden
            fitted = fit_probe(
                train, train_y, classes, config.probe, hidden=hidden, seed=seed, device=device, tick=tick
            )
        accuracies |= scores(fitted, test.to(device), test_y, "mlp")
    context.say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in accuracies.items()))
    return accuracies


def probe_grid(context: PictureContext, name: str, representation: PictureRepresentation) -> dict[str, Score]:
    """The protocol of CPC v2: a classifier of every cell, fitted on patches that are jittered but not augmented."""
    config, device, train = context.config, context.device, context.data.train
    representation.encoder.eval()
    read = _reader(context, PictureBatches(train, config.view, config.protocol.grid_batch, config.run.seed))

    def batch(number: int) -> tuple[Tensor, Tensor]:
        images, labels = read(number)
        with torch.no_grad():
            z = representation.cells(images.to(device), generator(config.run.seed, number, 4))
        return z, labels.to(device)

    draw: Draw = batch
    if config.protocol.grid_views:
        count = math.ceil(config.protocol.grid_views * len(train) / config.protocol.grid_batch)
        with context.live(f"features of every cell, {name}") as tick:
            draw = remembered(batch, count, config.run.seed, tick)
    with context.live(f"probing {name}: grid") as tick:
        fitted = fit_grid(representation.size, len(context.data.classes), config.protocol, draw, tick)

    @torch.no_grad()
    def logits(images: Tensor) -> Tensor:
        return fitted(representation.cells(images, None))

    test = collect(context, context.data.test, logits, "test")
    accuracies = scores(nn.Identity(), test, context.data.test.labels, "grid")
    context.say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in accuracies.items()))
    return accuracies


def remembered(batch: Draw, count: int, seed: int, tick: Tick) -> Draw:
    """PictureBatches that are drawn from the rows of the first `count` of `batch`, which are made once."""
    made = []
    for number in range(count):
        made.append(batch(number))
        tick(number + 1, count)
    z, y = torch.cat([z for z, _ in made]), torch.cat([y for _, y in made])
    size = len(made[0][1])

    def again(number: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(y), (size,), generator=generator(seed, number, 5)).to(y.device)
        return z[rows], y[rows]

    return again


def chance(context: PictureContext) -> dict[str, Score]:
    """Accuracy of always naming the most frequent classes."""
    counts = torch.bincount(context.data.train.labels, minlength=len(context.data.classes))
    y = context.data.test.labels
    logits = counts.float().expand(len(y), -1)
    return {"linear": independent(top(logits, y, 1)), "linear_top5": independent(top(logits, y, 5))}


def classify(context: PictureContext, network: nn.Module, name: str) -> dict[str, Score]:
    """Accuracy of a network that gives logits, on the pictures the probes are scored on."""
    network.eval()
    test = collect(context, context.data.test, torch.no_grad()(network.__call__), "test")
    return scores(nn.Identity(), test, context.data.test.labels, name)


def few_labels(context: PictureContext, representation: PictureRepresentation, fraction: float) -> dict[str, Score]:
    """Accuracy, top-1 and top-5, of each of `few_labels.WAYS` with a share of the labels."""
    config, seed, f = context.config, context.config.run.seed, context.config.efficient
    train, labels = context.data.train, context.data.train.labels
    rest, kept = few.apart(len(labels), f.validation, seed)
    batches = PictureBatches(train, config.view, f.batch_size, seed, rest[few.labelled(labels[rest], fraction)])
    looked_at = crops(train.pictures(kept.tolist()), config.view)

    @torch.no_grad()
    def validate(net: nn.Module) -> float:
        net.eval()
        logits = [net(images.to(context.device)).cpu() for images in torch.split(looked_at, _CHUNK)]
        # Accuracy first; the loss, squeezed to less than one picture, decides between equals.
        score = top(torch.cat(logits), labels[kept], 1).float().mean()
        loss = F.cross_entropy(torch.cat(logits), labels[kept])
        return float(score + loss.neg().exp() / (2 * len(kept)))

    classes = len(context.data.classes)

    def on_top() -> nn.Module:
        return few.TransferClassifier(copy.deepcopy(representation.encoder), representation.size, classes, f)

    pixels = seeded(seed, lambda: PictureClassifier(config.model, classes, f.dropout)).to(context.device)
    transfer = seeded(seed, on_top).to(context.device)
    accuracies: dict[str, Score] = {}
    for way in few.WAYS:
        net = pixels if way == "pixels" else transfer
        with context.live(f"{fraction:.0%} of labels, {way}") as tick:
            few.fit(net, few.optimisers(net, way, f), _reader(context, batches), validate, f, context.device, tick)
        accuracies |= classify(context, net, way)
    context.say(f"{len(batches.chosen)} labels: " + ", ".join(f"{key} {value}" for key, value in accuracies.items()))
    return accuracies


def _reader(context: PictureContext, batches: PictureBatches) -> Callable[[int], PictureBatch]:
    """`batches`, read ahead in threads if they come from a disk."""
    return Prefetcher(batches) if context.data.reads_files else batches
