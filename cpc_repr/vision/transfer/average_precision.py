"""Average precision of detections, as the PASCAL Visual Object Classes challenge measures it (Everingham et al. 2010).

A detection is right if its box and an object's of its class overlap by half or more (intersection over union). The
detections of all pictures are gone through by falling score. Each looks at the object of its class it overlaps most:
the first to do so has found it, all later ones are wrong. Objects marked as difficult count neither way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from cpc_repr.vision.data.voc import Boxes

Rule = Literal["voc07", "area"]


class Found(NamedTuple):
    """What a detector finds in one picture."""

    corners: Tensor  # float32 [M, 4]: left, top, right, bottom in pixels
    labels: Tensor  # int64 [M]
    scores: Tensor  # float32 [M]: the higher, the surer


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes [N, 4] and boxes [M, 4]: [N, M], 0 to 1."""
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])  # [N, M, 2]
    common = (high - low).clamp(min=0).prod(-1)  # [N, M]
    areas_a, areas_b = ((x[:, 2:] - x[:, :2]).prod(-1) for x in (a, b))
    return common / (areas_a[:, None] + areas_b - common).clamp(min=torch.finfo(common.dtype).tiny)


def precision_recall(hits: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Precision and recall, float64 [M], after each detection.

    Args:
        hits: bool [M], by falling score: whether the detection is right.
        objects: How many there are to be found.
    """
    right = hits.double().cumsum(0)  # [M]
    return right / torch.arange(1, len(hits) + 1, dtype=torch.float64), right / objects


def average_precision(precision: Tensor, recall: Tensor, rule: Rule) -> float:
    """One number for a curve, 0 to 1.

    Args:
        precision: [M], after each detection.
        recall: [M], likewise; it never falls.
        rule: `voc07` is the mean, over recalls 0, 0.1, ..., 1, of the best precision at that recall or a higher one.
            `area`, of later challenges, is the area under that best precision.
    """
    if not len(recall):
        return 0.0
    best = precision.flip(0).cummax(0).values.flip(0)  # [M]: at this recall or a higher one
    if rule == "area":
        return float((best * recall.diff(prepend=recall.new_zeros(1))).sum())
    # Tenths are rounded otherwise than quotients of whole numbers: 3 of 10 objects are a recall of 0.3.
    at = torch.searchsorted(recall + 1e-9, torch.linspace(0, 1, 11, dtype=recall.dtype))  # [11]
    return float(torch.cat([best, best.new_zeros(1)])[at].mean())


def class_precision(
    found: Sequence[Found], truth: Sequence[Boxes], label: int, rule: Rule, overlap: float = 0.5
) -> float | None:
    """Average precision of one class, 0 to 1; None if no picture has an object of it that counts.

    Args:
        found: Of each picture.
        truth: Of each picture, in the same order.
        label: The class.
        rule: Of `average_precision`.
        overlap: From which intersection over union a detection is right.
    """
    scores, verdicts, objects = [], [], 0
    for detections, boxes in zip(found, truth, strict=True):
        mine, theirs = detections.labels == label, boxes.labels == label
        score, order = detections.scores[mine].sort(descending=True, stable=True)
        verdicts.append(judge(detections.corners[mine][order], boxes.corners[theirs], boxes.difficult[theirs], overlap))
        scores.append(score)
        objects += int((theirs & ~boxes.difficult).sum())
    if not objects:
        return None
    verdict = torch.cat(verdicts)[torch.cat(scores).sort(descending=True, stable=True).indices]
    precision, recall = precision_recall(verdict[verdict >= 0] == 1, objects)
    return average_precision(precision, recall, rule)


def judge(found: Tensor, truth: Tensor, difficult: Tensor, overlap: float) -> Tensor:
    """Which detections of one class in one picture are right: int64 [M], 1 right, 0 wrong, -1 does not count.

    Args:
        found: Boxes [M, 4] by falling score.
        truth: Boxes [N, 4].
        difficult: bool [N].
        overlap: From which intersection over union a detection is right.
    """
    verdict = torch.zeros(len(found), dtype=torch.int64)
    if not len(truth):
        return verdict
    best, which = overlaps(found, truth).max(1)  # [M]
    taken = torch.zeros(len(truth), dtype=torch.bool)
    for i in (best >= overlap).nonzero()[:, 0].tolist():
        n = int(which[i])
        verdict[i] = -1 if difficult[n] else int(not taken[n])
        taken[n] = True
    return verdict


def mean_average_precision(
    found: Sequence[Found], truth: Sequence[Boxes], classes: int, rule: Rule, overlap: float = 0.5
) -> float:
    """Mean of `class_precision` over the classes that have objects, 0 to 1.

    Raises:
        ValueError: No class has one, or `found` and `truth` are of different pictures.
    """
    if len(found) != len(truth):
        raise ValueError(f"detections of {len(found)} pictures, objects of {len(truth)}")
    each = [class_precision(found, truth, label, rule, overlap) for label in range(classes)]
    known = [value for value in each if value is not None]
    if not known:
        raise ValueError("no picture has an object to be found")
    return sum(known) / len(known)
