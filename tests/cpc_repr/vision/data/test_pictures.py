import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from cpc_repr.vision.data.pictures import ArraySplit, open_pictures

datasets = pytest.importorskip("torchvision.datasets")


def colours(seed, size=(6, 5)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def save(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes of three and two pictures for training, and one each for testing, of several sizes."""
    root = tmp_path / "shapes"
    for split, counts in (("train", {"cat": 3, "ant": 2}), ("test", {"ant": 1, "cat": 1})):
        for name, count in counts.items():
            for i in range(count):
                save(root / split / name / f"{i}.png", colours(i + 10 * len(split), (6 + i, 5)))
    return root


def test_a_folder_is_read_in_order_with_sorted_classes(folder):
    pictures = open_pictures("folder", folder)
    assert pictures.name == "shapes"
    assert pictures.classes == ("ant", "cat")
    assert pictures.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert pictures.train.labels.dtype == torch.int64
    assert pictures.test.labels.tolist() == [0, 1]
    assert (len(pictures.train), len(pictures.test)) == (5, 2)
    assert pictures.unlabeled is None
    assert pictures.skipped == ()
    last = pictures.train.picture(4)
    assert last.dtype == torch.uint8
    assert last.is_contiguous()
    np.testing.assert_array_equal(last.permute(1, 2, 0), colours(52, (8, 5)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stands_upright(folder, orientation):
    """The eight orientations of EXIF: where row 0 and column 0 of what is stored belong."""
    stored = colours(7, (4, 3))
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored.transpose(1, 0, 2)[:, ::-1],
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: stored.transpose(1, 0, 2)[::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(folder / "train" / "ant" / "0.png", exif=exif)
    got = open_pictures("folder", folder).train.picture(0)
    np.testing.assert_array_equal(got.permute(1, 2, 0), upright[orientation])


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0no tiff at all", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0MM\0*"]
)
def test_exif_that_cannot_be_read_says_nothing(folder, exif):
    path = folder / "train" / "ant" / "0.png"
    Image.fromarray(colours(8)).save(path, exif=exif)
    pictures = open_pictures("folder", folder)
    assert pictures.skipped == ()
    np.testing.assert_array_equal(pictures.train.picture(0).permute(1, 2, 0), colours(8))


@pytest.fixture
def tiny_imagenet(tmp_path):
    """Two classes of two pictures for training and three for testing, as Tiny ImageNet is unpacked."""
    root = tmp_path / "tiny-imagenet-200"
    for name in ("n02", "n01"):
        for i in range(2):
            save(root / "train" / name / "images" / f"{name}_{i}.png", colours(i))
        (root / "train" / name / f"{name}_boxes.txt").write_text("n_0.png\t0\t0\t3\t3\n")
    lines = [f"val_{i}.png\t{name}\t0\t32\t44\t62\n" for i, name in enumerate(("n02", "n01", "n02"))]
    for i in range(3):
        save(root / "val" / "images" / f"val_{i}.png", colours(100 + i))
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    save(root / "test" / "images" / "test_0.png", colours(200))
    return root


def test_tiny_imagenet_is_read_as_it_is_unpacked(tiny_imagenet):
    pictures = open_pictures("folder", tiny_imagenet)
    assert pictures.classes == ("n01", "n02")
    assert pictures.train.labels.tolist() == [0, 0, 1, 1]
    assert pictures.test.labels.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(pictures.test.picture(2).permute(1, 2, 0), colours(102))


def test_a_broken_picture_of_tiny_imagenet_is_left_out(tiny_imagenet):
    (tiny_imagenet / "val" / "images" / "val_0.png").write_bytes(b"")
    pictures = open_pictures("folder", tiny_imagenet)
    assert pictures.test.labels.tolist() == [0, 1] and pictures.skipped == ("val/images/val_0.png",)


@pytest.mark.parametrize(
    "lines, message",
    [
        ("val_0.png n01\n", "line 1: 'val_0.png n01' is not a picture, a tab and its class"),
        ("val_0.png\tn01\nval_1.png\tn03\n", "line 2: class 'n03' has no folder"),
        ("val_9.png\tn01\n", "line 1: .*val_9.png is missing"),
        ("val_0.png\tn01\nval_0.png\tn02\n", "line 2: .*val_0.png is named twice"),
        ("", "names no picture"),
    ],
)
def test_annotations_must_fit(tiny_imagenet, lines, message):
    (tiny_imagenet / "val" / "val_annotations.txt").write_text(lines)
    with pytest.raises(ValueError, match=message):
        open_pictures("folder", tiny_imagenet)


def test_many_pictures_are_those_one_by_one(folder):
    train = open_pictures("folder", folder).train
    for indices in ([4, 0, 2, 0], torch.tensor([4, 0, 2, 0]), np.array([4, 0, 2, 0])):
        for i, picture in zip([4, 0, 2, 0], train.pictures(indices), strict=True):
            assert torch.equal(picture, train.picture(i))
    assert train.pictures([]) == []


def test_val_stands_in_for_a_test_without_classes(folder):
    (folder / "test").rename(folder / "val")
    assert open_pictures("folder", folder).test.labels.tolist() == [0, 1]
    save(folder / "test" / "0.png", colours(0))
    assert open_pictures("folder", folder).test.labels.tolist() == [0, 1]


def test_unlabeled_pictures_lie_anywhere_below_their_folder(folder):
    save(folder / "unlabeled" / "b.png", colours(1))
    save(folder / "unlabeled" / "deep" / "a.jpg", colours(2))
    (folder / "unlabeled" / "notes.txt").write_text("no picture")
    (folder / "unlabeled" / "broken.png").write_bytes(b"no picture")
    pictures = open_pictures("folder", folder)
    assert pictures.unlabeled.labels.tolist() == [-1, -1]
    np.testing.assert_array_equal(pictures.unlabeled.picture(0).permute(1, 2, 0), colours(1))
    assert pictures.skipped == ("unlabeled/broken.png",)
    for name in ("b.png", "deep/a.jpg", "broken.png"):
        (folder / "unlabeled" / name).unlink()
    with pytest.raises(ValueError, match=r"unlabeled should hold pictures"):
        open_pictures("folder", folder)


@pytest.mark.parametrize("kind", ["L", "I;16", "1", "P", "RGBA"])
def test_every_kind_of_png_becomes_three_channels(folder, kind):
    path = folder / "train" / "ant" / "0.png"
    pixels = colours(3)
    if kind == "I;16":
        save(path, pixels[..., 0].astype(np.uint16) * 256 + 99)
        expected = np.repeat(pixels[..., :1], 3, 2)
    else:
        save(path, pixels, kind)
        expected = np.asarray(Image.fromarray(pixels).convert(kind).convert("RGB"))
    picture = open_pictures("folder", folder).train.picture(0)
    assert picture.shape == (3, 6, 5)
    np.testing.assert_array_equal(picture.permute(1, 2, 0), expected)


RAMP = np.linspace(0, 65_535, 30).reshape(6, 5)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_their_range(folder, ending):
    (folder / "train" / "ant" / "0.png").unlink()
    path = folder / "train" / "ant" / f"0.{ending}"
    save(path, RAMP.astype(np.uint16))
    picture = open_pictures("folder", folder).train.picture(0)
    np.testing.assert_array_equal(picture[0], RAMP.astype(np.uint16) // 256)
    assert picture[0].max() == 255 and len(picture[0].unique()) == 30


@pytest.mark.parametrize(
    "name, pixels, words",
    [
        ("int32.tif", (RAMP / 257).astype(np.int32), "holds 32-bit numbers"),
        ("negative.tif", RAMP.astype(np.int32) - 30_000, "holds 32-bit numbers"),
        ("float.tif", (RAMP / 65_535).astype(np.float32), "holds floating-point numbers"),
        ("twelve.png", (RAMP / 16).astype(np.uint16), "fills at most 12 of its 16 bits"),
        ("twelve.tif", (RAMP / 16).astype(np.uint16), "fills at most 12 of its 16 bits"),
    ],
)
def test_numbers_without_a_range_are_refused_by_name(folder, name, pixels, words):
    save(folder / "test" / "cat" / name, pixels)
    with pytest.raises(ValueError, match=rf"test/cat/{name} {words}"):
        open_pictures("folder", folder)


def test_a_black_picture_of_sixteen_bits_is_black(folder):
    save(folder / "train" / "ant" / "0.png", np.zeros((6, 5), np.uint16))
    assert open_pictures("folder", folder).train.picture(0).max() == 0


def test_what_is_hidden_is_no_class_and_no_picture(folder):
    before = len(open_pictures("folder", folder).train)
    for name in (".ipynb_checkpoints/0.png", "ant/.ipynb_checkpoints/0-checkpoint.png", "ant/._0.png"):
        save(folder / "train" / name, colours(1))
    os.mkfifo(folder / "train" / "ant" / "pipe.png")
    pictures = open_pictures("folder", folder)
    assert pictures.classes == ("ant", "cat") and len(pictures.train) == before and pictures.skipped == ()


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_broken_files_are_left_out_and_named(folder, ending, damage):
    path = folder / "train" / "cat" / f"broken.{ending}"
    save(path, colours(0, (40, 40)))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"this is no picture", "empty": b""}[damage])
    pictures = open_pictures("folder", folder)
    assert pictures.skipped == (f"train/cat/broken.{ending}",)
    assert pictures.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert [picture.shape[1] for picture in pictures.train.pictures(range(5))] == [6, 7, 6, 7, 8]


def test_bytes_behind_a_picture_do_not_matter(folder):
    path = folder / "train" / "cat" / "9.jpg"
    save(path, colours(0, (40, 40)))
    path.write_bytes(path.read_bytes() + b"made by a camera")
    pictures = open_pictures("folder", folder)
    assert pictures.skipped == ()
    assert pictures.train.picture(5).shape == (3, 40, 40)


def test_damage_in_the_middle_is_found_when_the_file_is_read(folder):
    path = folder / "train" / "ant" / "1.png"
    save(path, colours(0, (40, 40)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    train = open_pictures("folder", folder).train
    for read in (lambda: train.picture(1), lambda: train.pictures([0, 1])):
        with pytest.raises(ValueError, match=r"ant/1\.png cannot be read"):
            read()


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*nowhere"):
        open_pictures("folder", tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"'mnist': known are folder, stl10, cifar10"):
        open_pictures("mnist", folder)
    with pytest.raises(ValueError, match=r"train/train should hold a folder for each class"):
        open_pictures("folder", folder / "train")
    (folder / "test").rename(folder / "rest")
    with pytest.raises(ValueError, match=r"shapes/test or .*shapes/val should hold a folder for each class"):
        open_pictures("folder", folder)


def test_classes_must_have_pictures_and_be_the_same_in_both_splits(folder):
    (folder / "train" / "bee").mkdir()
    with pytest.raises(ValueError, match=r"only one has bee"):
        open_pictures("folder", folder)
    (folder / "train" / "bee").rename(folder / "test" / "bee")
    with pytest.raises(ValueError, match=r"only one has bee"):
        open_pictures("folder", folder)
    (folder / "train" / "bee").mkdir()
    with pytest.raises(ValueError, match=r"train: .*bee"):
        open_pictures("folder", folder)
    save(folder / "train" / "bee" / "0.png", colours(0))
    (folder / "test" / "bee" / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"test: every picture is broken of bee"):
        open_pictures("folder", folder)


def put(path, content, table, row):
    """Write a file whose MD5 takes the place of the original's in torchvision's `table`."""
    path.write_bytes(content)
    table[row] = [path.name, hashlib.md5(content).hexdigest()]


@pytest.fixture
def stl10(tmp_path, monkeypatch):
    """2 + 3 + 4 pictures in STL-10's files: columns before rows, labels from 1."""
    pictures = np.random.default_rng(0).integers(0, 256, (9, 3, 96, 96), np.uint8)
    base = tmp_path / "stl10_binary"
    base.mkdir()
    train, test = [["", ""]] * 3, [["", ""]] * 2
    stored = pictures.swapaxes(2, 3)
    put(base / "train_X.bin", stored[:2].tobytes(), train, 0)
    put(base / "train_y.bin", bytes([10, 1]), train, 1)
    put(base / "unlabeled_X.bin", stored[5:].tobytes(), train, 2)
    put(base / "test_X.bin", stored[2:5].tobytes(), test, 0)
    put(base / "test_y.bin", bytes([3, 2, 1]), test, 1)
    (base / "class_names.txt").write_text("\n".join(f"class{i}" for i in range(10)))
    monkeypatch.setattr(datasets.STL10, "train_list", train)
    monkeypatch.setattr(datasets.STL10, "test_list", test)
    return tmp_path, torch.from_numpy(pictures)


def test_stl10_is_read_the_right_way_up(stl10):
    root, expected = stl10
    pictures = open_pictures("stl10", root)
    assert pictures.name == "STL-10"
    assert pictures.classes == tuple(f"class{i}" for i in range(10))
    assert pictures.train.labels.tolist() == [9, 0]
    assert pictures.test.labels.tolist() == [2, 1, 0]
    assert pictures.unlabeled.labels.tolist() == [-1] * 4
    assert torch.equal(torch.stack(pictures.train.pictures([0, 1])), expected[:2])
    assert torch.equal(torch.stack(pictures.test.pictures([2, 0])), expected[[4, 2]])
    assert torch.equal(torch.stack(pictures.unlabeled.pictures(torch.arange(4))), expected[5:])
    assert pictures.unlabeled.picture(3).is_contiguous()
    assert torch.equal(pictures.unlabeled.picture(3), expected[8])


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """Five training batches of two pictures and a test batch of three, in CIFAR-10's files."""
    pixels = np.random.default_rng(0).integers(0, 256, (13, 3, 32, 32), np.uint8)
    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    train, test = [["", ""]] * 5, [["", ""]]
    for i in range(5):
        entry = {"data": pixels[2 * i : 2 * i + 2].reshape(2, -1), "labels": [i, 9 - i]}
        put(base / f"data_batch_{i + 1}", pickle.dumps(entry), train, i)
    put(base / "test_batch", pickle.dumps({"data": pixels[10:].reshape(3, -1), "labels": [7, 0, 7]}), test, 0)
    meta = pickle.dumps({"label_names": [f"class{i}" for i in range(10)]})
    (base / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(datasets.CIFAR10, "train_list", train)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", test)
    md5 = {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(meta).hexdigest()}
    monkeypatch.setattr(datasets.CIFAR10, "meta", md5)
    return tmp_path, torch.from_numpy(pixels)


def test_cifar10_is_read(cifar10):
    root, expected = cifar10
    pictures = open_pictures("cifar10", root)
    assert pictures.name == "CIFAR-10"
    assert pictures.classes == tuple(f"class{i}" for i in range(10))
    assert pictures.train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert pictures.test.labels.tolist() == [7, 0, 7]
    assert pictures.unlabeled is None
    assert torch.equal(torch.stack(pictures.train.pictures(range(10))), expected[:10])
    assert torch.equal(pictures.test.picture(2), expected[12])


@pytest.mark.parametrize("kind", ["stl10", "cifar10"])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_files_that_are_not_the_authors_are_refused(kind, damage, request):
    root, _ = request.getfixturevalue(kind)
    path = next(root.glob("*/test_*"))
    path.write_bytes(b"other") if damage == "changed" else path.unlink()
    with pytest.raises(ValueError, match=rf"no whole {kind}: needed are .*test_.*checksums"):
        open_pictures(kind, root)


def test_nothing_is_downloaded(tmp_path, monkeypatch):
    def download(*args, **kwargs):
        raise AssertionError("asked for the network")

    monkeypatch.setattr(datasets.STL10, "download", download)
    monkeypatch.setattr(datasets.CIFAR10, "download", download)
    for kind in ("stl10", "cifar10"):
        with pytest.raises(ValueError, match="no whole"):
            open_pictures(kind, tmp_path)


def test_arrays_are_checked():
    with pytest.raises(ValueError, match=r"uint8 \[N, 3, H, W\], not uint8 \[2, 4, 4, 3\]"):
        ArraySplit(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="not float64"):
        ArraySplit(np.zeros((2, 3, 4, 4)))
    with pytest.raises(ValueError, match="2 pictures have 3 labels"):
        ArraySplit(np.zeros((2, 3, 4, 4), np.uint8), np.zeros(3))


def test_torchvision_is_imported_when_it_is_needed(folder, monkeypatch):
    modules = ", ".join(f"cpc_repr.vision.data.{name}" for name in ("pictures", "synthetic"))
    code = f"import sys, {modules}; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert open_pictures("folder", folder).classes == ("ant", "cat")
    with pytest.raises(ValueError, match=r"torchvision\.datasets cannot be imported .*pip install 'cpc-rl\[vision\]'"):
        open_pictures("stl10", folder)
