import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from cpc_repr.vision.data import synthetic
from cpc_repr.vision.data.pictures import ArraySplit, Pictures, open_pictures
from cpc_repr.vision.data.render import draw_picture
from cpc_repr.vision.data.scenes import CLASSES, labels_of
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig, make_pictures
from cpc_repr.vision.export import export, main

TINY = SyntheticPicturesConfig(train=43, test=20, size=32, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def pictures(folder):
    return make_pictures(folder, TINY)


@pytest.fixture(scope="module")
def root(folder, pictures):
    return next(path for path in folder.iterdir() if path.is_dir())


def files(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


def changed(config, **shortcut):
    return config.model_copy(update=shortcut)


def test_the_same_configuration_gives_the_same_bytes(root, tmp_path):
    make_pictures(tmp_path, TINY)
    other = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert other.name == root.name
    assert files(other) == files(root)


def test_a_picture_does_not_depend_on_what_else_is_drawn(pictures):
    labels = labels_of(TINY, "train", TINY.train)
    for i in (42, 7, 0):
        np.testing.assert_array_equal(draw_picture(TINY, "train", i, int(labels[i])), pictures.train.picture(i))


def test_pictures_and_splits_differ_and_the_seed_matters(pictures, tmp_path):
    other = make_pictures(tmp_path, changed(TINY, seed=2))
    seen = {
        p.numpy().tobytes() for s in (pictures, other) for part in (s.train, s.test) for p in part.pictures(range(20))
    }
    assert len(seen) == 80
    assert pictures.train.labels.tolist() != other.train.labels.tolist()


def test_sizes_and_classes_are_as_asked_for(pictures):
    assert pictures.name == "parts"
    assert pictures.classes == CLASSES
    assert (len(pictures.train), len(pictures.test), pictures.unlabeled) == (43, 20, None)
    assert pictures.train.picture(0).shape == (3, 32, 32)
    assert pictures.train.picture(0).dtype == torch.uint8
    assert all(
        torch.equal(p, pictures.train.picture(i)) for p, i in zip(pictures.train.pictures([5, 1]), [5, 1], strict=True)
    )


def test_classes_are_balanced_and_mixed(pictures):
    assert torch.bincount(pictures.test.labels).tolist() == [2] * 10
    assert sorted(torch.bincount(pictures.train.labels).tolist()) == [4] * 7 + [5] * 3
    assert len(set(pictures.train.labels[:10].tolist())) < 10


def test_the_manifest_tells_how_it_was_made(root):
    manifest = json.loads((root / "manifest.json").read_text())
    assert SyntheticPicturesConfig(**manifest["config"]) == TINY
    assert manifest["classes"] == list(CLASSES)
    assert manifest["made_with"]["numpy"] == np.__version__
    assert set(manifest["sha256"]) == set(files(root)) - {"manifest.json"}
    assert set(files(root)) == {"train.npy", "train_labels.npy", "test.npy", "test_labels.npy", "manifest.json"}


def test_they_are_drawn_once_and_progress_counts(tmp_path, monkeypatch):
    calls = []
    config = SyntheticPicturesConfig(train=230, test=20, size=32)
    first = make_pictures(tmp_path, config, lambda *call: calls.append(call))
    assert calls == [(100, 250), (200, 250), (250, 250)]
    monkeypatch.setattr(synthetic, "draw_picture", None)
    again = make_pictures(tmp_path, config, lambda *call: calls.append(call))
    assert len(calls) == 3
    assert torch.equal(again.train.picture(229), first.train.picture(229))


@pytest.mark.parametrize("change", [{"size": 48}, {"train": 44}, {"contrast": 0.9}, {"seed": 3}, {"lines": 1}])
def test_another_configuration_is_another_folder(root, tmp_path, change):
    make_pictures(tmp_path, changed(TINY, **change))
    assert root.name not in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["manifest.json", "test.npy", "train_labels.npy"])
@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_cache_that_is_no_longer_whole_is_refused(root, tmp_path, name, what):
    copy = tmp_path / root.name
    shutil.copytree(root, copy)
    if what == "gone":
        (copy / name).unlink()
    else:
        content = bytearray((copy / name).read_bytes())
        content[-2] ^= 255
        (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*: delete .*{re.escape(copy.name)}"):
        make_pictures(tmp_path, TINY)


KILLED = """
import os, signal, sys
from pathlib import Path
from cpc_repr.vision.data.synthetic import SyntheticPicturesConfig, make_pictures

def die(done, total):
    os.kill(os.getpid(), signal.SIGKILL)

make_pictures(Path(sys.argv[1]), SyntheticPicturesConfig(train=150, test=20, size=32), die)
"""


def test_what_a_killed_process_left_is_not_taken_for_whole(tmp_path):
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False)
    assert died.returncode == -signal.SIGKILL
    left = [path.name for path in (tmp_path / "a").iterdir() if path.is_dir()]
    assert len(left) == 1
    assert left[0].endswith(".tmp")
    config = SyntheticPicturesConfig(train=150, test=20, size=32)
    finished = make_pictures(tmp_path / "a", config)
    whole = make_pictures(tmp_path / "b", config)
    assert [path.name for path in (tmp_path / "a").iterdir() if path.is_dir()] == [left[0].removesuffix(".tmp")]
    for i in (0, 99, 149):
        assert torch.equal(finished.train.picture(i), whole.train.picture(i))


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        make_pictures(tmp_path, TINY, stop)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    "bad", [{"size": 16}, {"train": 9}, {"test": 0}, {"jitter": -1}, {"cast": 2}, {"seed": -1}, {"parts": 3}]
)
def test_the_configuration_is_checked(bad):
    with pytest.raises(ValidationError, match=next(iter(bad))):
        SyntheticPicturesConfig(**bad)


def named(classes, split):
    """Pictures with the names of their classes."""
    found = zip(split.labels, split.pictures(range(len(split))), strict=True)
    return {(classes[label], picture.numpy().tobytes()) for label, picture in found}


def test_an_export_reads_back_as_a_folder_of_classes(folder, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    flags = [f"--pictures.{name}={getattr(TINY, name)}" for name in ("train", "test", "size", "seed")]
    assert main([f"--out={out}", f"--cache={folder}", *flags]) == 0
    assert "63 pictures" in capsys.readouterr().out
    again = open_pictures("folder", out)
    assert sorted(again.classes) == sorted(pictures.classes)
    assert again.skipped == ()
    for ours, theirs in ((pictures.train, again.train), (pictures.test, again.test)):
        expected = {
            (pictures.classes[c], p.numpy().tobytes())
            for c, p in zip(ours.labels, ours.pictures(range(len(ours))), strict=True)
        }
        read = {
            (again.classes[c], p.numpy().tobytes())
            for c, p in zip(theirs.labels, theirs.pictures(range(len(theirs))), strict=True)
        }
        assert read == expected
        assert len(theirs) == len(ours)
    assert main([f"--out={out}", f"--cache={folder}", *flags]) == 2
    assert "is there already" in capsys.readouterr().err


def test_unlabeled_pictures_are_exported_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 9), np.uint8)
    labelled = ArraySplit(pixels[:1], np.zeros(1))
    assert export(Pictures("x", ("a",), labelled, labelled, ArraySplit(pixels), ()), tmp_path / "new") == 6
    assert (tmp_path / "new" / "unlabeled" / "00003.png").is_file()
    again = open_pictures("folder", tmp_path / "new")
    np.testing.assert_array_equal(torch.stack(again.unlabeled.pictures(range(4))), pixels)


def test_a_sheet_shows_every_class_and_every_shortcut(tmp_path, capsys):
    file = tmp_path / "new" / "sheet.png"
    assert main([f"--sheet={file}", "--pictures.size=32"]) == 0
    with Image.open(file) as image:
        pixels = np.asarray(image)
    assert pixels.shape[0] > 14 * 32
    assert pixels.shape[1] > 12 * 32
    assert len(os.listdir(file.parent)) == 1
    assert main([]) == 2
    assert "--out DIR, --voc DIR, --sheet FILE" in capsys.readouterr().err


def test_an_export_looks_before_it_makes_anything(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    sheet = tmp_path / "new" / "sheet.png"
    for flags, words in (
        ([f"--out={tmp_path / 'full'}", f"--sheet={sheet}"], "is there already"),
        ([f"--out={tmp_path / 'out'}", f"--sheet={tmp_path / 'full'}"], "is a folder"),
        ([f"--out={tmp_path / 'out'}", f"--voc={tmp_path / 'full'}"], "is there already"),
        ([f"--out={tmp_path / 'out'}", f"--voc={tmp_path / 'out'}"], "give two folders"),
        ([f"--out={tmp_path / 'out'}", f"--sheet={sheet}", "--cache=/dev/null/x"], "cannot be kept there"),
    ):
        assert main([*flags, "--pictures.size=32"]) == 2
        assert words in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["full"]
