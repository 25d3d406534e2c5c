"""The house's rules: imports run downwards only, and the loss needs torch and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOOR = {"configs": 0, "envs": 1, "cpc_rl": 2, "cpc_repr": 3, "agents": 4}  # cpc_repr may import cpc_rl


def imports(file: Path) -> set[str]:
    """Top-level names of all modules that `file` imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", FLOOR)
def test_imports_run_downwards_only(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    allowed = {name for name, floor in FLOOR.items() if floor < FLOOR[package]} | {package}
    if package == "envs":
        allowed.discard("configs")  # environments are of use without the rest
    for file in files:
        ours = imports(file) & set(FLOOR)
        assert ours <= allowed, f"{file.relative_to(ROOT)} imports {ours - allowed}"


def test_the_loss_imports_torch_and_nothing_else():
    code = (
        "import sys, torch; before = set(sys.modules); import cpc_rl.infonce;"
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before})"
    )
    added = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    third_party = set(added.stdout.split()) - set(sys.stdlib_module_names) - {"torch"}
    assert third_party == {"cpc_rl"}


def test_both_halves_share_one_function():
    import cpc_repr
    import cpc_rl.infonce

    assert cpc_repr.info_nce is cpc_rl.infonce.info_nce
    assert cpc_repr.cpc_loss is cpc_rl.infonce.cpc_loss
