"""Few labels on toy pictures: what networks see, what the draws leave, what a killed search does again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from cpc_repr.vision import evaluate_labels
from cpc_repr.vision.data.augment import AugmentConfig
from cpc_repr.vision.data.batches import PictureBatches
from cpc_repr.vision.transfer.few_labels import FewLabelsConfig
from tests.cpc_repr.contexts import context
from tests.cpc_repr.vision.test_evaluate import CONFIG, EXPERIMENT
from tests.cpc_repr.vision.toy import toy_pictures

SMALL = FewLabelsConfig(
    blocks=1, maps=8, bottleneck=4, batch_size=6, updates=4, every=2, resize=20, crop=12, trials=2, augment=True
)


def test_draws_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.model_copy(update={"efficient": SMALL, "augment": AugmentConfig(drop=1.0)})
    b = context(config, toy_pictures(), tmp_path)
    representation, seen = EXPERIMENT.objective(b).representations()["cpc"], []
    noting = representation.encoder.register_forward_pre_hook  # copied with the encoder
    noting(lambda _, args: seen.append((args[0], torch.is_grad_enabled())))
    found = evaluate_labels.few_labels(b, representation, 0.5)
    assert found.keys() == {a + k for a in ("pixels", "frozen", "tuned") for k in ("", "_top5")}
    assert {x.shape[1:] for x, _ in seen} == {(3, 12, 12)}
    for x, training in seen:
        grey = (x == (128 - 127.5) / 63.75).flatten(2).all(2).sum(1)  # colours that were dropped
        assert (grey == (2 if training else 0)).all()

    record = json.loads((b.run.report / "labels_0.5_draws.json").read_text())
    assert [row["way"] for row in record] == ["pixels"] * 2 + ["frozen"] * 2 + ["tuned"] * 2
    assert record[0]["dropout"] == record[2]["dropout"] != record[1]["dropout"]  # the same draws for each way
    kept = [torch.load(path, weights_only=True)["state"]["best_state"] for path in sorted(b.scratch.glob("*.pt"))]
    assert len(kept) == 6 and sum(state is not None for state in kept) == 3

    def never(self: PictureBatches, number: int) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(PictureBatches, "__call__", never)
    assert evaluate_labels.few_labels(b, representation, 0.5) == found


def test_without_draws_the_settings_are_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = SMALL.model_copy(update={"trials": 0, "augment": False, "resize": None, "crop": None})
    b = context(CONFIG.model_copy(update={"efficient": plain}), toy_pictures(), tmp_path)
    used: list[FewLabelsConfig] = []
    real = evaluate_labels.fit

    def noting(net: nn.Module, *args: object, **more: object) -> float:
        used.append(args[3])  # type: ignore[arg-type]
        return real(net, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate_labels, "fit", noting)
    evaluate_labels.few_labels(b, EXPERIMENT.objective(b).representations()["cpc"], 0.5)
    assert used == [plain] * 3 and not list(b.run.report.iterdir())
