"""The code blocks of docs/extending.md, as a reader would use them: each file written, each command run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = re.split(r"^## ", (ROOT / "docs/extending.md").read_text(), flags=re.M)[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all sections: the last one draws what the first one trained."""
    return tmp_path_factory.mktemp("extending")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_the_blocks_do_what_they_say(section: str, folder: Path) -> None:
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```", section, flags=re.M | re.S)
    files = [code for kind, code in blocks if kind == "python"]
    commands = [line for kind, code in blocks if kind == "sh" for line in code.splitlines()]
    assert files and commands
    for code in files:
        name = re.match(r"# (\w+\.py)\n", code)
        assert name is not None, "the first line of a block names its file"
        (folder / name[1]).write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "python"
        done = subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_what_was_made_is_there(folder: Path) -> None:
    assert (folder / "runs/mine/report/curve.png").is_file() and (folder / "entropy.png").is_file()
    settings = (folder / "runs/mine/config.yaml").read_text()
    assert "mine:\n  weight: 0.2\n  width: 32\n" in settings and "cpc:" not in settings
    assert "| quarter turns |" in (folder / "runs/turns/report/table.md").read_text()
    assert '"mine/accuracy"' in (folder / "runs/mine/metrics.jsonl").read_text()
