import pytest
import torch

from cpc_repr.vision.data.voc import Boxes
from cpc_repr.vision.transfer.average_precision import (
    Found,
    average_precision,
    class_precision,
    judge,
    mean_average_precision,
    overlaps,
    precision_recall,
)

A, B, FAR = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [50.0, 50, 60, 60]


def found(*rows):
    """Of (box, label, score)."""
    corners = torch.tensor([box for box, _, _ in rows]).reshape(-1, 4)
    return Found(corners, torch.tensor([y for _, y, _ in rows]), torch.tensor([float(s) for *_, s in rows]))


def truth(*rows):
    """Of (box, label, difficult)."""
    corners = torch.tensor([box for box, _, _ in rows]).reshape(-1, 4)
    return Boxes(corners, torch.tensor([y for _, y, _ in rows]), torch.tensor([d for *_, d in rows]).bool())


def test_overlap_is_common_area_over_joint_area():
    boxes = torch.tensor([A, [0.0, 0, 5, 10], [5.0, 5, 15, 15], FAR, [3.0, 3, 3, 3]])
    torch.testing.assert_close(overlaps(boxes[:1], boxes), torch.tensor([[1, 0.5, 25 / 175, 0, 0]]))
    assert overlaps(boxes[4:], boxes[4:]).item() == 0


def test_the_published_example_of_24_detections_of_15_objects():
    """Padilla et al. 2020, "A survey on performance metrics for object-detection algorithms": 26.84 and 24.56 %.

    The second is a sum of rounded terms.
    """
    right = {1, 3, 10, 12, 13, 14, 23}
    hits = torch.tensor([place in right for place in range(1, 25)])
    precision, recall = precision_recall(hits, 15)
    assert average_precision(precision, recall, "voc07") == pytest.approx((1 + 2 / 3 + 3 * 3 / 7) / 11)
    area = (1 + 2 / 3 + 4 * 3 / 7 + 7 / 23) / 15
    assert average_precision(precision, recall, "area") == pytest.approx(area)
    assert f"{area:.2%}" == "24.57%"


def test_eleven_points_count_a_recall_that_is_reached_exactly():
    for objects in (10, 30, 70):  # 3 / 10 is not three times 0.1
        for right in range(objects // 10, objects + 1, objects // 10):
            precision, recall = precision_recall(torch.ones(right, dtype=torch.bool), objects)
            tenths = right * 10 // objects
            assert average_precision(precision, recall, "voc07") == pytest.approx((tenths + 1) / 11)
            assert average_precision(precision, recall, "area") == pytest.approx(right / objects)


def test_a_second_detection_of_one_object_is_wrong_and_a_difficult_one_does_not_count():
    boxes = torch.tensor([A, A, B, B, FAR])
    verdict = judge(boxes, torch.tensor([A, B]), torch.tensor([False, True]), 0.5)
    assert verdict.tolist() == [1, 0, -1, -1, 0]
    assert judge(boxes, torch.zeros(0, 4), torch.zeros(0, dtype=torch.bool), 0.5).tolist() == [0] * 5
    half = torch.tensor([[0.0, 0, 5, 10]])
    assert judge(half, torch.tensor([A]), torch.tensor([False]), 0.5).tolist() == [1]
    assert judge(half, torch.tensor([A]), torch.tensor([False]), 0.51).tolist() == [0]


def test_scores_are_compared_over_all_pictures():
    seen = [truth((A, 0, False)), truth((B, 0, False))]
    sure = [found((FAR, 0, 0.9), (A, 0, 0.5)), found((B, 0, 0.7))]
    # By falling score: wrong, right (recall 1/2, precision 1/2), right (recall 1, precision 2/3).
    assert class_precision(sure, seen, 0, "area") == pytest.approx(2 / 3)
    humble = [found((A, 0, 0.5), (FAR, 0, 0.1)), found((B, 0, 0.7))]
    assert class_precision(humble, seen, 0, "area") == 1


def test_the_mean_is_over_classes_that_have_objects():
    seen = [truth((A, 0, False), (B, 1, False)), truth((B, 2, True))]
    perfect = [found((A, 0, 0.9), (B, 1, 0.1)), found((B, 3, 0.9))]
    assert mean_average_precision(perfect, seen, 4, "voc07") == 1
    assert class_precision(perfect, seen, 2, "voc07") is None  # all of them are difficult
    confused = [found((A, 1, 0.9), (B, 1, 0.1)), found()]
    assert mean_average_precision(confused, seen, 4, "area") == pytest.approx((0 + 1 / 2) / 2)
    assert mean_average_precision([found(), found()], seen, 4, "voc07") == 0


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="no picture has an object"):
        mean_average_precision([found()], [truth((A, 0, True))], 1, "area")
    with pytest.raises(ValueError, match="2 pictures, objects of 1"):
        mean_average_precision([found(), found()], [truth((A, 0, False))], 1, "area")
