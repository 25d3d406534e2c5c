"""What trackers are sent over a run's parts, and what happens when one fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from cpc_rl.runs import Logger, RunConfig, RunDirectory, RunSettings
from cpc_rl.runs.metrics import Row
from cpc_rl.runs.trackers import TRACKERS, Place
from tests.cpc_rl.runs.test_loop import Counter, Settings
from tests.cpc_rl.runs.test_loop import train as run_to_its_end


class Fake:
    """A tracker that remembers, over all runs and parts: it cannot take anything back."""

    forgets = False
    places: list[Place]
    rows: list[Row]
    fails = ""

    def __init__(self, place: Place) -> None:
        self.places.append(place)
        self.id = place.id or f"id-{len(self.places)}"
        self.fail("open")

    def write(self, row: Row) -> None:
        self.fail("write")
        self.rows.append(row)

    def close(self) -> None:
        self.fail("close")

    def fail(self, when: str) -> None:
        if when == self.fails:
            raise ConnectionError(f"no network\nto {when}")


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two trackers of their own memory."""
    made = {name: type(name.title(), (Fake,), {"places": [], "rows": []}) for name in ("wandb", "mlflow")}
    for name, fake in made.items():
        monkeypatch.setitem(TRACKERS, name, fake)
    return made


def run_in(path: Path) -> RunDirectory:
    return RunDirectory.open(path) if path.exists() else RunDirectory.create(path, RunConfig())


def train(path: Path, track: str, begin: int, end: int, close: bool = True) -> None:
    """A part of a run: a line of metrics each 10 frames, an evaluation each 20."""
    logger = Logger(run_in(path), RunConfig(track=track), frames=begin)
    for frames in range(begin + 10, end + 1, 10):
        logger.write(frames, {"loss": frames})
        if frames % 20 == 0:
            logger.write(frames, {"eval/return": frames})
    if close:
        logger.__exit__(None, None, None)


def seen(fake: Any) -> list[tuple[Any, bool]]:
    return [(row["frames"], "eval/return" in row) for row in fake.rows]


def lines(end: int) -> list[tuple[int, bool]]:
    return [(f, which) for f in range(10, end + 1, 10) for which in (False, True) if not which or f % 20 == 0]


def test_a_run_that_is_killed_and_rolled_back_sends_no_row_twice_and_none_never(
    tmp_path: Path, fakes: dict[str, Any]
) -> None:
    path = tmp_path / "run"
    train(path, "wandb", 0, 50, close=False)  # killed; its checkpoint is of 20 frames
    train(path, "wandb", 20, 40, close=False)  # and again, before it got as far
    train(path, "wandb", 30, 80)
    assert seen(fakes["wandb"]) == lines(80)
    assert [place.id for place in fakes["wandb"].places] == ["", "id-1", "id-1"]
    assert [place.count for place in fakes["wandb"].places] == [0, 20, 30]


def test_killed_in_an_evaluation_the_next_part_sends_it(tmp_path: Path, fakes: dict[str, Any]) -> None:
    path = tmp_path / "run"
    logger = Logger(run_in(path), RunConfig(track="wandb"))
    logger.write(10, {"loss": 10})
    logger.write(20, {"loss": 20})  # its evaluation begins, and the run is killed
    train(path, "wandb", 10, 20)
    assert seen(fakes["wandb"]) == lines(20)


def test_a_tracker_that_is_asked_for_later_gets_the_whole_run(tmp_path: Path, fakes: dict[str, Any]) -> None:
    path = tmp_path / "run"
    train(path, "none", 0, 40)
    assert not (path / "trackers.json").exists()
    train(path, "mlflow,wandb", 40, 60)
    train(path, "mlflow", 60, 80)
    train(path, "wandb", 80, 100)
    assert seen(fakes["wandb"]) == lines(100) and seen(fakes["mlflow"]) == lines(80)


@pytest.mark.parametrize("when", ["open", "write", "close"])
def test_one_that_fails_costs_a_line_and_a_resumed_run_sends_what_is_missing(
    when: str, tmp_path: Path, fakes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    train(path, "wandb,mlflow", 0, 20)
    fakes["wandb"].fails = when
    capsys.readouterr()
    train(path, "wandb,mlflow", 20, 60)
    said = capsys.readouterr().err
    assert said.startswith(f"warning: wandb failed (no network to {when})") and said.count("\n") == 1
    assert seen(fakes["mlflow"]) == lines(60) and seen(fakes["wandb"]) == lines(60 if when == "close" else 20)
    fakes["wandb"].fails = ""
    train(path, "wandb,mlflow", 60, 80)
    assert seen(fakes["wandb"]) == lines(80) == seen(fakes["mlflow"])


def test_a_run_that_is_done_sends_what_is_missing_too(tmp_path: Path, fakes: dict[str, Any]) -> None:
    for track, expected in (("none", []), ("wandb", [4, 8]), ("wandb", [4, 8])):
        config = Settings(run=RunSettings(log_updates=1, track=track))
        assert run_to_its_end(tmp_path / "run", Counter(8), config=config)
        assert [row["frames"] for row in fakes["wandb"].rows] == expected


def test_one_that_forgets_is_sent_anew_what_was_rolled_back(tmp_path: Path, fakes: dict[str, Any]) -> None:
    fakes["wandb"].forgets = True
    train(tmp_path / "run", "wandb", 0, 50, close=False)
    train(tmp_path / "run", "wandb", 20, 30)
    assert seen(fakes["wandb"]) == [*lines(50), (30, False)]


def test_old_checkpoints_hold_the_id_at_wandb(tmp_path: Path, fakes: dict[str, Any]) -> None:
    run = run_in(tmp_path / "run")
    with Logger(run, RunConfig()) as logger:
        logger.write(10, {})
    with Logger(run, RunConfig(wandb=True), frames=10, state={"seconds": 1.0, "wandb_id": "old"}) as logger:
        logger.write(20, {})
    assert fakes["wandb"].places[0].id == "old" and seen(fakes["wandb"]) == [(20, False)]


@pytest.mark.parametrize("text", ["", "[1]", '{"wandb": 3}', '{"wandb": ["id", "x", 0]}', "[" * 9999])
def test_a_damaged_trackers_json_costs_a_line(
    text: str, tmp_path: Path, fakes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", "wandb", 0, 20)
    (tmp_path / "run" / "trackers.json").write_text(text)
    train(tmp_path / "run", "wandb", 20, 40)
    assert "trackers.json is damaged" in capsys.readouterr().err
    assert fakes["wandb"].places[-1].id == "" and seen(fakes["wandb"]) == [*lines(20), *lines(40)]


def test_a_run_that_counts_updates_is_sent_by_them(tmp_path: Path, fakes: dict[str, Any]) -> None:
    for begin, end in ((0, 3), (2, 4)):
        with Logger(run_in(tmp_path / "run"), RunConfig(track="wandb"), frames=begin, unit="updates") as logger:
            for updates in range(begin + 1, end + 1):
                logger.write(updates, {"loss/total": 1.0})
    assert [row["updates"] for row in fakes["wandb"].rows] == [1, 2, 3, 4]
    assert fakes["wandb"].places[1].unit == "updates" and fakes["wandb"].places[1].count == 2


def test_a_run_within_another_is_filed_under_both_names(tmp_path: Path, fakes: dict[str, Any]) -> None:
    run_in(tmp_path / "outer")
    train(tmp_path / "outer" / "s1", "wandb", 0, 10)
    place = fakes["wandb"].places[0]
    assert place.name == "outer/s1" and place.project == "cpc-rl" and place.unit == "frames"
    assert place.config["seed"] == 1
    assert json.loads((tmp_path / "outer/s1/trackers.json").read_text()) == {"wandb": ["id-1", 10, 0]}
