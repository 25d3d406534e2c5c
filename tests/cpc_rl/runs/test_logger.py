from pathlib import Path

from cpc_rl.runs import Logger, RunConfig, RunDirectory, read_metrics


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
    assert 500 <= (row["seconds"] or 0) < 560
    assert [r["frames"] for r in read_metrics(run.metrics_path)] == [400, 800]
