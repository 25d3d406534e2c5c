"""A user's folder with the name of one of our packages, in the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAFE = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"} | {"PYTHONPATH": str(ROOT)}


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, env=SAFE, capture_output=True, text=True, timeout=300)


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("mine = 1")
    return tmp_path


@pytest.mark.parametrize("module", ["cpc_rl.compare", "agents.a2c", "cpc_repr.text", "cpc_rl.evaluate"])
def test_a_program_says_which_folder_hides_which_package(shadowed: Path, module: str) -> None:
    done = python(shadowed, "-m", module, "--help")
    line = f"error: {shadowed}/configs hides the package configs of cpc-rl: start with python -P -m ..., "
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1


def test_what_the_line_advises_works(shadowed: Path) -> None:
    done = python(shadowed, "-P", "-m", "cpc_rl.compare")
    assert (done.returncode, done.stderr) == (2, "error: give one run directory or more; see --help\n")
    done = python(shadowed, "-P", "-c", "import sys; from agents.cli import main; sys.exit(main(['compare']))")
    assert (done.returncode, done.stderr) == (2, "error: give one run directory or more; see --help\n")


def test_a_file_hides_as_well_and_a_folder_that_is_no_package_does_not(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").touch()
    assert python(tmp_path, "-m", "cpc_rl.compare").stderr == "error: give one run directory or more; see --help\n"
    (tmp_path / "envs.py").touch()
    done = python(tmp_path, "-m", "cpc_rl.compare")
    assert done.returncode == 2 and done.stderr.startswith(
        f"error: {tmp_path}/envs.py hides the package envs of cpc-rl"
    )


def test_a_project_with_such_a_folder_may_use_the_library(shadowed: Path) -> None:
    (shadowed / "mine").mkdir()
    (shadowed / "mine" / "__init__.py").write_text("import cpc_rl.infonce")
    (shadowed / "mine" / "train.py").write_text("import configs; print(configs.mine)")
    assert python(shadowed, "-m", "mine.train").stdout == "1\n"
    assert python(shadowed, "-c", "import cpc_rl.infonce; print('fine')").stdout == "fine\n"


def test_trials_of_a_sweep_look_where_the_sweep_did(shadowed: Path) -> None:
    (shadowed / "agents").mkdir()
    (shadowed / "agents" / "__init__.py").touch()
    (shadowed / "f.yaml").write_text(
        "{program: agents.a2c, command: ['${interpreter}', -m, '${program}', '${args}'], method: grid, "
        "parameters: {env: {value: no_such_level}}}"
    )
    done = python(shadowed, "-P", "-m", "cpc_rl.sweep", "f.yaml", "--out", "out")
    assert done.returncode == 1 and "no_such_level" in done.stderr, done.stderr
    assert "1 of 1 trials failed" in done.stderr and "No module named" not in done.stderr
