import gc
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import envs.minilab
from envs.minilab import jit
from envs.minilab.physics import turn
from envs.minilab.rng import uniform


def test_the_plain_functions_stay_reachable_for_other_compilers():
    assert turn.py_func.__name__ == "turn"
    assert uniform.py_func.__module__ == "envs.minilab.rng"


def test_only_what_python_calls_is_compiled_with_an_entry_for_python():
    @jit.device_function
    def half(x):
        return x / np.float32(2)

    @numba.njit
    def run(numbers):
        numbers[0] = half(numbers[0])

    numbers = np.array([3.0], np.float32)
    jit.specialise(run, numbers)(numbers)
    (inner,) = half.inspect_llvm().values()
    assert "cpython" not in inner and "cfunc" not in inner
    assert half(np.float32(3)) == numbers[0] == 1.5


@pytest.mark.parametrize("was_on", [True, False])
def test_the_garbage_collector_is_left_as_it_was(was_on, monkeypatch):
    monkeypatch.setattr(gc, "isenabled", lambda: was_on)
    switched = []
    monkeypatch.setattr(gc, "disable", lambda: switched.append("off"))
    monkeypatch.setattr(gc, "enable", lambda: switched.append("on"))
    jit.specialise(numba.njit(lambda x: x), 1.0)
    assert switched == ["off", *["on"] * was_on]


def test_the_digest_covers_every_source_file(monkeypatch, tmp_path):
    folder = tmp_path / "minilab"
    shutil.copytree(Path(jit.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "__file__", str(folder / "jit.py"))
    assert jit._digest_of_sources() == jit._SOURCES
    with (folder / "levels" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    assert jit._digest_of_sources() != jit._SOURCES


def test_the_cache_finds_closures_and_hides_neither_changes_nor_levels(tmp_path):
    """numba by itself would not see a change in `callee`, and would find no closure of another process."""
    package = tmp_path / "envs" / "minilab"
    package.mkdir(parents=True)
    source = Path(envs.minilab.__file__).parent
    for name in ("__init__.py", "jit.py"):
        shutil.copy(source / name, package / name)
    (tmp_path / "envs" / "__init__.py").touch()
    (package / "caller.py").write_text(
        "from envs.minilab.jit import launcher\n\n"
        "def make(level, function):\n"
        "    @launcher(level, __file__)\n    def run():\n        return function()\n\n    return run\n"
    )
    program = (
        "from envs.minilab.caller import make; from envs.minilab.callee import value, other; "
        "runs = [make('one', value), make('two', other)]; "
        "print(*(run() for run in runs), sum(sum(run.stats.cache_hits.values()) for run in runs))"
    )

    def outcome(value: int) -> str:
        (package / "callee.py").write_text(
            f"from envs.minilab.jit import device_function\n\n@device_function\ndef value():\n    return {value}\n\n"
            "@device_function\ndef other():\n    return 9\n"
        )
        result = subprocess.run(
            [sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return result.stdout.strip()

    assert outcome(1) == "1 9 0"
    assert outcome(1) == "1 9 2"  # from the disk
    assert outcome(2) == "2 9 0"
