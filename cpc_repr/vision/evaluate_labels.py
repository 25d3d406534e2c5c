"""Few labels: each way of learning from a share of the labels."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from cpc_repr.probes import Score
from cpc_repr.training import seeded
from cpc_repr.vision.data.batches import PictureBatches
from cpc_repr.vision.data.grid import crops
from cpc_repr.vision.evaluate import PictureContext, classify, reader
from cpc_repr.vision.pretext.base import PictureRepresentation
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.transfer import few_labels as few
from cpc_repr.vision.transfer.linear import top

_CHUNK = 64  # pictures looked at together


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
            few.fit(net, few.optimisers(net, way, f), reader(context, batches), validate, f, context.device, tick)
        accuracies |= classify(context, net, way)
    context.say(f"{len(batches.chosen)} labels: " + ", ".join(f"{key} {value}" for key, value in accuracies.items()))
    return accuracies
