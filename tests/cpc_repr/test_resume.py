"""What `--resume` takes, and that it changes nothing where it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from cpc_repr.audio.__main__ import main as audio
from cpc_repr.resume import DIGEST
from cpc_repr.text.__main__ import main as text
from cpc_repr.vision.__main__ import main as vision
from tests.cpc_repr.audio import test_command as audio_command
from tests.cpc_repr.audio.toy import write_toy as write_speech
from tests.cpc_repr.commands import results
from tests.cpc_repr.text import test_command as text_command
from tests.cpc_repr.text.toy import write_books, write_toy_tasks
from tests.cpc_repr.vision import test_command as vision_command
from tests.cpc_repr.vision.toy import toy_split, write_toy

BRIEF = vision_command.TINY.replace("updates: 8", "updates: 1").replace(
    "supervised_updates: 3", "supervised_updates: 0"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy pictures, and runs on them: of one seed, of two, and of an ablation."""
    folder = tmp_path_factory.mktemp("place")
    write_toy(folder / "toy")
    (folder / "brief.yaml").write_text(BRIEF)
    flags = ["--data", str(folder / "toy"), "--config", str(folder / "brief.yaml"), "--quiet"]
    for name, more in (("one", ()), ("two", ("--seeds", "2")), ("rows", ("--ablation", "norm"))):
        assert vision([*flags, "--run", str(folder / name), *more]) == 0
    return folder


def files(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize(
    "name, flags, words",
    [
        ("two", ["--batch-size", "6"], "cannot resume with train.batch_size = 6: the checkpoint was made with 4"),
        ("two", ["--batch-size", "6", "--seeds", "3"], "cannot resume with train.batch_size = 6"),
        ("two", ["--seed", "5"], "cannot resume with run.seed = 5: the checkpoint was made with 1"),
        ("two", ["--ablation", "norm"], "cannot resume with ablation = norm: the checkpoint was made with none"),
        ("one", ["--ablation", "norm"], "cannot resume with ablation = norm: the checkpoint was made with none"),
        ("rows", ["--batch-size", "6"], "cannot resume with train.batch_size = 6: the checkpoint was made with 4"),
        ("one", ["--seeds", "2"], "--seeds 2: {run} was begun with one seed; make another run: --config {run}/config"),
        ("two", ["--seeds", "1"], "--seeds 1: {run} was begun with several; make another run: --config {run}/config"),
        ("rows", ["--seeds", "2"], "--seeds 2: {run} was begun with one seed; make another run: --config {run}/config"),
    ],
)
def test_a_refused_command_changes_nothing(
    name: str, flags: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = place / name
    before = files(run)
    assert vision(["--resume", str(run), *flags]) == 2
    said = capsys.readouterr().err
    assert words.format(run=run) in said and len(said.splitlines()) == 1
    assert files(run) == before


@pytest.mark.parametrize("name", ["one", "two", "rows"])
def test_the_same_settings_go_on(name: str, place: Path) -> None:
    before = {path: content for path, content in files(place / name).items() if path.suffix in (".pt", ".yaml")}
    assert vision(["--resume", str(place / name)]) == 0
    assert before.items() <= files(place / name).items()


def test_another_seed_is_added_and_results_of_the_first_ones_stay(place: Path, tmp_path: Path) -> None:
    run = shutil.copytree(place / "two", tmp_path / "run")
    assert vision(["--resume", str(run), "--seeds", "3"]) == 0
    assert {path.parent.name for path in run.glob("s*/checkpoint-1.pt")} == {"s1", "s2", "s3"}
    assert results(run / "s2") == results(place / "two/s2")
    assert "3 seeds" in (run / "report/table.md").read_text()


def test_what_an_older_version_spoilt_goes_on_with_the_settings_of_its_checkpoints(place: Path, tmp_path: Path) -> None:
    run = shutil.copytree(place / "two", tmp_path / "run")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("  batch_size: 4", "  batch_size: 6", 1))
    assert vision(["--resume", str(run)]) == 2
    assert vision(["--resume", str(run), "--batch-size", "4"]) == 0
    assert vision(["--resume", str(run)]) == 0


@pytest.mark.parametrize("more", [[], ["--seeds", "2"]])
def test_the_length_over_which_a_learning_rate_falls_stays(
    more: list[str], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ["--data", str(place / "toy"), "--config", str(place / "brief.yaml"), "--supervised-updates", "2", *more]
    assert vision([*flags, "--optimiser.schedule", "linear", "--run", str(run), "--quiet"]) == 0
    before = files(run)
    for key, was in (("train.supervised_updates", 2), ("train.updates", 1)):
        flag = "--" + key.removeprefix("train.").replace("_", "-")
        assert vision(["--resume", str(run), flag, "3"]) == 2
        assert f"cannot resume with {key} = 3: the checkpoint was made with {was}, over" in capsys.readouterr().err
        assert files(run) == before
    assert vision(["--resume", str(run)]) == 0
    assert vision(["--resume", str(run), "--supervised-updates", "0"]) == 0  # leaves it out


def other_picture(data: Path) -> None:
    shutil.copy(next((data / "train/class1").iterdir()), data / "train/class0/zz.png")


def other_pixels(data: Path) -> None:
    from PIL import Image

    file = sorted((data / "train/class0").iterdir())[0]
    Image.fromarray(toy_split(1, 9).picture(0).permute(1, 2, 0).numpy()).save(file)


def test_pictures_may_move_but_not_change(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        run, data = shutil.copytree(place / name, tmp_path / name), tmp_path / f"elsewhere-{name}"
        shutil.copytree(place / "toy", data)
        before = files(run)
        assert vision(["--resume", str(run), "--data", str(data)]) == 0
        kept = {path: content for path, content in before.items() if path.name in ("results.json", DIGEST)}
        assert kept.items() <= files(run).items()  # nothing is computed anew
        assert f"data: {data}" in (run / "config.yaml").read_text()
        assert vision(["--resume", str(run), "--updates", "2"]) == 0
        for change in (other_picture, other_pixels):
            other, before = shutil.copytree(place / "toy", tmp_path / f"{change.__name__}-{name}"), files(run)
            change(other)
            capsys.readouterr()
            assert vision(["--resume", str(run), "--data", str(other), "--updates", "3"]) == 2
            assert "cannot resume: the data are not those the run was begun with" in capsys.readouterr().err
            assert files(run) == before


def test_a_run_that_kept_no_digest_stays_with_its_folder(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = shutil.copytree(place / "one", tmp_path / "run"), shutil.copytree(place / "toy", tmp_path / "toy")
    (run / DIGEST).unlink()
    before = files(run)
    assert vision(["--resume", str(run), "--data", str(data)]) == 2
    assert f"cannot resume with data.data = {data}: the run was begun with {place / 'toy'}\n" in capsys.readouterr().err
    assert files(run) == before
    assert vision(["--resume", str(run)]) == 0


def test_speech_may_move_but_not_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, moved, run = write_speech(tmp_path / "data"), tmp_path / "moved", tmp_path / "run"
    (tmp_path / "tiny.yaml").write_text(audio_command.TINY)
    flags = ["--supervised-updates", "0", "--updates", "1", "--quiet"]
    assert audio(["--data", str(data), "--config", str(tmp_path / "tiny.yaml"), "--run", str(run), *flags]) == 0
    data.rename(moved)
    labels = (moved / "converted_aligned_phones.txt").rename(tmp_path / "labels.txt")
    lists = [(moved / name).rename(tmp_path / name) for name in ("train_split.txt", "test_split.txt")]
    places = ["--labels", str(labels), "--train-list", str(lists[0]), "--test-list", str(lists[1])]
    before = results(run)
    assert audio(["--resume", str(run), "--data", str(moved), *places]) == 0
    assert results(run) == before
    assert audio(["--resume", str(run), "--updates", "2"]) == 0
    shorter = tmp_path / "shorter.txt"
    shorter.write_text("\n".join(lists[0].read_text().split()[:-1]))
    relabelled = tmp_path / "relabelled.txt"
    relabelled.write_text(labels.read_text().replace(" 1 ", " 2 "))
    for other in (["--train-list", str(shorter)], ["--labels", str(relabelled)]):
        capsys.readouterr()
        assert audio(["--resume", str(run), *other, "--updates", "3"]) == 2
        assert "the data are not those" in capsys.readouterr().err
    file = moved / "1/1/1-1-0000.flac"
    sound, rate = soundfile.read(file)
    soundfile.write(file, sound[:-1], rate)
    assert audio(["--resume", str(run), "--updates", "3"]) == 2
    assert "the data are not those" in capsys.readouterr().err


def test_books_may_move_but_not_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books, moved, run = write_books(tmp_path / "books"), tmp_path / "moved", tmp_path / "run"
    (tmp_path / "tiny.yaml").write_text(text_command.TINY)
    flags = ["--tasks", str(write_toy_tasks(tmp_path / "tasks")), "--config", str(tmp_path / "tiny.yaml"), "--quiet"]
    flags += ["--updates", "1", "--supervised-epochs", "0"]
    assert text(["--data", str(books), "--run", str(run), *flags]) == 0
    books.rename(moved)
    before = (run / "report/results.json").read_bytes()
    assert text(["--resume", str(run), "--data", str(moved)]) == 0
    assert (run / "report/results.json").read_bytes() == before
    book = moved / "00.txt"
    book.write_text("\n".join(reversed(book.read_text().splitlines())))  # the same words
    before_all = files(run)
    capsys.readouterr()
    assert text(["--resume", str(run), "--updates", "2"]) == 2
    assert "the data are not those" in capsys.readouterr().err and files(run) == before_all
