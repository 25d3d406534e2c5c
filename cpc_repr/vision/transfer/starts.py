"""The weights that a detector's encoder begins with: random ones, those of a run, or its supervised encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

from configs import UsageError, load_yaml
from cpc_repr.training import seeded
from cpc_repr.vision.encode import SUPERVISED, VisionEncoder, load, load_supervised
from cpc_repr.vision.encoders import make_encoder
from cpc_repr.vision.encoders.base import Encoder
from cpc_repr.vision.pretext import METHODS
from cpc_rl.runs import RunDirectory

Weights = Literal["random", "run", "supervised"]
TITLES = {"random": "random weights", "supervised": "supervised"}


class Starts(NamedTuple):
    """Runs of one method that differ in their seed, or a single one."""

    paths: tuple[Path, ...]
    first: VisionEncoder
    method: str
    weights: tuple[Weights, ...]  # that there are, of those asked for

    @property
    def grey(self) -> bool:
        """Whether the encoder was trained on pictures without colours."""
        return self.first.view.grey >= 1

    def title(self, weights: str) -> str:
        """What tables call them."""
        return TITLES.get(weights, METHODS[self.method].title)

    def encoder(self, weights: Weights, seed: int, place: int) -> Encoder:
        """A fresh encoder.

        Args:
            weights: Which ones.
            seed: Of random ones.
            place: Of the detector among those that differ in seed alone: each takes the next run.

        Raises:
            RunFailure: The run has no whole checkpoint.
        """
        path = self.paths[place % len(self.paths)]
        if weights == "random":
            return cast(Encoder, seeded(seed, lambda: make_encoder(self.first.model.config)))
        found = load_supervised(path) if weights == "supervised" else load(path).model.encoder
        assert found is not None  # `open_starts` has looked
        return found


def open_starts(paths: Sequence[Path], weights: Sequence[Weights]) -> Starts:
    """Open the runs `paths`.

    Raises:
        UsageError: There is none, one is no run of pictures, they differ in more than their seed, or none of the
            weights is there.
        RunFailure: A run has no whole checkpoint.
    """
    if not paths:
        raise UsageError("give the run directory of a `python -m cpc_repr.vision`, or several that differ in seed")
    encoders = [load(path) for path in paths]
    methods = [load_yaml(RunDirectory.open(path).config_path).get("method", "cpc") for path in paths]
    for path, encoder, method in zip(paths, encoders, methods, strict=True):
        for what, one, two in (
            ("method", method, methods[0]),
            ("encoder", encoder.model.config, encoders[0].model.config),
            ("view", encoder.view, encoders[0].view),
        ):
            if one != two:
                raise UsageError(f"{path} has another {what} than {paths[0]}: runs may differ in their seed")
    supervised = all((path / SUPERVISED / "config.yaml").is_file() for path in paths)
    there = tuple(name for name in weights if name != "supervised" or supervised)
    if not there:
        raise UsageError(f"{paths[0]} has no supervised encoder: it was trained with --supervised-updates 0")
    return Starts(tuple(paths), encoders[0], methods[0], there)
