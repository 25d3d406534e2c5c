"""`python -m cpc_repr.vision.detect` as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from configs import UsageError
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.data.boxed import BoxedPicture
from cpc_repr.vision.data.grid import ViewConfig
from cpc_repr.vision.detect import main
from cpc_repr.vision.encoders.config import EncoderConfig
from cpc_repr.vision.encoders.patches import PatchEncoder
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.supervised import PictureClassifier
from cpc_repr.vision.transfer.detection_report import DetectionFit, figure_detections, gain_table, precision_table
from cpc_repr.vision.transfer.starts import open_starts
from cpc_rl.runs import RunDirectory
from tests.cpc_repr.commands import check_one_line, newest, results, start
from tests.cpc_repr.vision.toy import ToyBoxes, write_toy_voc

TINY = EncoderConfig(stem=(4, 3, 2), pool=False, blocks=(1, 1), bottlenecks=(4, 4), maps=(8, 8), norm="batch")
FLAGS = ["--detector.side", "32", "--detector.proposals", "20", "--detector.regions", "8", "--detector.hidden", "8"]
FLAGS += ["--updates", "6", "--batch-size", "2", "--log-updates", "2", "--optimiser.warmup", "0"]
FLAGS += ["--device", "cpu", "--threads", "1", "--checkpoint-minutes", "1e-9"]


def write_run(path: Path, seed: int = 7, supervised: bool = True, config: VisionConfig | None = None) -> Path:
    """A run of `python -m cpc_repr.vision` as it lies on the disk."""
    config = config or VisionConfig(model=TINY, view=ViewConfig(grey=0))
    torch.manual_seed(seed)
    run = RunDirectory.create(path, config)
    weights = {f"model.{name}": x for name, x in PatchEncoder(config.model).state_dict().items()}
    run.checkpoints.save({"module": weights, "average": {}}, number=3)
    if supervised:
        folder = RunDirectory.create(path / "supervised", config)
        folder.checkpoints.save({"module": PictureClassifier(config.model, 3).state_dict(), "average": {}}, number=3)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detect")
    write_run(folder / "run")
    write_toy_voc(folder / "voc")
    return folder


@pytest.fixture(scope="module")
def flags(place: Path) -> list[str]:
    return [str(place / "run"), "--data", str(place / "voc"), *FLAGS]


@pytest.fixture(scope="module")
def finished(place: Path, flags: list[str]) -> Path:
    assert main([*flags, "--run", str(place / "finished")]) == 0
    return place / "finished"


def test_every_encoder_is_tried_frozen_and_tuned_and_reported(finished: Path, place: Path) -> None:
    names = {f"{weights}-{mode}-s1" for weights in ("random", "run", "supervised") for mode in ("frozen", "finetuned")}
    assert results(finished).keys() == names
    for name, found in results(finished).items():
        assert 0 <= found["voc07"] <= 1 and found["classes"].keys() == {"bright", "red"} and len(found["shown"]) == 4
        lines = (finished / name / "metrics.jsonl").read_text().splitlines()
        assert {"loss/class", "loss/box", "loss/objectness", "loss/proposal"} <= json.loads(lines[-1]).keys()
    words = (finished / "report/report.md").read_text()
    for row in ("random weights", "CPC", "supervised", "bright", "red"):
        assert f"| {row} |" in words
    assert "frozen, 11 points" in words and "fine-tuned, area" in words and "One seed" in words and "6 + 4" in words
    assert np.ptp(imread(finished / "report/pictures.png")[..., :3], axis=2).max() > 0.5  # colours
    assert results(finished)["run-frozen-s1"] != results(finished)["random-frozen-s1"]


def test_a_frozen_encoder_is_that_of_the_run_bit_for_bit_and_a_tuned_one_is_not(finished: Path, place: Path) -> None:
    start_of = {"run": newest(place / "run")["module"], "supervised": newest(place / "run/supervised")["module"]}
    for weights, prefix in (("run", "model.encoder."), ("supervised", "encoder.")):
        before = start_of[weights]
        for mode in ("frozen", "finetuned"):
            after = newest(finished / f"{weights}-{mode}-s1")["module"]
            names = [name for name in after if name.startswith("net.backbone.")]
            values = [x for name, x in before.items() if name.startswith(prefix)]
            same = [any(torch.equal(after[name], x) for x in values if x.shape == after[name].shape) for name in names]
            assert len(names) > 20 and all(same) == (mode == "frozen"), (weights, mode)


def test_a_killed_run_goes_on_bit_for_bit_and_a_finished_one_is_not_done_again(
    finished: Path, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    process = start("vision.detect", *flags, "--run", run, "--encoder", "finetuned", "--weights", "run", "random")
    while not list(run.glob("random-finetuned-s1/checkpoint-*.pt")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (run / "report/report.md").exists()
    assert main(["--resume", str(run)]) == 0
    for name in ("run-finetuned-s1", "random-finetuned-s1"):
        one, two = newest(finished / name), newest(run / name)
        assert one["updates"] == two["updates"] == 6
        assert all(torch.equal(x, two["module"][key]) for key, x in one["module"].items())
        assert results(run)[name] == results(finished)[name]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.pt")}
    capsys.readouterr()
    assert main(["--resume", str(run), "--weights", "random", "--seeds", "1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.pt")} == before
    out = capsys.readouterr().out
    assert "random weights" in out and "CPC" not in out and "done:" in out


def test_a_signal_asks_it_to_stop_and_says_how_to_go_on(flags: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("vision.detect", *flags, "--run", run, "--updates", "100000")
    while not list(run.glob("*/checkpoint-*.pt")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 130 and f"python -m cpc_repr.vision.detect --resume {run}" in out


def test_each_seed_takes_the_next_run(place: Path, flags: list[str], tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", seed=2, supervised=False)
    argv = [str(other), *flags, "--updates", "1", "--encoder", "frozen", "--seeds", "3", "--run", str(tmp_path / "out")]
    assert main(argv) == 0
    assert results(tmp_path / "out").keys() == {f"{w}-frozen-s{s}" for w in ("random", "run") for s in (1, 2, 3)}

    def stem(path: Path) -> torch.Tensor:
        module = newest(path)["module"]
        return next(x for name, x in module.items() if name.endswith(("encoder.stem.weight", "blocks.0.0.weight")))

    runs = [stem(tmp_path / "out" / f"run-frozen-s{seed}") for seed in (1, 2, 3)]
    assert torch.equal(runs[0], stem(other)) and torch.equal(runs[1], stem(place / "run"))
    assert torch.equal(runs[2], runs[0]) and not torch.equal(runs[0], runs[1])
    words = (tmp_path / "out/report/report.md").read_text()
    assert "Points above random weights" in words and "3 seeds" in words and "supervised" not in words


def test_smoke_needs_no_data(place: Path, tmp_path: Path) -> None:
    begun = time.process_time()
    assert main([str(place / "run"), "--smoke", "--run", str(tmp_path / "run")]) == 0
    assert time.process_time() - begun < 30
    assert "drawn pictures, 12 + 10, 10 classes" in (tmp_path / "run/report/report.md").read_text()


def break_boxes(voc: Path) -> None:
    file = voc / "Annotations/test_00001.xml"
    file.write_text(file.read_text().replace("<xmax>", "<xmax>9"))


def break_class(voc: Path) -> None:
    file = voc / "Annotations/test_00001.xml"
    file.write_text(file.read_text().replace("<name>red", "<name>green"))


DAMAGES = [
    (shutil.rmtree, "no such folder"),
    (lambda voc: shutil.rmtree(voc / "ImageSets"), "no file"),
    (lambda voc: (voc / "ImageSets/Main/train.txt").write_text(""), "train.txt names no picture"),
    (break_class, "'green' is none of the classes bright, red"),
    (break_boxes, "has 32 x 32 pixels; a box in its annotation ends at 9"),
    (lambda voc: (voc / "JPEGImages/train_00002.jpg").write_bytes(b"no picture"), "train_00002.jpg cannot be read"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=[words for _, words in DAMAGES])
def test_a_folder_that_is_no_voc_folder_ends_in_one_line_and_leaves_nothing(
    damage, words: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voc = shutil.copytree(place / "voc", tmp_path / "voc")
    damage(voc)
    argv = [str(place / "run"), "--data", str(voc), *FLAGS, "--quiet"]
    check_one_line(main, argv, words, tmp_path / "out", capsys)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "give the run directory"),
        (["nowhere"], "nowhere: no such run directory"),
        (["{run}", "--train-split", "trainval"], "trainval.txt: there are test, train"),
        (["{run}", "--detector.block", "3"], "--detector.block 3: the encoder has 2"),
        (["{run}", "--encoder", "thawed"], "--encoder"),
        (["{run}", "--detector.side", "8"], "--detector.side 8: input should be greater than or equal to 32"),
        (["--resume", "nowhere"], "not a run directory"),
    ],
)
def test_wrong_flags_end_in_one_line(
    argv: list[str], words: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [word.format(run=place / "run") for word in argv]
    argv += ["--quiet", *([] if "--resume" in argv else ["--data", str(place / "voc")])]
    check_one_line(main, argv, words, tmp_path / "out", capsys)


@pytest.mark.parametrize("seeds", [[], ["--seeds", "2"]])
def test_what_a_part_was_trained_with_cannot_be_changed(
    seeds: list[str], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.suffix in (".json", ".yaml", ".pt")}
    assert main(["--resume", str(finished), "--detector.hidden", "9", *seeds]) == 2
    assert "cannot resume with detector.hidden = 9: the checkpoint was made with 8" in capsys.readouterr().err
    assert main(["--resume", str(finished), "--seed", "5"]) == 2
    assert "cannot resume with run.seed = 5: the checkpoint was made with 1" in capsys.readouterr().err
    assert main(["--resume", str(finished)]) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_runs_that_differ_in_more_than_their_seed_are_refused(place: Path, tmp_path: Path) -> None:
    wide = write_run(tmp_path / "wide", config=VisionConfig(model=TINY.model_copy(update={"maps": (8, 16)})))
    with pytest.raises(UsageError, match="wide has another encoder than .*run"):
        open_starts([place / "run", wide], ["run"])
    grey = write_run(tmp_path / "grey", supervised=False, config=VisionConfig(model=TINY, method="rotation"))
    with pytest.raises(UsageError, match="grey has another method than .*run"):
        open_starts([place / "run", grey], ["run"])
    with pytest.raises(UsageError, match="grey has no supervised encoder"):
        open_starts([grey], ["supervised"])
    assert open_starts([grey], ["random", "supervised"]).weights == ("random",)
    assert open_starts([grey], ["run"]).title("run") == METHODS["rotation"].title
    assert open_starts([grey], ["run"]).grey  # by default pictures lose their colours


def test_tables_are_means_over_seeds_and_gains_are_paired() -> None:
    def one(voc07: float) -> dict:
        return {"voc07": voc07, "area": voc07 / 2, "classes": {"a": voc07, "b": None}}

    found = {}
    for seed, (low, high) in enumerate([(0.1, 0.3), (0.2, 0.5), (0.6, 0.8)]):
        found[DetectionFit("random", "frozen", seed)] = one(low)
        found[DetectionFit("run", "frozen", seed)] = one(high)
    titles = {"random": "random weights", "run": "CPC"}
    table = precision_table(found, titles, "Toys")
    assert table.header == ("", "frozen, 11 points", "frozen, area")
    assert table.rows[1][1] == "53.3 ± 62.5"  # by hand: t(2 degrees) 4.303 x 25.166 / sqrt 3
    gains = gain_table(found, titles)
    assert gains is not None  # 20, 30 and 20 points: 4.303 x 5.774 / sqrt 3 around their mean
    assert gains.rows == (("CPC", "+23.3 [9.0, 37.7], p 0.02", "+11.7 [4.5, 18.8], p 0.02"),)
    two = {fit: value for fit, value in found.items() if fit.seed < 2}
    assert gain_table(two, titles) is None


def test_boxes_that_are_found_surely_are_drawn(tmp_path: Path) -> None:
    split = ToyBoxes(1)
    for score in (0.4, 0.6):
        found = {"CPC": [([[2.0, 2.0, 20.0, 20.0]], [1], [score])]}
        figure_detections(tmp_path / f"{score}.png", [BoxedPicture(split.picture(0), split.boxes[0])], found, "ab")
    unsure, sure = (np.ptp(imread(tmp_path / f"{score}.png")[..., :3], axis=2) > 0.4 for score in (0.4, 0.6))
    assert not unsure.any() and 200 < sure.sum() < 5000  # the outline and its name, in the colour of the class


def test_it_is_a_program() -> None:
    process: subprocess.Popen = start("vision.detect", "--help")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    for word in ("--data", "--seeds", "--resume", "--smoke", "--detector.side", "--train-split", "RUN"):
        assert word in out
