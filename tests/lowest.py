"""Install the lowest versions that pyproject.toml allows into an environment of its own, and run the tests there.

    python tests/lowest.py [--venv DIR] [TEST ...]

A lower bound is a claim. This takes some gigabytes and, with all tests, an hour: `make test-lowest`, not `make test`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("audio", "vision", "text", "tensorboard", "wandb", "envpool", "slurm", "play", "export")  # what tests need
TOOLS = ("pytest", "hypothesis", "jsonschema")


def lowest(requirement: str) -> str | None:
    """`numpy==1.26`, which is 1.26.0, for `numpy>=1.26`; None without a lower bound."""
    found = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\d.]+)", requirement)
    return None if found is None else f"{found[1]}=={found[2]}"


def bounds(project: dict[str, Any]) -> list[str]:
    """The lowest versions of all that `project`, the table of pyproject.toml, depends on."""
    optional = project["optional-dependencies"]
    listed = [*project["dependencies"], *(line for extra in EXTRAS for line in optional[extra])]
    return [line for line in map(lowest, listed) if line is not None]


def main() -> int:
    """Command line; the exit code is that of the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "cpc-rl-lowest")
    parser.add_argument("tests", nargs="*", default=["tests"])
    options = parser.parse_args()
    wanted = bounds(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    python = options.venv / "bin" / "python"
    if not python.exists():
        venv.create(options.venv, with_pip=True)
    print("\n".join(wanted), flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted, *TOOLS], check=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [python, "-m", "pytest", "-m", "not slow and not gpu", "-q", "-p", "no:cacheprovider", *options.tests]
    return subprocess.run(words, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
