"""Probes of frozen features for classes, and the accuracy of networks trained on labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.bookmark import Bookmark
from cpc_repr.context import Context, Tick
from cpc_repr.objective import generator
from cpc_repr.prefetch import Prefetcher
from cpc_repr.probes import Score, feature_table, fit_probe
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.batches import PictureBatch, PictureBatches
from cpc_repr.vision.data.grid import ViewConfig, crops
from cpc_repr.vision.data.pictures import Pictures, Split
from cpc_repr.vision.pretext.base import PictureRepresentation
from cpc_repr.vision.tables import after
from cpc_repr.vision.transfer.epochs import Curve, Kind, fit_epochs
from cpc_repr.vision.transfer.linear import fit_grid, fit_lbfgs, fit_sgd, independent, scores, top

PictureContext = Context[VisionConfig, Pictures]
Features = Callable[[Tensor], Tensor]  # images uint8 [B, 3, S, S] -> [B, D]
Draw = Callable[[int], tuple[Tensor, Tensor]]  # number of an update -> z [B, H, W, D], labels [B]
KINDS: dict[Kind, str] = {
    "linear": "SGD",
    "lbfgs": "L-BFGS",
    "mlp": "MLP",
    "linear_epochs": "SGD by passes",
    "mlp_epochs": "MLP by passes",
}
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


def collect(
    context: PictureContext, split: Split, features: Features, name: str, view: ViewConfig | None = None
) -> Tensor:
    """Features of every picture of `split`, float32 [N, D]: centre crops, in a file where they are very large.

    The crops are those of `view`; None: of the settings.
    """
    x: Tensor | None = None
    with context.live(f"features, {name}") as tick:
        for start in range(0, len(split), _CHUNK):
            some = split.pictures(range(start, min(start + _CHUNK, len(split))))
            rows = features(crops(some, view or context.config.view).to(context.device)).cpu()
            if x is None:
                x = feature_table(len(split), rows.shape[1], context.scratch / f"{name}.bin")
            x[start : start + len(rows)] = rows
            tick(start + len(rows), len(split))
    assert x is not None
    return x


def probe(
    context: PictureContext, name: str, features: Features, kinds: Sequence[Kind] = ("linear", "lbfgs", "mlp")
) -> dict[str, Score]:
    """Accuracies, top-1 and top-5, of classifiers of several kinds, called as `kinds`.

    Of kinds fitted in passes there is the accuracy after some of them too, called as `tables.after` does.
    """
    pictures, device = context.data, context.device
    train, test = (collect(context, s, features, n) for s, n in ((pictures.train, "train"), (pictures.test, "test")))
    accuracies: dict[str, Score] = {}
    for kind in kinds:
        with context.live(f"probing {name}: {KINDS[kind]}") as tick:
            fitted, curve = _fitted(context, name, kind, train, test, tick)
        accuracies |= scores(fitted, test.to(device), pictures.test.labels, kind)
        accuracies |= {after(kind, epochs): score for epochs, score in curve.items()}
    shown = {key: value for key, value in accuracies.items() if key.removesuffix("_top5") in kinds}
    context.say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in shown.items()))
    return accuracies


def _fitted(
    context: PictureContext, name: str, kind: Kind, train: Tensor, test: Tensor, tick: Tick
) -> tuple[nn.Module, Curve]:
    """A classifier on features of the training pictures, and its accuracy after some passes."""
    config, device, seed, classes = context.config, context.device, context.config.run.seed, len(context.data.classes)
    train_y, test_y = context.data.train.labels, context.data.test.labels
    match kind:
        case "linear":
            draws = generator(seed, 0, 4)
            return fit_sgd(train.to(device), train_y.to(device), classes, config.protocol, draws, tick), {}
        case "lbfgs":
            return fit_lbfgs(train.to(device), train_y.to(device), classes, config.protocol, tick), {}
        case "mlp":
            hidden = config.probe.hidden
            found = fit_probe(train, train_y, classes, config.probe, hidden=hidden, seed=seed, device=device, tick=tick)
            return found, {}

    def look(fitted: nn.Module) -> Score:
        return scores(fitted, test.to(device), test_y, kind, ks=(1,))[kind]

    mark = bookmark(context, f"{name}-{kind}")
    return fit_epochs(kind, train, train_y, classes, config.protocol, seed, device, look, mark, tick)


def probe_grid(context: PictureContext, name: str, representation: PictureRepresentation) -> dict[str, Score]:
    """The protocol of CPC v2: a classifier of every cell; its patches are jittered, and augmented if asked for."""
    config, device, train = context.config, context.device, context.data.train
    representation.encoder.eval()
    augment = (config.augment,) if config.protocol.grid_augment else ()  # a look of one's own may know of none
    read = reader(context, PictureBatches(train, config.view, config.protocol.grid_batch, config.run.seed))

    def batch(number: int) -> tuple[Tensor, Tensor]:
        images, labels = read(number)
        with torch.no_grad():
            z = representation.cells(images.to(device), generator(config.run.seed, number, 4), *augment)
        return z, labels.to(device)

    draw: Draw = batch
    if config.protocol.grid_views:
        count = math.ceil(config.protocol.grid_views * len(train) / config.protocol.grid_batch)
        with context.live(f"features of every cell, {name}") as tick:
            draw = remembered(batch, count, config.run.seed, tick)
    with context.live(f"probing {name}: grid") as tick:
        mark, classes = bookmark(context, f"{name} grid"), len(context.data.classes)
        fitted = fit_grid(representation.size, classes, config.protocol, draw, tick, device, mark)

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


def classify(
    context: PictureContext, network: nn.Module, name: str, view: ViewConfig | None = None
) -> dict[str, Score]:
    """Accuracy of a network that gives logits, on the pictures the probes are scored on, cropped as `collect` does."""
    network.eval()
    test = collect(context, context.data.test, torch.no_grad()(network.__call__), "test", view)
    return scores(nn.Identity(), test, context.data.test.labels, name)


def bookmark(context: PictureContext, name: str) -> Bookmark:
    """Where the fit called `name` stands."""
    config = context.config
    path = context.scratch / f"{''.join(c if c.isalnum() else '-' for c in name)}.pt"
    return Bookmark(path, config.result_settings(), config.run.checkpoint_minutes, context.stop)


def reader(context: PictureContext, batches: PictureBatches) -> Callable[[int], PictureBatch]:
    """`batches`, read ahead in threads if they come from a disk."""
    return Prefetcher(batches) if context.data.reads_files else batches
