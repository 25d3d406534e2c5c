"""Few labels: each way of learning from a share of them, with the settings that validation pictures choose."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cpc_repr.bookmark import Bookmark
from cpc_repr.objective import generator
from cpc_repr.probes import Score
from cpc_repr.training import seeded
from cpc_repr.vision.data.batches import PictureBatch, PictureBatches, augmented
from cpc_repr.vision.data.grid import crops
from cpc_repr.vision.evaluate import PictureContext, bookmark, classify, reader
from cpc_repr.vision.pretext.base import PictureRepresentation
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.tables import few
from cpc_repr.vision.transfer.few_labels import (
    WAYS,
    FewLabelsConfig,
    TransferClassifier,
    Way,
    apart,
    few_view,
    fit,
    labelled,
    optimisers,
)
from cpc_repr.vision.transfer.linear import top
from cpc_repr.vision.transfer.search import SEARCHED, tried
from cpc_rl.runs.files import write_atomic

_CHUNK = 64  # pictures looked at together
Validate = Callable[[nn.Module], float]


class Attempt(NamedTuple):
    """A network that was fitted, at its best on the validation pictures."""

    value: float  # there
    network: nn.Module
    settings: FewLabelsConfig
    mark: Bookmark

    def give_up(self) -> None:
        """Keep how good it was, for a run that is gone on with, and not what it was."""
        self.mark.write({"best": self.value, "best_state": None})


def few_labels(context: PictureContext, representation: PictureRepresentation, fraction: float) -> dict[str, Score]:
    """Accuracy, top-1 and top-5, of each of `WAYS` with a share of the labels."""
    config, f, labels = context.config, context.config.efficient, context.data.train.labels
    rest, kept = apart(len(labels), f.validation, config.run.seed)
    chosen, validate = rest[labelled(labels[rest], fraction)], _validation(context, kept)
    accuracies: dict[str, Score] = {}
    record: list[dict[str, object]] = []
    frozen: nn.Module | None = None
    for way in WAYS:
        attempts: list[Attempt] = []
        for number, settings in enumerate(tried(f, config.run.seed)):
            what = f"{fraction:.0%} of labels, {way}" + (f", draw {number + 1} of {f.trials}" if f.trials else "")
            network = _network(context, representation, way, settings, frozen)
            mark = bookmark(context, f"{few(fraction)}-{way}-{number}")
            read = _augmenting(context, chosen, settings)
            attempt = Attempt(
                _fit(context, way, network, settings, read, validate, mark, what), network, settings, mark
            )
            attempts = sorted([*attempts, attempt], key=lambda each: -each.value)  # the first of equals stays first
            for worse in attempts[1:]:
                worse.give_up()
            del attempts[1:]
            record.append({"way": way, "validation": attempt.value, **settings.model_dump(include={*SEARCHED[way]})})
        (best,) = attempts
        frozen = best.network if way == "frozen" else None
        accuracies |= classify(context, best.network, way, few_view(config.view, f))
        if f.trials:
            context.say(
                f"{fraction:.0%} of labels, {way}: the best of {f.trials} draws has {_words(way, best.settings)}"
            )
    if f.trials:
        text = json.dumps(record, indent=1)
        write_atomic(context.run.report / f"{few(fraction)}_draws.json", lambda file: file.write(text.encode()))
    context.say(f"{len(chosen)} labels: " + ", ".join(f"{key} {value}" for key, value in accuracies.items()))
    return accuracies


def _network(
    context: PictureContext,
    representation: PictureRepresentation,
    way: Way,
    settings: FewLabelsConfig,
    frozen: nn.Module | None,
) -> nn.Module:
    """Where a way begins: with random weights, with those of the encoder, or where the `frozen` one ended."""
    classes, seed = len(context.data.classes), context.config.run.seed
    if frozen is not None:
        network = copy.deepcopy(frozen)
        assert isinstance(network, TransferClassifier)
        network.dropout.p = settings.dropout
        return network

    def build() -> nn.Module:
        if way == "pixels":
            return PictureClassifier(context.config.model, classes, settings.dropout)
        return TransferClassifier(copy.deepcopy(representation.encoder), representation.size, classes, settings)

    return seeded(seed, build).to(context.device)


def _fit(
    context: PictureContext,
    way: Way,
    network: nn.Module,
    settings: FewLabelsConfig,
    read: Callable[[int], PictureBatch],
    validate: Validate,
    mark: Bookmark,
    what: str,
) -> float:
    with context.live(what) as tick:
        steps = optimisers(network, way, settings)
        return fit(network, steps, read, validate, settings, context.device, tick, mark, context.config.run.seed)


def _augmenting(context: PictureContext, chosen: Tensor, settings: FewLabelsConfig) -> Callable[[int], PictureBatch]:
    """Random crops of the `chosen` pictures, each augmented as one patch where `settings` say so."""
    config = context.config
    view = few_view(config.view, settings)
    read = reader(context, PictureBatches(context.data.train, view, settings.batch_size, config.run.seed, chosen))
    if not settings.augment:
        return read

    def changed(number: int) -> PictureBatch:
        images, labels = read(number)
        draws = generator(config.run.seed, number, 2)
        return PictureBatch(augmented(images.to(context.device), config.augment, draws), labels)

    return changed


def _validation(context: PictureContext, kept: Tensor) -> Validate:
    """Accuracy on the pictures `kept` apart; the loss, squeezed to less than one picture, decides between equals."""
    config, labels = context.config, context.data.train.labels[kept]
    pictures = context.data.train.pictures(kept.tolist())
    looked_at = crops(pictures, few_view(config.view, config.efficient))

    @torch.no_grad()
    def validate(network: nn.Module) -> float:
        network.eval()
        logits = torch.cat([network(some.to(context.device)).cpu() for some in torch.split(looked_at, _CHUNK)])
        score = top(logits, labels, 1).float().mean()
        return float(score + F.cross_entropy(logits, labels).neg().exp() / (2 * len(kept)))

    return validate


def _words(way: Way, settings: FewLabelsConfig) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {getattr(settings, name):.3g}" for name in SEARCHED[way])
