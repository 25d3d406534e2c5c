"""A run is taken by the programs that made it, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import agents.a2c
import cpc_repr.export
import cpc_rl.evaluate
import cpc_rl.pretrain
from cpc_repr.audio.__main__ import main as audio
from cpc_repr.text.__main__ import main as text
from cpc_repr.vision.__main__ import main as vision

RUNS = {
    "agents.a2c": "{a2c: {}, env: {}}",
    "cpc_rl.pretrain": "{held_out: 2, env: {}}",
    "cpc_repr.vision": "{view: {}, model: {}}",
    "cpc_repr.text": "{stories: {}, corpus: {}}",
    "cpc_repr.audio": "{corpus: {}, cpc: {}}",
}
PROGRAMS = {
    "agents.a2c": agents.a2c.main,
    "cpc_rl.pretrain": cpc_rl.pretrain.main,
    "cpc_repr.vision": vision,
    "cpc_repr.text": text,
    "cpc_repr.audio": audio,
}


@pytest.mark.parametrize("of", RUNS)
def test_a_run_of_another_program_is_told_by_its_name(of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.yaml").write_text(RUNS[of])
    for program, main in PROGRAMS.items():
        if program != of:
            assert main(["--resume", str(tmp_path)]) == 2
            told = f"error: {tmp_path} is a run of python -m {of}, and this takes one of {program}\n"
            assert capsys.readouterr().err == told


@pytest.mark.parametrize("of", RUNS)
def test_readers_take_the_runs_they_are_for(of: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(RUNS[of])
    main = cpc_rl.evaluate.main if of.startswith("cpc_repr") else cpc_repr.export.main  # not for it
    assert main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path} is a run of python -m {of}, and this takes one of" in error and error.count("\n") == 1
