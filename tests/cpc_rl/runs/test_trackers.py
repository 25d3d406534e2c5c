import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from configs import UsageError
from cpc_rl.runs import Logger, RunConfig, RunDirectory
from cpc_rl.runs.trackers import TensorBoard, Wandb, check_trackers


@pytest.mark.parametrize(("kind", "args"), [(Wandb, ("project", "id", {})), (TensorBoard, (0,))])
def test_a_missing_package_names_the_extra(
    kind: Any, args: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)  # what makes an import fail
    with pytest.raises(UsageError, match=rf'--{kind.__name__.lower()} needs a package: pip install "cpc-rl\['):
        kind(tmp_path, *args)


def test_wandb_has_its_own_axis_and_continues_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []

    class FakeRun:
        id = "given"

        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kw: calls.append((name, (*args, kw) if kw else args))

    def init(**kw: Any) -> FakeRun:
        calls.append(("init", kw))
        return FakeRun()

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=RuntimeError))
    tracker = Wandb(tmp_path, "project", "abc", {"seed": 1})
    tracker.write({"frames": 4, "loss": None, "entropy": 1.5})
    tracker.close()
    assert tracker.id == "given"  # not what was asked for: a sweep's agent decides
    assert calls[0][1]["id"] == "abc" and calls[0][1]["resume"] == "allow" and calls[0][1]["config"] == {"seed": 1}
    assert calls[1:] == [
        ("define_metric", ("frames",)),
        ("define_metric", ("*", {"step_metric": "frames"})),
        ("log", ({"frames": 4, "entropy": 1.5},)),
        ("finish", ()),
    ]


def test_wandb_without_an_account_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty)")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=RuntimeError))
    with pytest.raises(UsageError, match="api_key not configured.*WANDB_MODE=offline"):
        Wandb(tmp_path, "project", "abc", {})


@pytest.mark.slow
def test_wandb_under_a_sweep_agent_keeps_the_agents_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    wandb.teardown()  # it reads the environment once a process
    for name, value in {"MODE": "offline", "SILENT": "true", "SWEEP_ID": "abcd1234", "RUN_ID": "fromagent"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    with Logger(run, RunConfig(wandb=True)) as logger:
        state = logger.state_dict()
    assert state["wandb_id"] == "fromagent"
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name)
    wandb.teardown()
    with Logger(run, RunConfig(wandb=True), frames=4, state=state) as logger:
        assert logger.state_dict()["wandb_id"] == "fromagent"
    assert len(list(run.path.glob("wandb/offline-run-*-fromagent*"))) == 2


@pytest.mark.slow
def test_wandb_offline_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracker = Wandb(tmp_path, "project", "abc", {"seed": 1})
    tracker.write({"frames": 4, "entropy": 1.5})
    tracker.close()
    assert list(tmp_path.glob("wandb/offline-run-*-abc/run-abc.wandb"))


def test_tensorboard_steps_are_frames_and_a_resume_hides_the_future(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoard(tmp_path, 0)
    for frames in (10, 20, 30):
        first.write({"frames": frames, "loss": float(frames), "gap": None})
    first.close()
    second = TensorBoard(tmp_path, 20)
    second.write({"frames": 30, "loss": -1.0})
    second.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(10, 10.0), (20, 20.0), (30, -1.0)]
    assert events.Tags()["scalars"] == ["loss"]


def test_a_folder_of_old_runs_is_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb" / "offline-run-1").mkdir(parents=True)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError, match=r"--wandb needs a package: .* \(.*is only a folder"):
        check_trackers(RunConfig(wandb=True))
    sys.modules.pop("wandb", None)
    check_trackers(RunConfig())
