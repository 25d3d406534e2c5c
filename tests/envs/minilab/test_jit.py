import shutil
import subprocess
import sys
from pathlib import Path

import envs.minilab
from envs.minilab import jit
from envs.minilab.physics import turn
from envs.minilab.rng import uniform


def test_the_plain_functions_stay_reachable_for_other_compilers():
    assert turn.py_func.__name__ == "turn"
    assert uniform.py_func.__module__ == "envs.minilab.rng"


def test_the_digest_covers_every_source_file(monkeypatch, tmp_path):
    folder = tmp_path / "minilab"
    shutil.copytree(Path(jit.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "__file__", str(folder / "jit.py"))
    assert jit._digest_of_sources() == jit._SOURCES
    with (folder / "levels" / "__init__.py").open("a") as file:
        file.write("# changed\n")
    assert jit._digest_of_sources() != jit._SOURCES


def test_a_change_in_a_called_module_is_not_hidden_by_the_cache(tmp_path):
    """numba by itself would run the old machine code of a launcher whose own file is unchanged."""
    package = tmp_path / "envs" / "minilab"
    package.mkdir(parents=True)
    source = Path(envs.minilab.__file__).parent
    for name in ("__init__.py", "jit.py"):
        shutil.copy(source / name, package / name)
    (tmp_path / "envs" / "__init__.py").touch()
    (package / "caller.py").write_text(
        "from envs.minilab.jit import launcher\nfrom envs.minilab.callee import value\n\n"
        "@launcher\ndef run():\n    return value()\n"
    )
    program = "from envs.minilab.caller import run; run(); print(run(), sum(run.stats.cache_hits.values()))"

    def outcome(value: int) -> str:
        (package / "callee.py").write_text(
            f"from envs.minilab.jit import device_function\n\n@device_function\ndef value():\n    return {value}\n"
        )
        result = subprocess.run(
            [sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return result.stdout.strip()

    assert outcome(1) == "1 0"
    assert outcome(1) == "1 1"  # from the disk
    assert outcome(2) == "2 0"
