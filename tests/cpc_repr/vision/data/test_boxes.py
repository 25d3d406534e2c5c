import numpy as np
import pytest
import torch

from cpc_repr.vision.data.boxes import boxes_of, with_boxes
from cpc_repr.vision.data.render import draw_picture, render
from cpc_repr.vision.data.scenes import CLASSES, PAIRS, SceneConfig, Thing, draw_scene
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig
from cpc_repr.vision.data.voc import read_voc
from cpc_repr.vision.export import main

PLAIN = SceneConfig(size=128, texture=0, noise=0)


def standing(*things):
    """A scene of given things."""
    return draw_scene(PLAIN, "train", 0, 0)._replace(things=things)


def painted(thing, shade):
    """A scene of one thing of one colour."""
    scene = standing(thing)
    palette = scene.palette.copy()
    palette[2:] = shade
    return scene._replace(palette=palette)


@pytest.mark.parametrize(("below", "top"), PAIRS)
def test_a_box_holds_what_is_drawn_of_a_thing_and_no_more(below, top):
    thing = Thing(0.5, 0.8, 0.5, below, top)
    # The thing in white and in black: nothing else differs, the shadow included.
    black, white = (render(painted(thing, shade), PLAIN) for shade in (0.0, 1.0))
    rows, columns = (np.flatnonzero(((white - black).max(0) > 0.4).any(axis)) for axis in (1, 0))
    boxes = boxes_of(standing(thing), PLAIN.size)
    np.testing.assert_allclose(boxes.corners[0], [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], atol=1)
    assert boxes.labels.tolist() == [PAIRS.index((below, top))]
    assert boxes.difficult.tolist() == [False]


def test_what_leaves_the_picture_is_cut_off_and_what_is_hidden_is_difficult():
    behind, edge = Thing(0.5, 0.70, 0.2, 1, 0), Thing(0.0, 0.9, 0.4, 1, 0)
    before = Thing(0.5, 0.75, 0.5, 1, 0)
    boxes = boxes_of(standing(behind, before, edge), 128)
    assert boxes.difficult.tolist() == [True, False, False]
    assert boxes.corners[2, 0] == 0
    assert boxes.corners[2, 2] == pytest.approx(0.1 * 128, abs=1)  # half of 0.4 / 2
    assert boxes.corners.max() <= 128


def test_pictures_with_boxes_are_those_without():
    config = SyntheticPicturesConfig(size=48, train=12, test=11, seed=3, strangers=0.5)
    samples = list(with_boxes(config, "train"))
    assert len(samples) == 12
    classes = torch.cat([boxes.labels for _, boxes in samples])
    assert len(set(classes.tolist())) > 5
    for i in (0, 11):
        same = [torch.equal(samples[i][0], torch.from_numpy(draw_picture(config, "train", i, n))) for n in range(10)]
        assert sum(same) == 1
    assert all(3 <= len(boxes.labels) <= 6 for _, boxes in samples)


def test_the_program_writes_a_voc_folder(tmp_path, capsys):
    out = tmp_path / "new" / "voc"
    flags = ["--pictures.size=48", "--pictures.train=12", "--pictures.test=11", "--pictures.seed=3"]
    assert main([f"--voc={out}", *flags]) == 0
    assert "23 pictures with boxes" in capsys.readouterr().out
    split = read_voc(out, "test", CLASSES)
    assert len(split) == 11
    for i, (picture, boxes) in enumerate(
        with_boxes(SyntheticPicturesConfig(size=48, train=12, test=11, seed=3), "test")
    ):
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(boxes, split.boxes[i], strict=True))
        assert (split.picture(i).float() - picture.float()).abs().mean() < 6  # JPEG
    assert main([f"--voc={out}", *flags]) == 2
    assert "is there already" in capsys.readouterr().err
