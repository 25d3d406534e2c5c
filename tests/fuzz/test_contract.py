"""Every program, given something wrong: one line on standard error, exit code 1 or 2, nothing made, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agents.config import full_config
from agents.random import RandomConfig
from cpc_repr.audio.config import AudioConfig
from cpc_repr.audio.extract import ExtractConfig
from cpc_repr.text.config import TextConfig
from cpc_repr.vision.config import VisionConfig
from cpc_repr.vision.detect import DetectConfig
from cpc_repr.vision.export import ExportConfig
from cpc_rl.compare import CompareConfig
from cpc_rl.evaluate import EvaluateConfig
from cpc_rl.sweep.__main__ import SweepConfig
from cpc_rl.watch import WatchConfig
from tests.fuzz import strategies
from tests.fuzz.contract import folder, refused, start, tree, write

# Each with its settings and the words it cannot do without.
PROGRAMS: dict[str, tuple[type[BaseModel], list[str]]] = {
    "agents.a2c": (full_config(), []),
    "agents.random": (RandomConfig, []),
    "cpc_rl.evaluate": (EvaluateConfig, ["nowhere"]),
    "cpc_rl.sweep.__main__": (SweepConfig, ["seeds"]),
    "cpc_rl.compare": (CompareConfig, ["nowhere"]),
    "cpc_rl.watch": (WatchConfig, ["nowhere"]),
    "cpc_repr.audio.__main__": (AudioConfig, []),
    "cpc_repr.vision.__main__": (VisionConfig, []),
    "cpc_repr.text.__main__": (TextConfig, []),
    "cpc_repr.audio.extract": (ExtractConfig, ["nowhere", "out"]),
    "cpc_repr.vision.export": (ExportConfig, ["nowhere"]),
    "cpc_repr.vision.detect": (DetectConfig, ["nowhere"]),
}
WITH_FILES = ["agents.a2c", "cpc_repr.audio.__main__", "cpc_repr.vision.__main__", "cpc_repr.text.__main__"]
TINY = "--num-envs=1 --unroll=20 --height=24 --width=24 --network.features=16 --network.hidden=16 --backend=minilab "
TINY += "--device=cpu --log-updates=1 --aux=cpc --cpc.steps=2 --frames=240"


def examples(count: int) -> Any:
    """So many, the same ones each time."""
    return settings(derandomize=True, max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("module", PROGRAMS)
def test_wrong_flags(module: str) -> None:
    model, words = PROGRAMS[module]

    @examples(20)
    @given(st.lists(strategies.wrong_flags(model), min_size=1, max_size=3))
    def check(flags: list[str]) -> None:
        with folder():
            refused(module, [*words, *flags])

    check()


ENVS = ["list", "bench", "gallery", "play", "doctor", "", "--env", "--num-envs", "--height", "--seed", "--out", "--zzz"]


@examples(60)
@given(st.sampled_from(ENVS), st.lists(st.sampled_from([*ENVS, *strategies.WORDS, *strategies.LONG]), max_size=4))
def test_wrong_words_for_the_environments_program(first: str, words: list[str]) -> None:
    with folder():
        refused("envs.__main__", [first, *words, "--no-such-flag"])


@examples(20)
@given(st.sampled_from(["--num-envs", "--height", "--env-threads"]), st.sampled_from(["0", "-1", *strategies.LONG[:4]]))
def test_wrong_numbers_for_the_environments_program(flag: str, word: str) -> None:
    with folder():
        refused("envs.__main__", ["bench", f"{flag}={word}", "--width=7", "--env", "rooms_watermaze"])


@pytest.mark.parametrize("module", WITH_FILES)
def test_wrong_configuration_files(module: str) -> None:
    """The seed sees to it that nothing starts where the file happens to be right."""

    @examples(100)
    @given(strategies.yaml_documents(PROGRAMS[module][0]))
    def check(text: str) -> None:
        with folder():
            write({"file.yaml": text})
            refused(module, ["--config", "file.yaml", "--seed=-1"])

    check()


SWEEP = {
    "program": "train.py",
    "command": ["${interpreter}", "${program}", "${args}"],
    "method": "random",
    "metric": {"name": "episode_return", "goal": "maximize"},
    "run_cap": 2,
    "parameters": {
        "rate": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-2},
        "aux": {"values": ["none", "cpc"]},
        "seed": {"min": 1, "max": 3},
        "weighted": {"values": [1, 2], "probabilities": [0.5, 0.5]},
        "rounded": {"distribution": "q_normal", "mu": 0, "sigma": 1, "q": 2},
    },
}
TRIAL = {"index": 0, "parameters": {"a": 1}, "status": "done", "run": None, "log": "logs/000.log", "exit_code": 0}
STATE = {"format": 1, "seed": 1, "cross": [], "trials": [TRIAL | {"error": None, "job": None}]}


@examples(150)
@given(st.one_of(strategies.damaged_tree(SWEEP).map(yaml.safe_dump), strategies.damaged_text(yaml.safe_dump(SWEEP))))
def test_wrong_sweep_files(text: str) -> None:
    with folder():
        write({"file.yaml": text})
        refused("cpc_rl.sweep.__main__", ["file.yaml", "--out", "out", "--cross", "no_such_parameter"])


@examples(150)
@given(st.one_of(strategies.damaged_tree(STATE).map(json.dumps), strategies.damaged_text(json.dumps(STATE))))
def test_damaged_sweeps(state: str) -> None:
    content = "{program: x, command: ['true'], method: grid, parameters: {a: {value: 1}}}"
    with folder():
        write({"file.yaml": content, "out/sweep.yaml": content, "out/state.json": state, "victim/config.yaml": "{}"})
        refused("cpc_rl.sweep.__main__", ["file.yaml", "--out", "out", "--seed", "99"])
        refused("cpc_rl.compare", ["out", "--out", "compared"])


ODD_NAMES = ["/", ".", "gymnasium/", "gymnasium/Nope-v0", "gymnasium/os:system", "gymnasium/nomodule:X", "gymnasium/:"]
ODD_NAMES += ["gymnasium/sys:exit", "gymnasium/math:pi", "gymnasium/pathlib:Path", "gymnasium/..:x", "envpool/xx"]
ODD_NAMES += ["dmlab/xx", "minilab/", "rooms_watermaze/..", "ROOMS_WATERMAZE", "a" * 5000, "{0}", "%s", "[red]", "\n"]


@examples(30)
@given(st.sampled_from(["agents.a2c", "agents.random"]), st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=20)))
def test_environments_that_are_not_there(module: str, name: str) -> None:
    place = ["--run", "new"] if module == "agents.a2c" else []
    with folder():
        refused(module, ["--num-envs=1", *place, f"--env={name}"])


PLACES = [["--run", name] for name in ("full", "file", "file/x", "x" * 300, "/proc/x", "/dev/null/x", "", "a\0b")]
PLACES += [["--resume", name] for name in ("full", "file", "nowhere", "pipe", "/proc", "x" * 300, "", "torn")]
PLACES += [["--config", name] for name in ("full", "file", "nowhere", "pipe", "/proc", "x" * 300, "", "/dev/zero")]
PLACES += [["--preset", "x/../y"], ["--device", "cuda:900"], ["--run", "new", "--resume", "full"], ["--run"]]


@pytest.mark.parametrize("module", ["agents.a2c", "cpc_repr.text.__main__"])
@pytest.mark.parametrize("words", PLACES, ids=lambda words: " ".join(words)[:30])
def test_places_that_cannot_be_used(module: str, words: list[str]) -> None:
    small = TINY.split() if module == "agents.a2c" else ["--smoke"]
    with folder():
        write({"full/a": "x", "file": "x", "torn/config.yaml": "["})
        os.mkfifo("pipe")
        refused(module, [*small, *words])


DATA = [("audio", flag) for flag in ("--data", "--labels", "--train-list", "--test-list")] + [("vision", "--data")]
DATA += [("text", flag) for flag in ("--data", "--tasks", "--vectors")]
JUNK: dict[str, str | bytes] = {
    "file": "x",
    "junk/a.txt": b"\xff\xfe\0",
    "junk/b/c/d.flac": "x",
    "junk/train/e/f.png": "x",
}
JUNK |= {"junk/train_split.txt": "d", "junk/test_split.txt": "d", "junk/converted_aligned_phones.txt": "d 1 2 x"}


@examples(30)
@given(
    st.sampled_from(DATA),
    st.sampled_from(["nowhere", "file", "junk", "empty", "pipe", "x" * 300, "/dev/null"]),
)
def test_data_that_is_none(what: tuple[str, str], place: str) -> None:
    family, flag = what
    with folder():
        write(JUNK)
        os.mkdir("empty")
        os.mkfifo("pipe")
        refused(f"cpc_repr.{family}.__main__", ["--smoke", "--run", "new", flag, place])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two checkpoints."""
    path = tmp_path_factory.mktemp("made") / "run"
    assert start("agents.a2c", [*TINY.split(), "--run", str(path)]).code == 0
    assert len(list(path.glob("checkpoint-*.pt"))) == 2
    return path


def test_damaged_runs_are_read_by_name(made: Path) -> None:
    """No comparison has such a baseline: it ends in a line, unless there is nothing yet to compare."""
    files = ["config.yaml", "metrics.jsonl"]

    @examples(120)
    @given(st.sampled_from(["cpc_rl.compare", "cpc_rl.watch"]), strategies.damages(files))
    def check(module: str, damages: list[strategies.Damage]) -> None:
        with folder():
            shutil.copytree(made, "run")
            for damage in damages:
                strategies.do(damage, Path("run"))
            argv = ["run", "--baseline", "no_such_arm", "--out", "out"]
            if module == "cpc_rl.compare" or start(module, [*argv, "--once"]) != (0, ""):
                refused(module, argv if module == "cpc_rl.compare" else [*argv, "--once"])

    check()


def test_damaged_runs_go_on_or_say_why_not(made: Path) -> None:
    """What was damaged may not matter, as metrics do not to an evaluation; what does is told in the last line."""
    files = ["config.yaml", "metrics.jsonl", *(path.name for path in made.glob("checkpoint-*.pt"))]
    programs = {
        "agents.a2c": ["--resume", "run", "--frames", "260"],
        "cpc_rl.evaluate": ["run", "--episodes", "1", "--no-greedy", "--device", "cpu"],
    }

    @examples(12)
    @given(st.sampled_from(list(programs)), strategies.damages(files))
    def check(module: str, damages: list[strategies.Damage]) -> None:
        with folder():
            shutil.copytree(made, "run")
            for damage in damages:
                strategies.do(damage, Path("run"))
            before = tree()
            outcome = start(module, programs[module])
            *told, last = outcome.error.splitlines() or [""]
            assert all(" is damaged (" in line for line in told), outcome.error
            if outcome.code != 0:
                assert outcome.code in (1, 2) and last.startswith("error: "), (damages, outcome)
                assert tree() == before, damages

    check()


def test_a_program_that_breaks_the_contract_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself, on programs that print two lines, exit with 0, leave a file, or show a traceback."""
    import agents.random as program

    def leaves(argv: list[str]) -> int:
        Path("left").touch()
        return fails(argv)

    def fails(argv: list[str]) -> int:
        import sys

        print("error: no", file=sys.stderr)
        return 2

    def twice(argv: list[str]) -> int:
        return fails(argv) and fails(argv)

    for bad in (leaves, twice, lambda argv: 0, lambda argv: 1 // 0):
        monkeypatch.setattr(program, "main", bad)
        with folder(), pytest.raises((AssertionError, ZeroDivisionError)):
            refused("agents.random", [])
    monkeypatch.setattr(program, "main", fails)
    with folder():
        assert refused("agents.random", []) == "error: no\n"
