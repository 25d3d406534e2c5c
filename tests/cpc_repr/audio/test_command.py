"""`python -m cpc_repr.audio` as a user meets it, in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from cpc_repr.audio import load
from cpc_repr.audio.__main__ import main
from cpc_repr.audio.extract import main as extract
from cpc_rl.runs import read_metrics
from tests.cpc_repr.audio.toy import tones, write_toy
from tests.cpc_repr.commands import (
    check_a_stopped_run_goes_on,
    check_help,
    check_kills,
    check_nothing_is_computed_anew,
    check_one_line,
    check_the_mean_of_weights_is_used,
    finish,
    results,
    start,
)

TINY = """
train: {updates: 8, supervised_updates: 3}
batches: {window: 6400, batch_size: 4}
cpc: {steps: 3}
model: {channels: 8, context: 8, norm: batch}
probe: {epochs: 1, hidden: 4}
evaluation: {batches: 1, picture_speakers: 3, picture_frames: 10}
run: {threads: 1, device: cpu, log_updates: 2, checkpoint_minutes: 1.0e-9}
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tiny.yaml").write_text(TINY)
    return ["--data", str(write_toy(folder / "toy")), "--config", str(folder / "tiny.yaml")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, toy: list[str]) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main([*toy, "--run", str(run)]) == 0
    return run


def test_smoke(tmp_path: Path) -> None:
    """With nothing given but --smoke: synthetic speech, all stages, table and pictures."""
    out = finish(start("audio", "--smoke", "--run", tmp_path / "run", "--corpora", tmp_path / "corpora"))
    table = (tmp_path / "run/report/table.md").read_text()
    for row in (
        "most frequent class",
        "random weights",
        "MFCC, 13 |",
        "MFCC, 13 + deltas",
        "CPC |",
        "MLP",
        "supervised",
    ):
        assert f"| {row}" in table or row in table
    assert "64.6" in table and "97.4" in table and "synthetic speech" in table
    assert "12 updates (100%)" in out and "left" in out and "done:" in out
    assert {p.name for p in (tmp_path / "run/report").iterdir()} == {
        "table.md",
        "results.json",
        "accuracy_per_step.png",
        "speakers.png",
    }


def test_what_a_run_leaves(finished: Path) -> None:
    run = finished
    rows = read_metrics(run / "metrics.jsonl")
    assert [row["updates"] for row in rows] == [2, 4, 6, 8]
    assert {"loss/total", "cpc/accuracy_1", "cpc/bound_3", "cpc/log_n", "updates_per_second"} <= rows[0].keys()
    results = json.loads((run / "report/results.json").read_text())["results"]
    pictures = {"per_offset", "speakers.png"}
    assert results.keys() == {"chance", "cpc", "random", "mfcc13", "mfcc39", "bound", *pictures}
    assert results["mfcc13"] != results["mfcc39"] and results["random"] != results["cpc"]
    for row in ("cpc", "random", "mfcc13", "mfcc39"):
        assert results[row].keys() == {"phone", "speaker", "phone_mlp", "speaker_mlp"}
    assert len(results["per_offset"]["win_rate"]) == 3 and 0 < results["per_offset"]["chance"][0] < 0.02
    assert not (run / "scratch").exists()


def test_resuming_a_finished_run_computes_nothing_anew(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_nothing_is_computed_anew(main, finished, capsys, "64.6")


def test_a_stopped_run_goes_on_bit_for_bit(finished: Path, toy: list[str], tmp_path: Path) -> None:
    check_a_stopped_run_goes_on("audio", main, toy, finished, tmp_path / "run")


@pytest.mark.slow
def test_killed_at_random_moments_it_is_the_run_that_was_never_killed(
    finished: Path, toy: list[str], tmp_path: Path
) -> None:
    check_kills("audio", toy, finished, tmp_path)


def test_the_mean_of_weights_is_what_is_evaluated(finished: Path, toy: list[str], tmp_path: Path) -> None:
    check_the_mean_of_weights_is_used(main, toy, load, finished, tmp_path / "run")


def test_seeds_and_ablation(toy: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--ablation", "strategies", "--seeds", "2", "--updates", "2"]
    assert main([*toy, "--run", str(run), *flags]) == 0
    table = (run / "report/table.md").read_text()
    assert all(f"| {row} |" in table for row in ("mixed speaker", "same speaker (excl.)", "current sequence only"))
    assert "±" in table and "57.3" in table and "2 seeds" in table
    assert len(list(run.glob("*/checkpoint-2.pt"))) == 10


def test_greedy(toy: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*toy, "--run", str(run), "--greedy", "--negatives.count", "10"]) == 0
    table = (run / "report/table.md").read_text()
    assert all(f"| {name} |" in table for name in ("conv1", "conv5", "gru"))
    assert {"loss/conv1", "loss/gru", "conv3/accuracy_2"} <= read_metrics(run / "metrics.jsonl")[0].keys()
    assert load(run).encode(torch.zeros(1_000)).c.shape[1] == 8


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--stepz", "3"], "did you mean --steps"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--smoke", "--corpora", "/dev/null/corpora"], "/dev/null/corpora: generated data cannot be kept there"),
        (["--labels", "labels.txt"], "--labels belongs to --data"),
        (["--resume", "/no/such/run"], "not a run directory"),
        (["--window", "10"], "--window 10"),
        (["--smoke", "--batch-size", "1", "--negatives.exclude", "own"], "leaves no negative"),
        (["--smoke", "--batch-size", "1", "--negatives.pool", "time"], "leaves no negative"),
        (["--smoke", "--steps", "64"], "--steps 64: windows of 64 steps allow at most 63"),
    ],
)
def test_wrong_flags_end_in_one_line(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_one_line(main, flags, words, tmp_path / "run", capsys)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    check_help(main, ("--ablation", "--greedy", "--steps", "--negatives.pool", "extract"), capsys)


def test_extract(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished
    sound = tones(np.zeros(200, dtype=int), 0, 32_000, np.random.default_rng(0))
    (tmp_path / "in/deep").mkdir(parents=True)
    soundfile.write(tmp_path / "in/deep/a.flac", sound, 16_000)
    soundfile.write(tmp_path / "in/b.wav", sound, 16_000, subtype="FLOAT")
    out = tmp_path / "out"
    assert extract([str(run), "--audio", str(tmp_path / "in"), "--out", str(out)]) == 0
    want = load(run).encode(sound)
    got = np.load(out / "b.npz")
    np.testing.assert_allclose(got["z"], want.z, atol=1e-5)
    np.testing.assert_allclose(got["c"], want.c, atol=1e-5)
    assert np.load(out / "deep/a.npz")["c"].shape == want.c.shape
    (tmp_path / "in/b.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "in/c.wav", sound, 8_000)
    flags = ["--audio", str(tmp_path / "in"), "--out", str(tmp_path / "npy"), "--format", "npy"]
    assert extract([str(run), *flags]) == 1
    assert np.load(tmp_path / "npy/deep/a.npy").shape == want.c.shape
    said = capsys.readouterr()
    assert (
        "8000 samples a second" in said.err
        and "2 recordings could not be read" in said.err
        and "1 of 3 recordings" in said.out
    )


def test_extract_converts_and_keeps_namesakes_apart(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tones(np.zeros(200, dtype=int), 0, 32_000, np.random.default_rng(0))
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, scale in (("a.flac", 1.0), ("a.wav", 0.5), ("a.flac.ogg", 0.25), ("b.wav", 1.0)):
        soundfile.write(folder / name, scale * sound, 16_000)
    soundfile.write(folder / "stereo.wav", np.stack([sound, sound], 1)[::2], 8_000)
    flags = [str(finished), "--audio", str(folder), "--out", str(out)]
    assert extract([*flags, "--convert"]) == 0
    made = sorted(path.name for path in out.iterdir())
    assert made == ["a.flac.npz", "a.flac.ogg.npz", "a.wav.npz", "b.npz", "stereo.npz"]
    np.testing.assert_allclose(np.load(out / "a.wav.npz")["z"], load(finished).encode(0.5 * sound).z, atol=1e-3)
    assert np.load(out / "stereo.npz")["z"].shape == np.load(out / "b.npz")["z"].shape
    capsys.readouterr()
    (tmp_path / "mp3").mkdir()
    (tmp_path / "mp3/x.mp3").write_bytes(b"ID3")
    assert extract([str(finished), "--audio", str(tmp_path / "mp3"), "--out", str(out)]) == 2
    assert "x.mp3 is mp3, which is not read" in capsys.readouterr().err
    assert extract([str(finished), "--audio", str(folder / "b.wav"), "--out", str(out)]) == 2
    assert "b.wav: not a folder" in capsys.readouterr().err


def test_a_corpus_without_phone_labels_is_probed_for_speakers(tmp_path: Path) -> None:
    root = write_toy(tmp_path / "toy")
    (root / "converted_aligned_phones.txt").unlink()
    (tmp_path / "tiny.yaml").write_text(TINY)
    flags = ["--data", str(root), "--config", str(tmp_path / "tiny.yaml"), "--run", str(tmp_path / "run")]
    assert main(flags) == 0
    found = results(tmp_path / "run")
    for row in ("chance", "cpc", "random", "mfcc13", "mfcc39", "bound"):
        assert found[row] and all(task.startswith("speaker") for task in found[row])
