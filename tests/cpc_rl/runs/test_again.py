"""The command that a stopped program prints goes on with its run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import cpc_rl.collect
from cpc_rl.runs import resume_command

ROOT = Path(__file__).parents[3]
STOP = """
import os, signal, sys
from pathlib import Path

def stop_once():
    if not Path("stopped").exists():
        Path("stopped").touch()
        os.kill(os.getpid(), signal.SIGINT)
"""
LOSS = """
from cpc_rl.aux import AUX_LOSSES

class Mine(AUX_LOSSES["pixel_control" if "a2c" in __file__ else "cpc"]):
    def forward(self, unroll):
        stop_once()
        return super().forward(unroll)

AUX_LOSSES["mine"] = Mine
"""
METHOD = """
from cpc_repr.vision.pretext import METHODS

class Mine(METHODS["rotation"]):
    def loss(self, batch, number):
        stop_once()
        return super().loss(batch, number)

METHODS["mine"] = Mine
"""
SMALL = ["--env", "seekavoid_arena_01", "--height", "24", "--width", "24", "--num-envs", "2", "--device", "cpu"]
PROGRAMS = {  # module with `main`, what registers something, the flags
    "my_a2c.py": ("agents.a2c", LOSS, [*SMALL, "--preset=laptop", "--aux=mine", "--unroll=20", "--frames=480"]),
    "my_pretrain.py": ("cpc_rl.pretrain", LOSS, ["--data=play", "--aux=mine", "--mine.steps=5", "--frames=480"]),
    "my_vision.py": ("cpc_repr.vision.__main__", METHOD, ["--smoke", "--method=mine", "--cache=pictures"]),
}


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("file", PROGRAMS)
def test_the_printed_command_goes_on_with_what_a_users_file_registers(file: str, tmp_path: Path) -> None:
    module, registers, flags = PROGRAMS[file]
    if "--data=play" in flags:
        assert cpc_rl.collect.main([*SMALL, "--rows", "20", "--frames", "640", "--out", str(tmp_path / "play")]) == 0
    start = f"from {module} import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    (tmp_path / file).write_text(STOP + registers + start)
    first = run([sys.executable, file, *flags, "--run=my runs/one"], tmp_path)
    assert first.returncode == 130, first.stderr
    (command,) = [line.partition("go on with: ")[2] for line in first.stdout.splitlines() if "go on with: " in line]
    assert command == f"python {file} --resume 'my runs/one'"
    second = run(shlex.split(command), tmp_path)
    assert second.returncode == 0 and "done: my runs/one" in second.stdout, second.stderr


def started(monkeypatch: pytest.MonkeyPatch, argv: list[str], module: str | None) -> None:
    """As if this process had been started with these words, by `python -m module` or as a script."""
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", module and ModuleSpec(module, None))


@pytest.mark.parametrize(
    ("argv", "module", "size", "command"),
    [
        (["/venv/bin/cpc-rl", "train", "--aux=cpc"], None, 1, "cpc-rl train"),
        (["/src/agents/a2c.py", "--aux=cpc"], "agents.a2c", 1, "python -m agents.a2c"),
        (["/src/cpc_repr/audio/__main__.py", "--aux=cpc"], "cpc_repr.audio.__main__", 1, "python -m cpc_repr.audio"),
        (["mine.py", "first", "--aux=cpc"], None, 1, "python mine.py first"),
        (["notebook", "-f", "kernel.json"], "ipykernel_launcher", 1, "python -m agents.a2c"),
        (["/src/agents/a2c.py", "--aux=cpc"], "agents.a2c", 2, "torchrun --nproc-per-node=2 -m -- agents.a2c"),
        (["a2c.py", "--aux=cpc"], "agents.a2c", 4, "torchrun --nnodes=2 --nproc-per-node=2 ... -m -- agents.a2c"),
        (["mine.py", "--aux=cpc"], None, 2, "torchrun --nproc-per-node=2 mine.py"),
    ],
)
def test_the_command_is_the_one_that_started_the_program(
    argv: list[str], module: str | None, size: int, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(monkeypatch, argv, module)
    monkeypatch.setenv("WORLD_SIZE", str(size))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert resume_command("agents.a2c", ["--aux=cpc"], Path("runs/x")) == f"{command} --resume runs/x"
