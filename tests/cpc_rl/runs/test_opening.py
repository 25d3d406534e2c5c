"""A new run directory is taken back where nothing has been trained in it, so that the corrected command can have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import RunFailure, UsageError
from cpc_rl.distributed import SINGLE
from cpc_rl.runs import RunConfig, RunDirectory, open_run


def refused(path: Path, error: Exception, trained: str = "", **options: Path) -> None:
    config = RunConfig(**(options or {"run": path}))
    with pytest.raises(type(error)), open_run(config, path, RunConfig(), SINGLE) as run:
        (run.path / "vocabulary.txt").touch()
        (run.path / "s1").mkdir()
        (run.path / "s1" / "metrics.jsonl").write_text(trained)
        raise error


def test_what_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    for error in (UsageError("no such data"), FileExistsError("a file where a folder should be")):
        refused(tmp_path / "runs" / "new", error)
        assert not (tmp_path / "runs").exists()
    (tmp_path / "runs" / "other").mkdir(parents=True)
    (tmp_path / "runs" / "new").mkdir()  # the user's own, empty
    refused(tmp_path / "runs" / "new", UsageError("no such data"))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "other", "runs"]


def test_what_was_trained_or_failed_or_was_there_before_stays(tmp_path: Path) -> None:
    refused(tmp_path / "trained", UsageError("no such task"), trained="{}\n")
    refused(tmp_path / "failed", RunFailure("out of luck"))
    RunDirectory.create(tmp_path / "old", RunConfig())
    refused(tmp_path / "fresh", UsageError("no"), resume=tmp_path / "old")
    assert all((tmp_path / name / "config.yaml").is_file() for name in ("trained", "failed", "old"))
    assert not (tmp_path / "fresh").exists()
