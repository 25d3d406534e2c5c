"""The loop all training shares, on the smallest thing that can be trained: a number that counts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field

from configs import Frozen, MayChange, RunFailure, UsageError
from cpc_rl.distributed import SINGLE, ProcessGroup
from cpc_rl.runs import RunDirectory, RunSettings, StopSignal, loop, read_metrics
from cpc_rl.runs.loop import idle, not_finite
from envs.api import EnvironmentFailure
from tests.cpc_rl.runs.test_files import room_for


class Settings(Frozen):
    size: int = 3
    length: MayChange[int] = 10
    run: RunSettings = Field(default_factory=lambda: RunSettings(log_updates=2, checkpoint_minutes=1e-9))


class Counter:
    """Progress goes by 4 with each update; `at` maps an update to what happens in it."""

    unit, group = "frames", SINGLE

    def __init__(self, total: int = 40, at: dict[int, Any] | None = None) -> None:
        self.total, self.updates, self.begun, self.at = total, 0, False, at or {}
        self.weight = 0.0

    @property
    def progress(self) -> int:
        return 4 * self.updates

    def begin(self) -> None:
        self.begun = True

    def describe(self, path: Path) -> str:
        return f"{path.name} at {self.progress}"

    def update(self) -> dict[str, float]:
        if self.updates in self.at:
            self.at[self.updates]()
        self.updates += 1
        return {"loss/total": float(self.updates)}

    def record(self) -> dict[str, Any]:
        return {"agent_steps": self.updates}

    def state_dict(self) -> dict[str, Any]:
        return {"updates": torch.tensor(self.updates), "module": {"weight": torch.tensor([1.0, self.weight])}}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.updates = int(saved["updates"])


def train(path: Path, learner: Counter, stop: StopSignal | None = None, **options: Any) -> bool:
    config = options.pop("config", Settings())
    run = RunDirectory.open(path) if (path / "config.yaml").exists() else RunDirectory.create(path, config)
    return loop.train(learner, run, config.run, config, stop or StopSignal(), **options)


def fail(error: Exception) -> Any:
    def raise_it() -> None:
        raise error

    return raise_it


def test_lines_hold_means_and_what_the_learner_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner = Counter()
    assert train(tmp_path / "run", learner) and learner.begun
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [row["frames"] for row in rows] == [8, 16, 24, 32, 40]
    assert [row["loss/total"] for row in rows] == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert [row["agent_steps"] for row in rows] == [2, 4, 6, 8, 10]
    assert "run at 0" in capsys.readouterr().out
    assert [p.name for p in RunDirectory(tmp_path / "run").checkpoints.paths()] == [
        "checkpoint-36.pt",
        "checkpoint-40.pt",
    ]


def test_a_signal_stops_with_a_checkpoint_and_the_run_goes_on_from_there(tmp_path: Path) -> None:
    stop = StopSignal()
    assert not train(tmp_path / "run", Counter(at={2: lambda: setattr(stop, "stop", True)}), stop)
    again = Counter()
    assert train(tmp_path / "run", again) and not again.begun and again.updates == 10
    assert [row["frames"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [8, 12, 16, 24, 32, 40]
    done = Counter()
    assert train(tmp_path / "run", done) and done.updates == 10


def test_only_marked_fields_may_change_and_a_refused_run_keeps_its_file(tmp_path: Path) -> None:
    train(tmp_path / "run", Counter())
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(UsageError, match="cannot resume with size = 4: the checkpoint was made with 3"):
        train(tmp_path / "run", Counter(), config=Settings(size=4))
    with pytest.raises(UsageError, match="cannot resume with run.seed = 2"):
        train(tmp_path / "run", Counter(), config=Settings(run=RunSettings(seed=2)))
    assert (tmp_path / "run" / "config.yaml").read_text() == before
    assert train(tmp_path / "run", Counter(48), config=Settings(length=12, run=RunSettings(threads=3)))
    assert "length: 12" in (tmp_path / "run" / "config.yaml").read_text()


def test_damaged_metrics_are_told_before_anything_is_written(tmp_path: Path) -> None:
    train(tmp_path / "run", Counter())
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write("null\n")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(RunFailure, match="metrics.jsonl, line 6: None is no row"):
        train(tmp_path / "run", Counter(48), config=Settings(length=12))
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_configuration_of_old_is_read_in_the_words_of_today(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", Settings())
    old = {"extent": 3, "length": 10, "run": Settings().run.model_dump(mode="json")}
    run.checkpoints.save({"updates": torch.tensor(5), "config": old, "logger": {}}, number=20)

    def reread(tree: dict[str, Any]) -> Settings:
        if tree["extent"] != 3:
            raise ValueError("extent must be 3")
        return Settings(size=tree["extent"], **{key: value for key, value in tree.items() if key != "extent"})

    learner = Counter()
    assert train(tmp_path / "run", learner, reread=reread) and not learner.begun
    run.checkpoints.save({"updates": torch.tensor(5), "config": {**old, "extent": 4}, "logger": {}}, number=60)
    with pytest.raises(UsageError, match="extent must be 3"):
        train(tmp_path / "run", Counter(), reread=reread)


@pytest.mark.parametrize("error", [RunFailure("the loss is nan"), EnvironmentFailure("worker 3 died")])
def test_a_failed_update_keeps_the_checkpoints_before_it(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(RunFailure, match=f"{error}; the newest checkpoint before it is .*checkpoint-20"):
        train(tmp_path / "run", Counter(at={5: fail(error)}))
    assert RunDirectory(tmp_path / "run").checkpoints.load()["updates"] == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path, value: float) -> None:
    learner = Counter()
    learner.at = {5: lambda: setattr(learner, "weight", value)}
    with pytest.raises(RunFailure, match=r"module.weight is not finite after update 6; .* is .*checkpoint-20"):
        train(tmp_path / "run", learner)
    assert RunDirectory(tmp_path / "run").checkpoints.load()["updates"] == 5


def test_a_checkpoint_that_is_not_there_is_not_promised(tmp_path: Path) -> None:
    learner = Counter()
    learner.weight = float("nan")
    with pytest.raises(RunFailure, match="weight is not finite after update 0; there is no checkpoint before it"):
        train(tmp_path / "run", learner)
    with pytest.raises(RunFailure, match="the loss is nan; the newest checkpoint before it is .*checkpoint-0.pt"):
        train(tmp_path / "other", Counter(at={0: fail(RunFailure("the loss is nan"))}))


def test_a_run_that_is_killed_behind_its_first_line_goes_on(tmp_path: Path) -> None:
    """As while it evaluates for the first time."""

    def kill(progress: int, row: object) -> bool:
        raise KeyboardInterrupt

    rare = Settings(run=RunSettings(log_updates=1, checkpoint_minutes=100.0))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", Counter(), config=rare, callback=kill)
    assert [row["frames"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [4]
    again = Counter()
    assert train(tmp_path / "run", again, config=rare) and not again.begun
    assert [row["frames"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [*range(4, 41, 4)]


def test_where_a_tree_is_not_finite() -> None:
    tree = {"a": [torch.tensor(1), {"b": torch.tensor([1.0, torch.nan])}], "n": 3}
    assert not_finite(tree) == "a.1.b" and not_finite(tree["a"][0]) is None and not_finite({"x": float("nan")}) is None


@pytest.mark.parametrize("damage", [{"logger": 3}, {"config": {"size": "many"}}, {"config": None}, {"updates": None}])
def test_a_checkpoint_damaged_in_a_way_that_is_valid_gives_way_to_the_one_before(
    tmp_path: Path, damage: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "run", Counter())
    run = RunDirectory(tmp_path / "run")
    path = run.checkpoints.paths()[-1]
    torch.save({**torch.load(path, weights_only=True), **damage}, path)
    again = Counter()
    assert train(run.path, again) and again.updates == 10
    error = capsys.readouterr().err
    assert "checkpoint-40.pt is damaged" in error and error.count("\n") == 1
    assert [row["frames"] for row in read_metrics(run.metrics_path)] == [8, 16, 24, 32, 40]


def test_a_full_disk_keeps_the_checkpoints_there_are(tmp_path: Path) -> None:
    learner = Counter()
    train(tmp_path / "run", learner)
    learner = Counter(48)
    big = torch.zeros(100_000)
    learner.at = {11: lambda: setattr(learner, "state_dict", lambda: {"updates": torch.tensor(12), "module": big})}
    words = "cannot write .*checkpoint-48.pt: File too large; the newest checkpoint before it is .*checkpoint-44.pt"
    with room_for(50_000), pytest.raises(RunFailure, match=words):
        train(tmp_path / "run", learner)
    again = Counter(48)
    assert train(tmp_path / "run", again) and again.updates == 12


def test_a_loss_that_counts_nothing_is_warned_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learner = Counter()
    inner = learner.update

    def update() -> dict[str, float]:
        now = learner.updates
        return {**inner(), "loss/cpc": 0.0, "loss/curl": float(now in (0, 5)), "cpc/accuracy_1": 0.0}

    learner.update = update
    train(tmp_path / "run", learner)
    out = capsys.readouterr().out
    assert out.count("warning:") == 2
    assert "warning: loss/cpc was exactly 0 in 2 updates: it counts nothing so far" in out
    assert out.index("loss/cpc") < out.index("loss/curl")  # which counted something at first


def test_losses_that_counted_nothing() -> None:
    assert idle({"loss/a": [0.0, 0.0], "loss/b": [0.0, 1e-9], "cpc/x": [0.0], "loss/c": [float("nan")]}) == {"loss/a"}


@pytest.mark.parametrize(("log_updates", "end"), [(1, 12), (2, 16), (20, 40)])
def test_a_callback_sees_each_line_and_ends_the_run(tmp_path: Path, log_updates: int, end: int) -> None:
    config = Settings(run=RunSettings(log_updates=log_updates, checkpoint_minutes=60))
    seen: list[tuple[int, Any]] = []

    def enough(frames: int, line: Any) -> bool:
        seen.append((frames, line))
        return frames >= 12

    assert train(tmp_path / "run", Counter(), config=config, callback=enough)
    run = RunDirectory.open(tmp_path / "run")
    rows = read_metrics(run.metrics_path)
    assert rows == [line for _, line in seen] and [row["frames"] for row in rows] == [frames for frames, _ in seen]
    assert rows[-1]["frames"] == end and run.checkpoints.paths()[-1].name == f"checkpoint-{end}.pt"
    assert run.read_stopped() == ("the callback asked for it" if end < 40 else "")
    assert train(tmp_path / "run", Counter(), config=config) and not run.read_stopped()  # without it the run goes on
    assert read_metrics(run.metrics_path)[-1]["frames"] == 40


class Beside(ProcessGroup):
    """Ranks that are threads of one process."""

    def __init__(self, rank: int, barrier: threading.Barrier, said: list[tuple[bool, ...]]) -> None:
        super().__init__(rank, barrier.parties)
        self.barrier, self.said = barrier, said

    def any(self, *flags: bool) -> tuple[bool, ...]:
        self.said[self.rank] = flags
        self.barrier.wait(20)
        told = tuple(map(any, zip(*self.said, strict=True)))
        self.barrier.wait(20)
        return told


def test_ranks_agree_to_stop_when_the_callback_of_the_first_one_says_so(tmp_path: Path) -> None:
    barrier, said = threading.Barrier(2), [(), ()]
    learners, calls = [Counter(), Counter()], [[], []]
    run = RunDirectory.create(tmp_path / "run", Settings())

    def rank(number: int) -> bool:
        learner = learners[number]
        learner.group = Beside(number, barrier, said)

        def callback(frames: int, line: Any) -> bool:
            calls[number].append(frames)
            return frames >= 16

        return loop.train(learner, run, Settings().run, Settings(), StopSignal(), callback=callback)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rank, range(2))) == [True, True]
    assert [learner.progress for learner in learners] == [16, 16] and calls == [[8, 16], []]
