from pathlib import Path

import pytest

from cpc_rl.runs import Logger, RunConfig, RunDirectory, read_metrics
from cpc_rl.runs import logger as module


def test_a_row_carries_time_rate_and_memory(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    with Logger(run, RunConfig()) as logger:
        row = logger.write(400, {"agent_steps": 100, "loss/total": float("nan"), "episodes": 2})
    assert read_metrics(run.metrics_path) == [row]
    assert row["frames"] == 400 and row["agent_steps"] == 100 and row["loss/total"] is None and row["episodes"] == 2
    assert (row["memory_mb"] or 0) > 20 and (row["frames_per_second"] or 0) > 0 and row["seconds"] is not None


def test_resuming_continues_seconds_and_rows(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", RunConfig())
    with Logger(run, RunConfig()) as logger:
        logger.write(400, {"agent_steps": 100})
        logger.write(800, {"agent_steps": 200})
        state = logger.state_dict()
    state["seconds"] = 500.0
    with Logger(run, RunConfig(), frames=400, state=state) as logger:
        row = logger.write(800, {"agent_steps": 200})
        assert logger.state_dict()["wandb_id"] == state["wandb_id"]
    assert 500 <= (row["seconds"] or 0) < 560
    assert [r["frames"] for r in read_metrics(run.metrics_path)] == [400, 800]


def test_trackers_are_opened_only_on_request_and_get_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class Fake:
        id = "given"

        def __init__(self, *args: object) -> None:
            seen.append(args[:2] if len(args) > 2 else args)

        def write(self, row: dict[str, float]) -> None:
            seen.append(row["frames"])

        def close(self) -> None:
            seen.append("closed")

    monkeypatch.setattr(module, "Wandb", Fake)
    monkeypatch.setattr(module, "TensorBoard", Fake)
    for config, expected in (
        (RunConfig(), lambda path: []),
        (RunConfig(wandb=True, wandb_project="p"), lambda path: [(path, "p"), 4, "closed"]),
        (RunConfig(tensorboard=True), lambda path: [(path, 0), 4, "closed"]),
    ):
        seen.clear()
        run = RunDirectory.create(tmp_path / str(config.wandb) / str(config.tensorboard), config)
        with Logger(run, config) as logger:
            logger.write(4, {"agent_steps": 1})
            assert (logger.state_dict()["wandb_id"] == "given") == config.wandb
        assert seen == expected(run.path)
