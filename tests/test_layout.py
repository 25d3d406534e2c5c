"""The house's rules: imports run downwards only, and programs start light."""

from __future__ import annotations

import ast
import graphlib
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


def modules() -> dict[str, Path]:
    """All files of the project by their module's name."""
    found = {}
    for package in FLOOR:
        for file in (ROOT / package).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(source: str, known: set[str]) -> set[str]:
    """The modules of `known` that `source` names in an import, inside functions too, or in `import_module("...")`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in known else str(node.module) for name in whole}
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                names.add(str(node.args[0].value))
    return names & known


def test_no_two_files_import_each_other_directly_or_through_others():
    files = modules()
    graph = {name: imported(file.read_text(), set(files)) - {name} for name, file in files.items()}
    assert sum(map(len, graph.values())) > len(graph)  # they do import one another
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"these import one another: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize(
    "source",
    [
        "import a.b",
        "from a import b",
        "from a.b import thing",
        "def f():\n    from a.b import thing",
        "import importlib\nimportlib.import_module('a.b')",
        "from importlib import import_module\nx = import_module('a.b').thing",
    ],
)
def test_every_way_to_import_is_seen(source):
    assert imported(source, {"a", "a.b", "a.c"}) == {"a.b"}


def test_no_program_loads_what_it_does_not_need_to_start():
    """Each of these takes 0.3 to 1 seconds, and every start pays: a user's, a worker's, a trial's, a test's."""
    programs = "agents.a2c", "agents.random", "cpc_rl.evaluate", "cpc_repr.audio", "cpc_repr.vision", "cpc_repr.text"
    slow = "scipy.stats", "scipy.signal", "sklearn", "matplotlib", "numba", "gymnasium", "wandb", "torchvision"
    code = (
        f"import sys, {', '.join(programs)}, cpc_repr.audio.experiment, cpc_repr.vision.experiment;"
        "import cpc_repr.text.experiment; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(slow) & set(loaded.stdout.split())
    assert loaded.stderr == ""  # torch.utils.cpp_extension warns where there is CUDA and no GPU


def test_both_halves_share_one_function():
    import cpc_repr
    import cpc_rl.infonce

    assert cpc_repr.info_nce is cpc_rl.infonce.info_nce
    assert cpc_repr.cpc_loss is cpc_rl.infonce.cpc_loss
