import re
from pathlib import Path

import pytest

from configs import UsageError, load_yaml
from cpc_rl.runs import RunConfig, RunDirectory
from cpc_rl.runs.directory import fresh_path


def test_create_writes_the_configuration_and_open_finds_it(tmp_path: Path) -> None:
    config = RunConfig(seed=7)
    run = RunDirectory.create(tmp_path / "a" / "b", config)
    assert RunConfig.model_validate(load_yaml(run.config_path)) == config
    assert RunDirectory.open(run.path).metrics_path == run.path / "metrics.jsonl"
    assert run.report.is_dir()


def test_create_takes_an_empty_directory_and_refuses_a_used_one(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, RunConfig())
    with pytest.raises(UsageError, match=rf"{tmp_path} exists; continue it with --resume .* or give another --run"):
        RunDirectory.create(tmp_path, RunConfig())


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="cannot write run directory .*Not a directory; give another --run"):
        RunDirectory.create(file / "run", RunConfig())
    with pytest.raises(UsageError, match="exists and is not a directory"):
        RunDirectory.create(file, RunConfig())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        RunDirectory.create(tmp_path / "run", RunConfig())


def test_open_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such run directory"):
        RunDirectory.open(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="it has no config.yaml"):
        RunDirectory.open(tmp_path)


def test_fresh_path_is_fresh_and_a_plain_name(tmp_path: Path) -> None:
    first = fresh_path("a/b level", "cpc", 3, root=tmp_path)
    assert first.parent == tmp_path
    assert re.fullmatch(r"a_b_level-cpc-s3-\d{8}-\d{6}", first.name)
    first.mkdir()
    assert not fresh_path("a/b level", "cpc", 3, root=tmp_path).exists()
