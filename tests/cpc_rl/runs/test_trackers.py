"""Each tracker with its real package, offline; one that is not installed here is skipped."""

import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs import UsageError
from cpc_rl.runs import Logger, RunConfig, RunDirectory
from cpc_rl.runs.trackers import TRACKERS, Place, Wandb, check_packages, tracker_names


def place(folder: Path, at_tracker: str = "", count: int = 0) -> Place:
    config = {"run": {"seed": 1}, "aux": "cpc"}
    return Place(folder, "first", "project", at_tracker, config, "frames", count)


def test_names_come_with_commas_and_each_once() -> None:
    assert tracker_names("none") == [] and tracker_names("mlflow, wandb,mlflow") == ["mlflow", "wandb"]
    with pytest.raises(ValueError, match="no tracker 'neptune'; allowed are none, wandb, tensorboard, trackio, mlflow"):
        tracker_names("wandb,neptune")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (name, "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)  # what makes an import fail
    with pytest.raises(UsageError, match=rf'--track {name} needs a package: pip install "cpc-rl\[{name}\]"'):
        check_packages([name])


def test_a_folder_of_old_runs_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError, match=r"--track wandb needs a package: .* \(.*is only a folder"):
        check_packages(["wandb"])
    sys.modules.pop("wandb", None)


def test_wandb_has_its_own_axis_and_continues_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []

    class FakeRun:
        id = "given"

        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kw: calls.append((name, (*args, kw) if kw else args))

    def init(**kw: Any) -> FakeRun:
        calls.append(("init", kw))
        return FakeRun()

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, __file__="wandb.py"))
    tracker = Wandb(place(tmp_path, "abc"))
    tracker.write({"frames": 4, "loss": None, "entropy": 1.5})
    tracker.close()
    assert tracker.id == "given"  # not what was asked for: a sweep's agent decides
    assert calls[0][1]["id"] == "abc" and calls[0][1]["resume"] == "allow" and calls[0][1]["config"]["aux"] == "cpc"
    assert calls[1:] == [
        ("define_metric", ("frames",)),
        ("define_metric", ("*", {"step_metric": "frames"})),
        ("log", ({"frames": 4, "entropy": 1.5},)),
        ("finish", ()),
    ]


ROWS = [(10, 10.0), (20, 20.0), (30, 30.0), (40, 40.0), (50, 50.0)]


def two_parts(folder: Path, track: str) -> RunDirectory:
    """A run that is killed at 40 frames, goes on from a checkpoint of 20, and ends at 50; its loss is its frames."""
    run = RunDirectory.create(folder / "first", RunConfig())
    for begin, end in ((0, 40), (20, 50)):
        with Logger(run, RunConfig(track=track, track_project="project"), frames=begin) as logger:
            for frames in range(begin + 10, end + 1, 10):
                logger.write(frames, {"loss": frames, "gap": math.nan})
    return run


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Weights & Biases without an account; it reads the environment once a process."""
    wandb = pytest.importorskip("wandb")
    wandb.teardown()
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield wandb
    wandb.teardown()


def wandb_history(path: Path) -> list[dict[str, str]]:
    """The rows in a file of wandb's: records in the format of LevelDB's log, the first 32 KB of it."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, rows, at = path.read_bytes()[:32768], [], 7
    while at + 7 <= len(data) and (size := int.from_bytes(data[at + 4 : at + 6], "little")):
        record = Record.FromString(data[at + 7 : at + 7 + size])
        at += 7 + size
        if record.WhichOneof("record_type") == "history":
            rows.append({item.key or "/".join(item.nested_key): item.value_json for item in record.history.item})
    return rows


def test_wandb_for_real_gets_each_row_once_under_one_id(tmp_path: Path, offline: Any) -> None:
    run = two_parts(tmp_path, "wandb")
    offline.teardown()  # its service has written all by then
    first, second = sorted(run.path.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    assert first.name == second.name and first != second, "two parts of one run"
    rows = [row for path in (first, second) for row in wandb_history(path)]
    assert [(int(row["frames"]), float(row["loss"])) for row in rows] == ROWS
    assert not any("gap" in row for row in rows)


def test_wandb_under_a_sweep_agent_keeps_the_agents_id(
    tmp_path: Path, offline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    monkeypatch.setenv("WANDB_SWEEP_ID", "abcd1234")
    monkeypatch.setenv("WANDB_RUN_ID", "fromagent")
    with Logger(run, RunConfig(wandb=True)):
        pass
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name)
    offline.teardown()
    with Logger(run, RunConfig(wandb=True), frames=4):
        pass
    assert len(list(run.path.glob("wandb/offline-run-*-fromagent*"))) == 2


def test_wandb_without_an_account_costs_a_line(
    tmp_path: Path, offline: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    for name in ("HOME", "NETRC", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with Logger(RunDirectory.create(tmp_path / "run", RunConfig()), RunConfig(wandb=True)) as logger:
        assert logger.write(10, {"loss": 1.0})["loss"] == 1.0
    assert "warning: wandb failed (" in capsys.readouterr().err


def test_tensorboard_for_real_forgets_what_was_rolled_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = two_parts(tmp_path, "tensorboard")
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == ROWS
    assert "gap" not in events.Tags()["scalars"]


def test_mlflow_for_real_gets_each_row_once_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its database takes three seconds to make
    two_parts(tmp_path, "mlflow")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
    assert [(at.step, at.value) for at in client.get_metric_history(run.info.run_id, "loss")] == ROWS
    assert run.info.status == "FINISHED" and run.info.run_name == "first"
    assert run.data.params["frames"] == "4000000" and "gap" not in run.data.metrics


def test_trackio_for_real_gets_each_row_once_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    trackio = pytest.importorskip("trackio")
    run = two_parts(tmp_path, "trackio")
    (kept,) = trackio.Api().runs("project")
    assert kept.name.startswith(f"{run.path.name}-")
    storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    assert [(row["step"], row["loss"]) for row in storage.get_logs("project", kept.name)] == ROWS
