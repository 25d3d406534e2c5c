"""Pictures: their data, their methods, what they are held against, and their tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import nn

from configs import as_usage_error
from cpc_repr.cache import cache_folder
from cpc_repr.context import Session
from cpc_repr.experiment import Experiment, Rows
from cpc_repr.objective import Objective, Stage, Supervised
from cpc_repr.probes import Score
from cpc_repr.report import Row, Table, over_seeds
from cpc_repr.vision import evaluate, evaluate_labels
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.augment import transforms
from cpc_repr.vision.data.batches import PictureBatches
from cpc_repr.vision.data.pictures import Pictures, open_pictures
from cpc_repr.vision.data.synthetic import make_pictures
from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.evaluate import Features, PictureContext, chance, classify, pixels, probe, probe_grid
from cpc_repr.vision.figures import figure_curves, figure_labels
from cpc_repr.vision.flags import check_flags
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.pretext.base import PictureObjective, PictureRepresentation
from cpc_repr.vision.supervised import supervised_objective
from cpc_repr.vision.tables import (
    RANDOM,
    TRAINED,
    block,
    curves,
    few,
    few_labels,
    of_block,
    pooled_title,
    table_ablation,
    table_blocks,
    table_curves,
    table_few_labels,
    table_linear,
    table_protocols,
    trained_blocks,
)
from cpc_repr.vision.transfer.epochs import Kind
from cpc_repr.vision.transfer.few_labels import apart


class VisionExperiment(Experiment[VisionConfig, Pictures]):
    """Methods that learn from pictures, probed for their classes."""

    family = "vision"
    methods: ClassVar = METHODS

    def open(self, config: VisionConfig, session: Session) -> Pictures:
        """The pictures of --data, or drawn ones."""
        with as_usage_error():
            if config.data.data is not None:
                with session.live("looking at pictures") as tick:
                    return open_pictures(config.data.format, config.data.data, tick)
            folder = config.data.cache or cache_folder("pictures")
            with session.live("drawing pictures", lost=", which are drawn anew next time") as tick:
                return make_pictures(folder, config.pictures, tick)

    def check_flags(self, config: VisionConfig, given: Mapping[str, str]) -> None:
        """Flags of other methods, networks and data are refused."""
        check_flags(config, given)

    def check(self, config: VisionConfig, data: Pictures) -> None:
        """There must be enough pictures, and torchvision for some networks and kinds of augmentation."""
        PictureBatches(data.unlabeled or data.train, config.view, config.train.batch_size, config.run.seed)
        if config.efficient.fractions:
            apart(len(data.train), config.efficient.validation, config.run.seed)
        with as_usage_error(), torch.device("meta"):
            make_encoder(config.model)
        if config.augment.needs_torchvision:
            with as_usage_error():
                transforms()

    def supervised(self, context: PictureContext) -> dict[str, Supervised]:
        """The encoder on labels, whose learning rate falls to 0."""
        wanted = context.config.has_baselines and context.config.train.supervised_updates
        return {"supervised": supervised_objective(context)} if wanted else {}

    def stages(
        self,
        context: PictureContext,
        objective: Objective[Any, PictureRepresentation],
        supervised: Mapping[str, nn.Module],
    ) -> Iterator[Stage]:
        """Probes of every representation, then of what they are held against; few labels."""
        config = context.config
        representations = objective.representations()
        for row, representation in representations.items():
            yield from _probed(context, row, objective.rows[row], representation)
        if config.evaluation.blocks:
            yield from _blocks(context, TRAINED, objective)
            if config.has_baselines:
                yield from _blocks(context, RANDOM, self.objective(context))
        if config.has_baselines:
            yield Stage("chance", partial(chance, context), "chance")
            yield from _pooled(context, "pixels", "pixels", pixels(config))
            *_, untrained = self.objective(context).representations().values()
            yield from _probed(context, "random", "random encoder", untrained)
        for row, network in supervised.items():
            yield Stage(row, partial(classify, context, network, "linear"), row)
        *_, best = representations.values()
        for fraction in config.efficient.fractions:
            yield Stage(few(fraction), partial(evaluate_labels.few_labels, context, best, fraction), few(fraction))

    def report(self, config: VisionConfig, data: Pictures, rows: Rows, folder: Path) -> list[Table]:
        """Linear classification, ways of probing and few labels; or the rows of an ablation."""
        what = f"{data.name}, {len(data.classes)} classes"
        method = self.methods[config.objective]
        *_, best = method.rows
        if config.ablation != "none":
            arms = {name: [{**seed[best], **trained_blocks(seed)} for seed in seeds] for name, seeds in rows.items()}
            return [table_ablation(arms, method.rows[best], what, config.ablation)]
        seeds, fractions = rows[""], config.efficient.fractions
        tables = [table_linear(seeds, method.rows, what), table_protocols(seeds, method.rows, what)]
        found = {kind: curves(seeds, kind, method.rows) for kind in config.evaluation.probes}
        tables += [table_curves(found[kind], kind, len(seeds), what) for kind in found]
        if found:
            _draw_curves(folder / "passes.png", {pooled_title(kind): found[kind] for kind in found})
        if config.evaluation.blocks:
            tables += [table_blocks(seeds, kind, method.title, what) for kind in config.evaluation.block_probes]
        if fractions:
            tables.append(table_few_labels(seeds, fractions, method.title, what))
        if len(fractions) > 1:
            _draw_labels(folder / "labels.png", sorted(fractions), seeds, method.title)
        return tables


def _probed(context: PictureContext, row: str, title: str, representation: PictureRepresentation) -> Iterator[Stage]:
    """Features averaged over all places, and every place by itself."""
    features, baselines = evaluate.pooled(representation), context.config.has_baselines
    yield from _pooled(context, row, title, features)
    if baselines:
        yield Stage(f"{row}_grid", lambda: probe_grid(context, title, representation), row)


def _pooled(context: PictureContext, row: str, title: str, features: Features) -> Iterator[Stage]:
    """Features of pictures, by the kinds of probes that every run has, and by those that are asked for."""
    usual: tuple[Kind, ...] = ("linear", "lbfgs", "mlp") if context.config.has_baselines else ("linear",)
    yield Stage(row, partial(probe, context, title, features, usual), row)
    for kind in context.config.evaluation.probes:
        yield Stage(f"{row}_{kind}", partial(probe, context, title, features, (kind,)), row)


def _blocks(context: PictureContext, trained: str, objective: Objective[Any, PictureRepresentation]) -> Iterator[Stage]:
    """Probes of each block of the encoder."""

    def compute(name: str, representation: PictureRepresentation, kind: Kind) -> dict[str, Score]:
        return {of_block(trained, kind): probe(context, name, evaluate.max_pooled(representation), (kind,))[kind]}

    for i, representation in enumerate(cast(PictureObjective[Any], objective).blocks(), start=1):
        for kind in context.config.evaluation.block_probes:
            name = of_block(f"{trained}_block{i}", kind)
            yield Stage(name, partial(compute, f"{trained}, block {i}", representation, kind), block(i))


def _draw_curves(path: Path, found: Mapping[str, Mapping[str, Mapping[int, Sequence[Score]]]]) -> None:
    """Accuracy against passes: a panel for each kind of probe."""
    means = {
        kind: {name: {p: over_seeds(scores) for p, scores in curve.items()} for name, curve in curves.items()}
        for kind, curves in found.items()
    }
    figure_curves(path, means)


def _draw_labels(path: Path, fractions: Sequence[float], seeds: Sequence[Mapping[str, Row]], method: str) -> None:
    """Few labels, in a picture."""
    columns = few_labels(seeds, fractions, method)
    curves = {name: [over_seeds(scores) for scores in column] for name, column in columns.items()}
    bound = over_seeds([row["supervised"]["linear"] for row in seeds if "supervised" in row])
    figure_labels(path, fractions, curves, bound)
