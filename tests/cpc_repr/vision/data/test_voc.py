import pytest
import torch
from PIL import Image

from cpc_repr.vision.data.voc import Boxes, read_voc, write_voc

XML = """<annotation><size><width>20</width><height>10</height></size>{}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
<ymax>{}</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"""


@pytest.fixture
def root(tmp_path):
    """Two pictures of 20 x 10 pixels, as somebody else's program writes them."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("000005", "000007"):
        Image.new("RGB", (20, 10)).save(tmp_path / "JPEGImages" / f"{name}.jpg")
    both = OBJECT.format("dog", 0, 1, 1, 20, 10) + OBJECT.format("cat", 1, 3, 2, 3.0, 9)
    annotate(tmp_path, "000005", both)
    annotate(tmp_path, "000007", OBJECT.format("dog", 0, 0, 0, 4, 4))
    (tmp_path / "ImageSets" / "Main" / "test.txt").write_text("000005\n000007 \n\n")
    return tmp_path


def annotate(root, name, objects):
    (root / "Annotations" / f"{name}.xml").write_text(XML.format(objects))


def test_pixels_are_counted_from_0_and_edges_lie_between_them(root):
    split = read_voc(root, "test")
    assert split.classes == ("cat", "dog")
    assert len(split) == 2
    assert split.picture(1).shape == (3, 10, 20)
    assert split.boxes[0].corners.tolist() == [[0, 0, 20, 10], [2, 1, 3, 9]]  # the first is the whole picture
    assert split.boxes[0].labels.tolist() == [1, 0]
    assert split.boxes[0].difficult.tolist() == [False, True]
    assert split.boxes[1].corners.tolist() == [[0, 0, 4, 4]]


def test_classes_of_another_split_keep_their_labels_and_a_picture_may_be_empty(root):
    annotate(root, "000007", "")
    read = []
    split = read_voc(root, "test", ("bird", "cat", "dog"), lambda done, total: read.append((done, total)))
    assert split.boxes[0].labels.tolist() == [2, 1]
    assert split.boxes[1].corners.shape == (0, 4)
    assert split.picture(1).shape == (3, 10, 20)
    assert read == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ("<object>", "000007.xml cannot be read: mismatched tag"),
        ("<object><name>dog</name></object>", r"000007.xml: object 1 needs numbers xmin, ymin, xmax, ymax"),
        (OBJECT.format("dog", 0, "x", 1, 2, 2), "object 1 needs numbers"),
        (OBJECT.format("", 0, 1, 1, 2, 2), "object 1 has no name"),
        (OBJECT.format("dog", 0, 1, 1, 2, 2) + OBJECT.format("dog", 0, 5, 1, 4, 2), "object 2 is no box: .*'5'"),
        (OBJECT.format("dog", 0, 1, "nan", 2, 2), "object 1 is no box"),
        (OBJECT.format("cow", 0, 1, 1, 2, 2), "000007.xml: 'cow' is none of the classes cat, dog"),
    ],
)
def test_an_annotation_that_makes_no_sense_is_named(root, objects, words):
    annotate(root, "000007", objects)
    with pytest.raises(ValueError, match=words):
        read_voc(root, "test", ("cat", "dog"))


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("JPEGImages/000007.jpg", "no picture .*000007.jpg"),
        ("Annotations/000007.xml", "000007.xml cannot be read: .*No such file"),
        ("ImageSets/Main/test.txt", "no file .*test.txt"),
    ],
)
def test_a_missing_file_is_named(root, gone, words):
    (root / gone).unlink()
    with pytest.raises(ValueError, match=words):
        read_voc(root, "test")


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "names no picture"), ("000005 -1\n", "lists of one class"), ("000005\n000005\n", "names 000005 twice")],
)
def test_a_list_that_is_no_split_is_refused(root, text, words):
    (root / "ImageSets" / "Main" / "odd.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_voc(root, "odd")
    with pytest.raises(ValueError, match=r"no file .*val.txt: there are odd, test"):
        read_voc(root, "val")


def test_a_box_outside_its_picture_is_found_when_the_picture_is_read(root):
    annotate(root, "000007", OBJECT.format("dog", 0, 1, 1, 21, 10))
    with pytest.raises(ValueError, match=r"000007.jpg has 20 x 10 pixels; .* ends at 21, 10"):
        read_voc(root, "test").picture(1)


def test_what_is_written_is_read_again(tmp_path):
    boxes = [
        Boxes(torch.tensor([[0.0, 0, 9, 8], [3, 2, 5, 4]]), torch.tensor([1, 0]), torch.tensor([False, True])),
        Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool)),
    ]
    pictures = [torch.full((3, 8, 9), shade, dtype=torch.uint8) for shade in (40, 200)]
    write_voc(tmp_path, "trainval", ("a & b", "c"), zip(pictures, boxes, strict=True))
    again = read_voc(tmp_path, "trainval", ("a & b", "c"))
    for i in range(2):
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(boxes[i], again.boxes[i], strict=True))
        assert (again.picture(i).float() - pictures[i].float()).abs().max() <= 2  # JPEG


def test_torchvision_reads_what_is_written(tmp_path):
    datasets = pytest.importorskip("torchvision.datasets")
    root = tmp_path / "VOCdevkit" / "VOC2007"
    boxes = Boxes(torch.tensor([[0.0, 0, 9, 8]]), torch.tensor([0]), torch.tensor([False]))
    write_voc(root, "trainval", ("a",), [(torch.zeros(3, 8, 9, dtype=torch.uint8), boxes)])
    image, target = datasets.VOCDetection(tmp_path, "2007", "trainval")[0]
    assert image.size == (9, 8)
    (found,) = target["annotation"]["object"]
    assert found["bndbox"] == {"xmin": "1", "ymin": "1", "xmax": "9", "ymax": "8"}
    assert found["name"] == "a"
